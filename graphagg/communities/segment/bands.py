"""LSH look-ups over tables that were made before some sets changed, as if they were made anew.

A vertex whose set grew has another key in a few bands only. Where it has, the tables name it
wrongly (it is passed over there), and lack it (`MovedBands` has it under its key of now). Tables
leave out who is alone with a key; who was, and shares it with one that moved there, is found in one
reading of all keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints, distinct, offsets
from graphagg.kernels import kernel, lower_bound
from graphagg.minhash.bands import BandTables, bucket, key_of, write_keys
from graphagg.store.ranges import forget

ROWS_AT_ONCE = 1 << 16
_BITS = 20  # of a key: those of a band's moved keys are marked, so that few others are searched


class Signed(NamedTuple):
    """The signatures that the tables were made from.

    Attributes:
        sig: `[n, K]` uint16, mapped.
        filled: `[n]` bool, whether the set had an element.
        now: `[n]` int32 ascending, the number of each row's vertex now.
    """

    sig: Array
    filled: Array
    now: Array


class MovedBands(NamedTuple):
    """Who has another key than before in a band, and who was alone with a key that one has now.

    Attributes:
        starts: `[b + 1]` int64, where the entries of each band begin.
        keys: uint32, ascending in a band.
        vertices: int32, ascending where keys are equal.
        moved_starts: `[b + 1]` int64, the same of `moved`.
        moved: int32 ascending in a band, the vertices whose key is another.
    """

    starts: Array
    keys: Array
    vertices: Array
    moved_starts: Array
    moved: Array


def moved_bands(
    tables: BandTables, signed: Signed, moves: Sequence[tuple[Array, Array]]
) -> MovedBands:
    """Sort who moved, and look for those who were alone.

    Args:
        tables: made from `signed`.
        signed: the signatures before.
        moves: of each band, the vertices that have another key than before, ascending, and their
            keys of now.
    """
    bands, rows = tables.bands, tables.rows
    new_keys = [distinct(keys) for _, keys in moves]
    starts = offsets([len(keys) for keys in new_keys])
    wanted = np.concatenate(new_keys)
    marks = np.zeros((bands, 1 << _BITS), dtype=np.bool_)
    for band, keys in enumerate(new_keys):
        marks[band, keys >> np.uint32(32 - _BITS)] = True
    counts, holders = np.zeros(len(wanted), np.uint8), np.zeros(len(wanted), np.int32)
    for low in range(0, len(signed.sig), ROWS_AT_ONCE):
        block = signed.sig[low : low + ROWS_AT_ONCE]
        keys = np.empty((bands, len(block)), dtype=np.uint32)
        write_keys(block, 0, 0, bands, rows, keys)
        filled = signed.filled[low : low + len(block)]
        _count_holders(keys, filled, low, marks, starts, wanted, counts, holders)
        forget(block)
    keys_now, vertices_now = [], []
    for band, (vertices, keys) in enumerate(moves):
        own = slice(starts[band], starts[band + 1])
        alone = counts[own] == 1
        others = signed.now[holders[own][alone]]
        stayed = ~np.isin(others, vertices)
        all_keys = np.concatenate([keys, wanted[own][alone][stayed]])
        all_vertices = np.concatenate([vertices, others[stayed]]).astype(np.int32)
        order = np.lexsort((all_vertices, all_keys))
        keys_now.append(all_keys[order])
        vertices_now.append(all_vertices[order])
    return MovedBands(
        offsets([len(keys) for keys in keys_now]),
        np.concatenate(keys_now),
        np.concatenate(vertices_now),
        offsets([len(vertices) for vertices, _ in moves]),
        np.concatenate([vertices for vertices, _ in moves]).astype(np.int32),
    )


def candidates(
    tables: BandTables, signed: Signed, moved: MovedBands, seeds: Array, cap: int, most: int
) -> tuple[Ints, int]:
    """As `BandTables.candidates`, by the signatures of now.

    Args:
        tables: made from `signed`.
        signed: the signatures before.
        moved: who has other keys now.
        seeds: `[s, K]` signatures of now.
        cap: see there.
        most: see there.
    """
    entries = np.empty(len(seeds) * tables.bands * cap, dtype=np.int32)
    size, cut = _collect(tables, signed, moved, seeds, cap, entries)
    vertices, shared = np.unique(entries[:size], return_counts=True)
    if len(vertices) > most:
        kept = np.argsort(-shared, kind="stable")[:most]
        vertices = np.sort(vertices[kept])
    return vertices.astype(np.int64), int(cut)


@kernel
def _count_holders(
    keys: Array, filled: Array, low: int, marks: Array, starts: Array, wanted: Array,
    counts: Array, holders: Array,
) -> None:  # fmt: skip
    """Count, up to 2, the rows that have each wanted key, and note one of them."""
    shift = np.uint32(32 - _BITS)
    for band in range(len(keys)):
        for i in range(keys.shape[1]):
            key = keys[band, i]
            if not filled[i] or not marks[band, key >> shift]:
                continue
            at = lower_bound(wanted, starts[band], starts[band + 1], key)
            if at < starts[band + 1] and wanted[at] == key:
                counts[at] = min(counts[at] + 1, 2)
                holders[at] = low + i


@kernel
def _collect(
    tables: BandTables, signed: Signed, moved: MovedBands, seeds: Array, cap: int, out: Array
) -> tuple[int, int]:
    """Write the vertices of the seeds' buckets to `out`; how many, and how many were cut."""
    size = cut = 0
    for seed in range(len(seeds)):
        for band in range(len(tables.directory)):
            taken = _bucket(tables, signed, moved, seeds[seed], band, out[size : size + cap])
            if taken > 1:  # who is alone is in no table
                size += min(taken, cap)
                cut += taken > cap
    return size, cut


@kernel
def _bucket(
    tables: BandTables, signed: Signed, moved: MovedBands, seed: Array, band: int, out: Array
) -> int:
    """Write the first vertices of a bucket; how many there are, at most one more than `out` takes.

    Two ascending lists of vertices become one: who stayed, by the tables, and who moved there.
    """
    rows, ids = tables.rows, tables.ids
    first = band * rows
    key = np.uint64(key_of(seed, first, rows))
    low, end = bucket(tables, signed.sig, band, key)
    other, others = moved.starts[band], moved.starts[band + 1]
    other = lower_bound(moved.keys, other, others, key)
    taken = 0
    while taken <= len(out):
        low = _next_who_stayed(signed, moved, ids, low, end, key, first, rows)
        stayed = signed.now[ids[low]] if low < end else np.int32(-1)
        came = np.int32(-1)
        if other < others and np.uint64(moved.keys[other]) == key:
            came = moved.vertices[other]
        if stayed < 0 and came < 0:
            break
        is_stayed = came < 0 or (stayed >= 0 and stayed < came)
        if taken < len(out):
            out[taken] = stayed if is_stayed else came
        low += int(is_stayed)
        other += int(not is_stayed)
        taken += 1
    return taken


@kernel
def _next_who_stayed(
    signed: Signed, moved: MovedBands, ids: Array, low: int, end: int, key: Any, first: int,
    rows: int,
) -> int:  # fmt: skip
    """The next entry of a bucket whose vertex still has the key; `end` if there is none."""
    band = first // rows
    begin, stop = moved.moved_starts[band], moved.moved_starts[band + 1]
    while low < end and np.uint64(key_of(signed.sig[ids[low]], first, rows)) == key:
        vertex = signed.now[ids[low]]
        at = lower_bound(moved.moved, begin, stop, vertex)
        if at == stop or moved.moved[at] != vertex:
            return low
        low += 1
    return end
