"""Merge sorted strings and entries of several blocks, in bounded memory."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Sequence
from itertools import groupby, repeat
from operator import itemgetter

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.store.ranges import GrowingStrings
from graphagg.store.strings import StringTable

_WRITTEN = 65_536  # strings that are appended to a file together


def merge_strings(tables: Sequence[StringTable], file: GrowingStrings) -> list[Array]:
    """Write the distinct strings of sorted tables, ascending by UTF-8 bytes, and close the file.

    Returns per table the int32 rank of each of its strings in the file, ascending.
    """
    ranks = [array("i") for _ in tables]
    distinct: list[bytes] = []
    total = 0
    streams = (zip(table.raws(), repeat(i)) for i, table in enumerate(tables))
    for raw, owners in groupby(heapq.merge(*streams), key=itemgetter(0)):
        for _, i in owners:
            ranks[i].append(total)
        distinct.append(raw)
        total += 1
        if len(distinct) == _WRITTEN:
            file.append(StringTable.pack_bytes(distinct))
            distinct = []
    file.append(StringTable.pack_bytes(distinct))
    file.close()
    return [np.frombuffer(r, np.int32) if r else np.zeros(0, np.int32) for r in ranks]


def insert_sorted(table: StringTable, new: StringTable) -> tuple[StringTable, Array, Array]:
    """Merge a sorted table of m strings into one of n; O(m log n) comparisons and one copy.

    Returns the merged table, and in it the int32 rank of each string of `table` and of `new`.
    """
    positions, is_new, low = np.zeros(len(new), np.int64), np.zeros(len(new), bool), 0
    for i, raw in enumerate(new.raws()):
        low = positions[i] = table.place_sorted(raw, low)
        is_new[i] = low == len(table) or table.raw(low) != raw
    inserted = np.flatnonzero(is_new)
    new_ranks = positions + np.cumsum(is_new) - is_new
    old_ranks = np.arange(len(table))
    old_ranks += np.searchsorted(positions[inserted], old_ranks, side="right")
    source = np.empty(len(table) + len(inserted), np.int64)
    source[old_ranks] = np.arange(len(table))
    source[new_ranks[inserted]] = len(table) + np.arange(len(inserted))
    merged = table
    if len(inserted):
        merged = StringTable.joined([table, new.take(inserted)]).take(source)
    return merged, old_ranks.astype(np.int32), new_ranks.astype(np.int32)


def key_ranges(bounds: Ints, most: int) -> list[int]:
    """Cut keys into ranges of at most `most` entries; a key with more is a range of its own.

    The entries of key k are `bounds[k]` to `bounds[k + 1]`. Returns the first key of each range,
    and K.
    """
    cuts, keys = [0], len(bounds) - 1
    while cuts[-1] < keys:
        last = int(np.searchsorted(bounds, bounds[cuts[-1]] + most, side="right")) - 1
        cuts.append(min(max(last, cuts[-1] + 1), keys))
    return cuts


def entries_between(
    keys: Array, bounds: Ints, columns: Sequence[Array], first: int, last: int
) -> tuple[Array, list[Array]]:
    """The entries of a block with keys `first` to `last - 1`: the key of each, and the columns.

    `bounds` `[k + 1]` are of the entries of the ascending `keys` `[k]`.
    """
    low, high = np.searchsorted(keys, [first, last])
    some = bounds[low : high + 1]
    columns = [column[some[0] : some[-1]] for column in columns]
    return np.repeat(keys[low:high], np.diff(some)), columns


def in_key_order(blocks: Sequence[tuple[Array, Sequence[Array]]]) -> list[Array]:
    """Sort the entries of blocks, keys and columns, by key; equal keys stay in block order."""
    order = np.argsort(np.concatenate([keys for keys, _ in blocks]), kind="stable")
    columns = zip(*(columns for _, columns in blocks), strict=True)
    return [np.concatenate(column)[order] for column in columns]
