"""LSH look-ups over tables that were made before some sets grew, as if they were made anew.

A set that grew has another key in a few bands, where one of its new elements is the least by a
hash function. The index keeps the low 16 bits of each minimum. Those of h(x) = a f(x) + b follow
from the low 16 bits of f(x), and a is odd: a slot's value tells which low bits f(x) has. So the
elements that were added are sorted by these bits once, and who moved to a key is looked for among
those of its slots alone. Tables leave out who is alone with a key; when a seed moves to that key,
the one who was alone is found in the same way, among the holders of the elements with the bits of
one slot.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.communities.segment.grown_sets import Grown, place_of, row_of, slot_now, vertex_of
from graphagg.graph.added import Added, span, take
from graphagg.kernels import kernel, lower_bound
from graphagg.minhash.bands import BandTables, bucket, key_of
from graphagg.minhash.signatures import Hashes

_LOW = 1 << 16


class ByHash(NamedTuple):
    """Things by the low 16 bits of the hash of an element.

    Attributes:
        starts: `[2^16 + 1]` int64.
        things: int32; those of bits h, ascending, lie from `starts[h]` to `starts[h + 1]`.
    """

    starts: Array
    things: Array

    @classmethod
    def of(cls, hashes: Array, things: Array | None = None) -> ByHash:
        """Of ascending things by the hash of each; None: things are their own numbers."""
        starts, sorted_things = np.zeros(_LOW + 1, np.int64), np.empty(len(hashes), np.int32)
        _sort(hashes, np.zeros(0, np.int32) if things is None else things, starts, sorted_things)
        return cls(starts, sorted_things)


class LookUps(NamedTuple):
    """All that look-ups read, besides the sets.

    Attributes:
        tables: those before the sets grew.
        inverses: `[K]` uint16, the inverse of each slot's factor modulo 2^16.
        added_hashes: `[a]` uint32, of each of `Grown.added`.
        places: positions in `Grown.touched` by the hashes of the elements that were added.
        elements: all elements by their hashes.
        holder_offsets: `[m + 1]` int64, see `Sets`.
        holders: int32, likewise.
        holders_added: likewise.
    """

    tables: BandTables
    inverses: Array
    added_hashes: Array
    places: ByHash
    elements: ByHash
    holder_offsets: Array
    holders: Array
    holders_added: Added | None


def inverses(factors: Array) -> Array:
    """The inverse of each odd factor modulo 2^16."""
    return np.array([pow(int(factor), -1, _LOW) for factor in factors], dtype=np.uint16)


def candidates(
    ups: LookUps, grown: Grown, hashes: Hashes, seeds: Array, own: Array, cap: int, most: int
) -> tuple[Ints, int]:
    """As `BandTables.candidates`, by the sets of now.

    Args:
        ups: what is looked up.
        grown: the sets.
        hashes: of their elements.
        seeds: `[s]` vertices.
        own: `[s, K]` their signatures of now.
        cap: see there.
        most: see there.
    """
    entries = np.empty(len(seeds) * ups.tables.bands * cap, dtype=np.int32)
    size, cut = _collect(ups, grown, hashes, seeds, own, cap, entries)
    vertices, shared = np.unique(entries[:size], return_counts=True)
    if len(vertices) > most:
        kept = np.argsort(-shared, kind="stable")[:most]
        vertices = np.sort(vertices[kept])
    return vertices.astype(np.int64), int(cut)


@kernel
def _sort(hashes: Array, things: Array, starts: Array, out: Array) -> None:
    """Sort things by the low bits of their hashes, by counting."""
    for h in hashes:
        starts[(h & np.uint32(_LOW - 1)) + 1] += 1
    for low_bits in range(_LOW):
        starts[low_bits + 1] += starts[low_bits]
    free = starts[:-1].copy()  # where the next of each goes
    for i in range(len(hashes)):
        low_bits = hashes[i] & np.uint32(_LOW - 1)
        out[free[low_bits]] = things[i] if len(things) else i
        free[low_bits] += 1


@kernel
def _collect(
    ups: LookUps, grown: Grown, hashes: Hashes, seeds: Array, own: Array, cap: int, out: Array
) -> tuple[int, int]:
    """Write the vertices of the seeds' buckets to `out`; how many, and how many were cut."""
    size = cut = 0
    kept = np.empty(cap + 1, dtype=np.int32)
    for i in range(len(seeds)):
        for band in range(len(ups.tables.directory)):
            taken = _bucket(ups, grown, hashes, seeds[i], own[i], band, kept)
            if taken > 1:  # who is alone with a key finds nobody
                cut += taken > cap
                taken = min(taken, cap)
                out[size : size + taken] = kept[:taken]
                size += taken
    return size, cut


@kernel
def _bucket(
    ups: LookUps, grown: Grown, hashes: Hashes, seed: int, slots: Array, band: int, kept: Array
) -> int:
    """Write the first vertices that have the seed's key in a band, ascending; how many.

    `slots` is the seed's signature.
    """
    rows = ups.tables.rows
    first = band * rows
    key = np.uint64(key_of(slots, first, rows))
    low, end = bucket(ups.tables, grown.sig, band, key)
    in_tables = low < end and np.uint64(key_of(grown.sig[ups.tables.ids[low]], first, rows)) == key
    wanted = slots[first : first + rows]
    size = 0
    if grown.closed or grown.offsets[seed] < grown.offsets[seed + 1]:
        size = _keep(kept, size, seed)
    if in_tables:
        size = _who_stayed(ups, grown, hashes, first, wanted, kept, size)
    elif _is_new_here(grown, seed, first, wanted):
        size = _who_was_alone(ups, grown, hashes, first, wanted, kept, size)
    return _who_came(ups, grown, hashes, first, wanted, kept, size)


