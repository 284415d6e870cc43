"""Merging sorted strings and entries of several blocks, in memory that the blocks do not decide."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Sequence
from itertools import groupby, repeat
from operator import itemgetter

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.store.ranges import GrowingStrings
from graphagg.store.strings import StringTable

_WRITTEN = 65_536  # strings that are appended to a file together


def merge_strings(tables: Sequence[StringTable], file: GrowingStrings) -> list[Array]:
    """Write the distinct strings of several tables, ascending by their UTF-8 bytes.

    Args:
        tables: each ascending, without repetition.
        file: takes the strings; it is closed.

    Returns:
        Per table, the rank of each of its strings in the file, int32, ascending.
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
    """Merge a small sorted table into a large one; O(m log n) comparisons and one copy.

    Args:
        table: n strings, ascending by their UTF-8 bytes, without repetition.
        new: m strings, likewise; some may be in the table.

    Returns:
        The merged table, and in it the rank of each string of `table` and of `new`; int32.
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

    Args:
        bounds: `[K + 1]`, where the entries of each key begin among all.
        most: entries that are put in order together.

    Returns:
        The first key of each range, and K.
    """
    cuts, keys = [0], len(bounds) - 1
    while cuts[-1] < keys:
        last = int(np.searchsorted(bounds, bounds[cuts[-1]] + most, side="right")) - 1
        cuts.append(min(max(last, cuts[-1] + 1), keys))
    return cuts


def entries_between(
    keys: Array, bounds: Ints, columns: Sequence[Array], first: int, last: int
) -> tuple[Array, list[Array]]:
    """The entries of a block whose keys lie in a range.

    Args:
        keys: `[k]`, the keys of the block, ascending.
        bounds: `[k + 1]`, where the entries of each begin.
        columns: of the entries, key after key.
        first: the first key of the range.
        last: the key after the range.

    Returns:
        The key of each entry, and the columns.
    """
    low, high = np.searchsorted(keys, [first, last])
    some = bounds[low : high + 1]
    columns = [column[some[0] : some[-1]] for column in columns]
    return np.repeat(keys[low:high], np.diff(some)), columns


def in_key_order(blocks: Sequence[tuple[Array, Sequence[Array]]]) -> list[Array]:
    """Put entries of several blocks in the order of their keys; equal keys stay in block order.

    Args:
        blocks: keys and columns of each.

    Returns:
        The columns.
    """
    order = np.argsort(np.concatenate([keys for keys, _ in blocks]), kind="stable")
    columns = zip(*(columns for _, columns in blocks), strict=True)
    return [np.concatenate(column)[order] for column in columns]


def order_of(table: StringTable, per_run: int) -> Iterator[int]:
    """Positions of the strings of a table in ascending order of the strings; equal ones ascend.

    Args:
        table: in any order.
        per_run: strings that are sorted in memory together.
    """

    def sorted_run(first: int) -> Iterator[tuple[bytes, int]]:
        last = min(first + per_run, len(table))
        order = array("i", sorted(range(first, last), key=table.raw))
        return ((table.raw(i), i) for i in order)

    runs = [sorted_run(first) for first in range(0, len(table), per_run)]
    return (i for _, i in heapq.merge(*runs))
