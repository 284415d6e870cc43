"""Sums of exact Jaccard similarities between given vertices and a few members.

If the vertices to compare are known, only their own sets are read: each element has a list of the
members whose set contains it. Unlike in `jaccard`, the work does not depend on the degrees of the
elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.arrays import Array, Doubles
from graphagg.communities.similarity.jaccard import intersection
from graphagg.communities.similarity.neighborhoods import (
    Neighborhoods,
    QueryScratch,
    SetArrays,
    jaccard,
    set_size,
)
from graphagg.kernels import kernel

_SEEN = 1 << 12  # words of 64 elements
_MEMBER = np.uint64(0xFFFFFFFF)  # mask of the member in a link
_LOOK_UPS = 16  # one binary search costs about as much as reading 16 entries in order


def similarity_sums(
    neighborhoods: Neighborhoods,
    members: Array,
    vertices: Array,
    marked: int,
    scratch: QueryScratch,
) -> tuple[Doubles, Array]:
    """Sum the exact similarities of `vertices` `[c]` to `members` (ascending int64).

    The members with the smallest sets are compared, up to a total of `marked` entries. Returns the
    sums and the members that were not compared.
    """
    order = np.argsort(neighborhoods.sizes(members), kind="stable")
    fits = np.cumsum(neighborhoods.sizes(members)[order]) <= marked
    compared, costly = np.sort(members[order[fits]]), members[order[~fits]]
    sums = np.zeros(len(vertices))
    marks = scratch.scores.view(np.uint64)  # zeros, and 8 bytes per element
    _add_similarities(neighborhoods.bundle, compared, vertices, marks, sums)
    return sums, costly


@kernel(small=True)
def _add_similarities(
    sets: SetArrays, members: Array, vertices: Array, marks: Array, out: Array
) -> None:
    """Add the similarities to some members to `out`; `marks` is all zero before and after."""
    offsets, elements, closed = sets.offsets, sets.elements, sets.closed
    bits = np.zeros(_SEEN, dtype=np.uint64)  # stays in the L1 cache and rejects most elements
    links = _list_members(sets, members, marks, bits)
    shared, no_examples = np.zeros(len(members)), np.empty(0, dtype=np.int64)
    for i in range(len(vertices)):
        v = vertices[i]
        size = set_size(offsets, closed, v)
        if size > _LOOK_UPS * len(links):  # a hub: the members' elements are searched in its set
            for b in range(len(members)):
                shared[b] = intersection(sets, members[b], v, no_examples)
        else:
            _count_shared(sets, v, marks, bits, links, shared)
        for b in range(len(members)):
            if shared[b] > 0:
                out[i] += jaccard(shared[b], size, set_size(offsets, closed, members[b]))
                shared[b] = 0.0
    for member in members:
        for j in range(offsets[member] - closed, offsets[member + 1]):
            marks[elements[j] if j >= offsets[member] else member] = np.uint64(0)


@kernel
def _count_shared(
    sets: SetArrays, v: int, marks: Array, bits: Array, links: Array, shared: Array
) -> None:
    """Add the number of elements that a vertex's set shares with each member to `shared`."""
    low = sets.offsets[v]
    # In a closed set the vertex itself comes first, as in `count_shared`.
    for j in range(low - sets.closed, sets.offsets[v + 1]):
        element = sets.elements[j] if j >= low else v
        if not _may_be_shared(bits, element):
            continue
        at = marks[element]
        while at > 0:
            link = links[at - np.uint64(1)]
            shared[link & _MEMBER] += 1.0
            at = link >> np.uint64(32)


@kernel(checked=False)
def _may_be_shared(bits: Array, element: int) -> Any:
    """Whether the bit of `element` is set; any number is safe here."""
    return (bits[(element >> 6) % _SEEN] >> np.uint64(element & 63)) & np.uint64(1)


@kernel
def _list_members(sets: SetArrays, members: Array, marks: Array, bits: Array) -> Array:
    """List the members of each element; `marks` is 1 + the first entry of an element's list.

    Returns one link per entry: the lower 32 bits are the member, the upper 32 bits the next entry,
    as in `marks`. Sets the bit of each element in `bits`, modulo its length.
    """
    offsets, elements, closed = sets.offsets, sets.elements, sets.closed
    size = 0
    for member in members:
        size += set_size(offsets, closed, member)
    links, entry = np.empty(size, dtype=np.uint64), 0
    for b in range(len(members)):
        first = offsets[members[b]]
        for j in range(first - closed, offsets[members[b] + 1]):
            element = elements[j] if j >= first else members[b]
            links[entry] = marks[element] << np.uint64(32) | np.uint64(b)
            marks[element] = np.uint64(entry + 1)
            bits[(element >> 6) % _SEEN] |= np.uint64(1) << np.uint64(element & 63)
            entry += 1
    return links