@kernel
def _is_new_here(grown: Grown, seed: int, first: int, wanted: Array) -> bool:
    """Whether the seed had not these slots before; if in doubt, yes."""
    offsets = grown.offsets
    degree = offsets[seed + 1] - offsets[seed]
    if not grown.closed and degree == 0:
        return True
    place = place_of(grown.touched, seed)
    if place < 0:
        return False
    row = row_of(grown.new, seed)
    if row < 0 or (not grown.closed and grown.starts[place + 1] - grown.starts[place] >= degree):
        return True  # it was not there, or its set may have been empty
    return not _had_slots(grown.sig, row, first, wanted)


@kernel
def _who_stayed(
    ups: LookUps, grown: Grown, hashes: Hashes, first: int, wanted: Array, kept: Array, size: int
) -> int:
    """Add those of the tables who still have the slots; how many are kept then."""
    sig, ids, rows = grown.sig, ups.tables.ids, len(wanted)
    key = np.uint64(key_of(wanted, 0, rows))
    low, end = bucket(ups.tables, sig, first // rows, key)
    found = 0
    while low < end and found < len(kept) and np.uint64(key_of(sig[ids[low]], first, rows)) == key:
        vertex = vertex_of(grown.new, ids[low])
        place = place_of(grown.touched, vertex)
        if place < 0 or _has_slots(grown, hashes, vertex, place, first, wanted):
            size = _keep(kept, size, vertex)
            found += 1
        low += 1
    return size


@kernel
def _who_came(
    ups: LookUps, grown: Grown, hashes: Hashes, first: int, wanted: Array, kept: Array, size: int
) -> int:
    """Add those who have the slots by an element that was added; how many are kept then.

    Nearly none of those who have one of the slots by it has the others: either as they were, or by
    an added element too. So much is told without their rows.
    """
    # Out of their bundles, where each access would count references.
    places_of, places = ups.places
    sig, new, touched, starts = grown.sig, grown.new, grown.touched, grown.starts
    added, factors, shifts = ups.added_hashes, hashes.factors[first:], hashes.shifts[first:]
    for i in range(len(wanted)):
        low_bits = _low_bits(ups, hashes, first + i, wanted[i])
        found = 0
        for at in range(places_of[low_bits], places_of[low_bits + 1]):
            place = places[at]
            vertex = touched[place]
            row = row_of(new, vertex)
            able = True
            for k in range(len(wanted)):
                if k == i or (row >= 0 and sig[row, first + k] == wanted[k]):
                    continue
                gives = False
                for j in range(starts[place], starts[place + 1]):
                    gives |= np.uint16(factors[k] * added[j] + shifts[k]) == wanted[k]
                able &= gives
            if able and _has_slots(grown, hashes, vertex, place, first, wanted):
                size = _keep(kept, size, vertex)
                found += 1
                if found == len(kept):  # the others have higher numbers
                    break
    return size


@kernel
def _who_was_alone(
    ups: LookUps, grown: Grown, hashes: Hashes, first: int, wanted: Array, kept: Array, size: int
) -> int:
    """Add the one who alone had the slots, and still has; how many are kept then.

    It holds an element with the bits of each slot: the slot with fewest holders is gone through.
    """
    starts, elements = ups.elements
    offsets, holders, holders_added = ups.holder_offsets, ups.holders, ups.holders_added
    sig, new = grown.sig, grown.new
    closed = grown.closed
    best, least = 0, np.int64(-1)
    for i in range(len(wanted)):
        low_bits = _low_bits(ups, hashes, first + i, wanted[i])
        work = np.int64(0)
        for at in range(starts[low_bits], starts[low_bits + 1]):
            work += offsets[elements[at] + 1] - offsets[elements[at]] + 1
        if least < 0 or work < least:
            best, least = low_bits, work
    for at in range(starts[best], starts[best + 1]):
        element = elements[at]
        # In a closed set the vertex itself comes first.
        low, high, more, end = span(offsets, holders_added, element)
        for j in range(-closed, high - low + end - more):
            vertex = element
            if j >= 0:
                vertex, low, more = take(holders, holders_added, low, high, more, end)
            row = row_of(new, vertex)
            if row >= 0 and _had_slots(sig, row, first, wanted):
                place = place_of(grown.touched, vertex)
                if place < 0 or _has_slots(grown, hashes, vertex, place, first, wanted):
                    return _keep(kept, size, vertex)
    return size


@kernel
def _low_bits(ups: LookUps, hashes: Hashes, slot: int, value: Any) -> int:
    """The low 16 bits of f(x) of all elements x that give a slot the value."""
    difference = np.uint16(value - np.uint16(hashes.shifts[slot]))
    return np.int64(np.uint16(difference * ups.inverses[slot]))  # type: ignore[return-value]


@kernel
def _had_slots(sig: Array, row: int, first: int, wanted: Array) -> bool:
    """Whether a row of the signatures has these slots."""
    for i in range(len(wanted)):
        if sig[row, first + i] != wanted[i]:
            return False
    return True


@kernel
def _has_slots(
    grown: Grown, hashes: Hashes, vertex: int, place: int, first: int, wanted: Array
) -> bool:
    """Whether a vertex that was touched has these slots now."""
    for i in range(len(wanted)):
        if slot_now(grown, hashes, vertex, place, first + i) != wanted[i]:
            return False
    return True


@kernel
def _keep(kept: Array, size: int, vertex: int) -> int:
    """Put a vertex among the lowest ones, ascending; how many there are then."""
    at = lower_bound(kept, 0, size, vertex)
    if at == len(kept) or (at < size and kept[at] == vertex):
        return size
    size = min(size + 1, len(kept))
    for i in range(size - 1, at, -1):
        kept[i] = kept[i - 1]
    kept[at] = vertex
    return size
