"""Sums of exact Jaccard similarities of given vertices to a few members, by marked elements.

Where the vertices to compare are known, only their own sets are read: each element has one bit per
member whose set holds it. So the work does not grow with the degrees of the elements, as it does in
`jaccard`. With weights each element has a list of the members that hold it.
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array, Doubles
from graphagg.communities.similarity.jaccard import intersection
from graphagg.communities.similarity.neighborhoods import (
    Neighborhoods,
    QueryScratch,
    SetArrays,
    entry_weight,
    set_size,
    sum_of,
)
from graphagg.kernels import kernel

_BITS = 64
_SEEN = 1 << 12  # words of 64 elements
_LOOK_UPS = 16  # one binary search costs about as much as reading 16 entries in order


def similarity_sums(
    neighborhoods: Neighborhoods,
    members: Array,
    vertices: Array,
    marked: int,
    scratch: QueryScratch,
) -> tuple[Doubles, Array]:
    """Sum the exact similarities of `vertices` `[c]` to `members` (ascending int64).

    The members with the smallest sets are compared, up to `marked` entries. Returns the sums and
    the members that were not compared.
    """
    order = np.argsort(neighborhoods.sizes(members), kind="stable")
    fits = np.cumsum(neighborhoods.sizes(members)[order]) <= marked
    compared, costly = np.sort(members[order[fits]]), members[order[~fits]]
    sums = np.zeros(len(vertices))
    marks = scratch.scores.view(np.uint64)  # zeros, and 8 bytes per element
    add = _add_marked if neighborhoods.set_weights is None else _add_weighted
    for low in range(0, len(compared), _BITS):
        add(neighborhoods.bundle, compared[low : low + _BITS], vertices, marks, sums)
    return sums, costly


@kernel(small=True)
def _add_marked(sets: SetArrays, members: Array, vertices: Array, marks: Array, out: Array) -> None:
    """Add the similarities to at most 64 members; `marks` is all zero before and after."""
    offsets, elements, closed = sets.offsets, sets.elements, sets.closed
    seen = np.zeros(_SEEN, dtype=np.uint64)  # stays in the nearest cache, and most stop there
    entries = _mark(sets, members, marks, seen, False)
    counts = np.zeros(len(members), dtype=np.int64)
    no_examples = np.empty(0, dtype=np.int64)
    for i in range(len(vertices)):
        v = vertices[i]
        size = set_size(offsets, closed, v)
        if size > _LOOK_UPS * entries:  # a hub: the members' elements are searched in its set
            for b in range(len(members)):
                counts[b], _ = intersection(sets, members[b], v, no_examples)
        else:
            low, high = offsets[v], offsets[v + 1]
            # In a closed set the vertex itself comes first, as in `count_shared`.
            for j in range(low - closed, high):
                element = elements[j] if j >= low else v
                if not (seen[(element >> 6) % _SEEN] >> np.uint64(element & 63)) & np.uint64(1):
                    continue
                bits = marks[element]
                for b in range(len(members)):
                    counts[b] += (bits >> np.uint64(b)) & np.uint64(1)
        for b in range(len(members)):
            if counts[b] > 0:
                other = set_size(offsets, closed, members[b])
                out[i] += counts[b] / (size + other - counts[b])
                counts[b] = 0
    _mark(sets, members, marks, seen, True)


@kernel
def _add_weighted(
    sets: SetArrays, members: Array, vertices: Array, marks: Array, out: Array
) -> None:
    """Add the weighted similarities to some members; `marks` is all zero before and after."""
    offsets, elements, closed = sets.offsets, sets.elements, sets.closed
    values, set_weights = sets.values, sets.set_weights
    following, holders, held = _list_members(sets, members, marks)
    shared, no_examples = np.zeros(len(members)), np.empty(0, dtype=np.int64)
    for i in range(len(vertices)):
        v = vertices[i]
        if set_size(offsets, closed, v) > _LOOK_UPS * len(held):
            for b in range(len(members)):
                _, shared[b] = intersection(sets, members[b], v, no_examples)
        else:
            low = offsets[v]
            for j in range(low - closed, offsets[v + 1]):
                at = marks[elements[j] if j >= low else v]
                weight = entry_weight(offsets, values, set_weights, v, j)
                while at > 0:
                    entry = np.int64(at) - 1
                    shared[holders[entry]] += min(held[entry], weight)
                    at = following[entry]
        for b in range(len(members)):
            if shared[b] > 0:
                both = sum_of(set_weights, v, 0) + sum_of(set_weights, members[b], 0)
                out[i] += shared[b] / (both - shared[b])
                shared[b] = 0.0
    for member in members:
        for j in range(offsets[member] - closed, offsets[member + 1]):
            marks[elements[j] if j >= offsets[member] else member] = np.uint64(0)


@kernel
def _list_members(  # type: ignore[no-untyped-def]  # noqa: ANN202
    sets: SetArrays, members: Array, marks: Array
):
    """List the members that hold each element; `marks` is 1 + the first entry of an element's list.

    Returns for each entry the next one, as in `marks`, the member, and the weight of the element
    there.
    """
    offsets, elements, closed = sets.offsets, sets.elements, sets.closed
    values, set_weights = sets.values, sets.set_weights
    size = 0
    for member in members:
        size += set_size(offsets, closed, member)
    following, held = np.empty(size, dtype=np.uint64), np.empty(size)
    holders = np.empty(size, dtype=np.int64)
    entry = 0
    for b in range(len(members)):
        first = offsets[members[b]]
        for j in range(first - closed, offsets[members[b] + 1]):
            element = elements[j] if j >= first else members[b]
            following[entry], marks[element] = marks[element], np.uint64(entry + 1)
            holders[entry] = b
            held[entry] = entry_weight(offsets, values, set_weights, members[b], j)
            entry += 1
    return following, holders, held


@kernel
def _mark(sets: SetArrays, members: Array, marks: Array, seen: Array, clear: bool) -> int:
    """Set one bit per member at the elements of its set, or clear all; returns the entries read.

    `seen` gets the bit of each element modulo its length.
    """
    offsets, elements, closed = sets.offsets, sets.elements, sets.closed
    entries = 0
    for b in range(len(members)):
        member = members[b]
        bit = np.uint64(1) << np.uint64(b)
        first = offsets[member]
        for j in range(first - closed, offsets[member + 1]):
            element = elements[j] if j >= first else member
            marks[element] = np.uint64(0) if clear else marks[element] | bit
            seen[(element >> 6) % _SEEN] |= np.uint64(1) << np.uint64(element & 63)
            entries += 1
    return entries
