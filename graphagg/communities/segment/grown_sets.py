"""Signatures of sets that grew since they were signed, without reading the whole of large ones.

Of a slot only the low 16 bits of the minimum are kept. Let m be the least hash of the elements
that were added. The slot changes unless some other element has a lower one, and which it is does
not matter: the row is read until one is found. m is about uniform, so that it is found after a
number of elements that grows with the logarithm of the degree.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array
from graphagg.graph.added import Added, span
from graphagg.kernels import kernel, lower_bound
from graphagg.minhash.signatures import EMPTY, Hashes

_TOGETHER = 16  # elements that all slots are compared with
_FEW = 8  # open slots, from which on each is followed alone


class Grown(NamedTuple):
    """Sets of now, and what they were when they were signed.

    Attributes:
        sig: `[rows, K]` uint16, signatures of then, mapped.
        new: ascending, the vertices that have no row there; the others have them in their order.
        touched: `[t]` int32 ascending, vertices whose set is not the one that was signed.
        starts: `[t + 1]` int64, where what was added to each begins.
        added: int32, elements; all of the set of a new vertex, itself too where sets are closed.
        offsets: `[n + 1]` int64, see `Sets`.
        elements: int32, likewise.
        row_added: likewise; what was added to a set does not tell who stays, and is not read.
        closed: each set also has its own vertex.
    """

    sig: Array
    new: Array
    touched: Array
    starts: Array
    added: Array
    offsets: Array
    elements: Array
    row_added: Added | None
    closed: bool


@kernel
def row_of(new: Array, vertex: int) -> int:
    """The row of the signatures of a vertex; -1: it has none."""
    at = lower_bound(new, 0, len(new), vertex)
    return -1 if at < len(new) and new[at] == vertex else vertex - at


@kernel
def vertex_of(new: Array, row: int) -> int:
    """The vertex of a row of the signatures."""
    low, high = 0, len(new)
    while low < high:  # how many new ones come before it
        middle = (low + high) // 2
        if new[middle] - middle <= row:
            low = middle + 1
        else:
            high = middle
    return row + low


@kernel
def place_of(touched: Array, vertex: int) -> int:
    """Where a vertex stands among those that were touched; -1: it was not."""
    at = lower_bound(touched, 0, len(touched), vertex)
    return at if at < len(touched) and touched[at] == vertex else -1


@kernel
def slot_now(grown: Grown, hashes: Hashes, vertex: int, place: int, slot: int) -> int:
    """A slot of the signature of a vertex that was touched, as it is now."""
    mixed, added, elements = hashes.elements, grown.added, grown.elements
    factor, shift = hashes.factors[slot], hashes.shifts[slot]
    least = np.uint32(EMPTY)
    for j in range(grown.starts[place], grown.starts[place + 1]):
        least = min(least, np.uint32(factor * mixed[added[j]] + shift))
    row = row_of(grown.new, vertex)
    if row >= 0:
        if grown.closed and np.uint32(factor * hashes.own[vertex] + shift) < least:
            return grown.sig[row, slot]  # type: ignore[no-any-return]
        low, high, _, _ = span(grown.offsets, grown.row_added, vertex)
        for j in range(low, high):
            if np.uint32(factor * mixed[elements[j]] + shift) < least:
                return grown.sig[row, slot]  # type: ignore[no-any-return]
    return np.uint16(least & np.uint32(0xFFFF))  # type: ignore[return-value]


@kernel
def signatures_now(
    grown: Grown, hashes: Hashes, vertices: Array, places: Array, out: Array
) -> None:
    """Write the signatures of vertices that were touched to `out`, `[len(vertices), K]`."""
    # Out of their bundles, where each access would count references.
    mixed, own, factors, shifts = hashes
    sig, new, _, starts, added, offsets, elements, row_added, closed = grown
    least = np.empty(len(factors), dtype=np.uint32)
    stays = np.empty(len(factors), dtype=np.uint32)  # as wide as a hash: the loop is vectorized
    for i in range(len(vertices)):
        vertex, place = vertices[i], places[i]
        row = row_of(new, vertex)
        least[:] = np.uint32(EMPTY)
        for j in range(starts[place], starts[place + 1]):
            h = mixed[added[j]]
            for k in range(len(factors)):
                least[k] = min(least[k], np.uint32(factors[k] * h + shifts[k]))
        stays[:] = 0
        begin, end, _, _ = span(offsets, row_added, vertex)
        is_open, low = len(factors), begin - closed
        if row < 0:  # all of its set was added
            low = end
        while low < end and is_open > _FEW:
            high = min(low + _TOGETHER, end)
            for j in range(low, high):
                h = own[vertex] if j < begin else mixed[elements[j]]
                for k in range(len(factors)):
                    stays[k] |= np.uint32(np.uint32(factors[k] * h + shifts[k]) < least[k])
            low, is_open = high, len(factors) - int(stays.sum())
        for k in range(len(factors)):
            j = low
            while stays[k] == 0 and j < end:
                stays[k] = np.uint32(factors[k] * mixed[elements[j]] + shifts[k]) < least[k]
                j += 1
            out[i, k] = sig[row, k] if stays[k] else np.uint16(least[k] & np.uint32(0xFFFF))
