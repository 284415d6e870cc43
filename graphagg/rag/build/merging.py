"""Merging what is sorted in each block, in memory that the blocks do not decide."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, repeat
from operator import itemgetter

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.store.ranges import GrowingStrings
from graphagg.store.strings import StringTable

_WRITTEN = 65_536  # strings that are appended to a file together


def merge_strings(tables: Sequence[StringTable], file: GrowingStrings) -> list[Array]:
    """Write the distinct strings of some tables, ascending by their UTF-8 bytes.

    Args:
        tables: each ascending, without repetition.
        file: takes the strings; it is closed.

    Returns:
        For each table the number of each of its strings, int32, ascending; 4 bytes each.
    """
    numbers = [array("i") for _ in tables]
    distinct: list[bytes] = []
    total = 0
    streams = (zip(table.raws(), repeat(i)) for i, table in enumerate(tables))
    for raw, owners in groupby(heapq.merge(*streams), key=itemgetter(0)):
        for _, i in owners:
            numbers[i].append(total)
        distinct.append(raw)
        total += 1
        if len(distinct) == _WRITTEN:
            file.append(StringTable.pack_bytes(distinct))
            distinct = []
    file.append(StringTable.pack_bytes(distinct))
    file.close()
    return [np.frombuffer(n, np.int32) if n else np.zeros(0, np.int32) for n in numbers]


class Entries:
    """A block's entries, those of one key after another.

    Args:
        keys: `[k]` numbers of the keys that the block has, ascending.
        bounds: `[k + 1]`, where the entries of each begin.
        columns: what each entry is, `[n]` each; the first is its row in the block.
        start: the first row of the block.
    """

    def __init__(self, keys: Array, bounds: Array, columns: Sequence[Array], start: int) -> None:
        self.keys, self.bounds, self._columns, self._start = keys, bounds, columns, start

    def between(self, first: int, last: int) -> tuple[Array, list[Array]]:
        """The entries of the keys from `first` to before `last`: keys, and columns."""
        low, high = np.searchsorted(self.keys, [first, last])
        bounds = self.bounds[low : high + 1]
        keys = np.repeat(self.keys[low:high], np.diff(bounds))
        rows, *others = (column[bounds[0] : bounds[-1]] for column in self._columns)
        return keys, [rows + np.int32(self._start), *others]


def transposed(
    blocks: Callable[[], Iterable[Entries]], bounds: Ints, most: int
) -> Iterator[list[Array]]:
    """The entries of all blocks by key, those of a key in the order of the blocks.

    Args:
        blocks: reads them from the first on.
        bounds: `[K + 1]`, where the entries of each key begin among all.
        most: entries that are put in order together; more where one key has more.

    Yields:
        The columns, part by part.
    """
    first, keys = 0, len(bounds) - 1
    while first < keys:
        last = int(np.searchsorted(bounds, bounds[first] + most, side="right")) - 1
        last = min(max(last, first + 1), keys)
        parts = [block.between(first, last) for block in blocks()]
        order = np.argsort(np.concatenate([key for key, _ in parts]), kind="stable")
        yield [np.concatenate(column)[order] for column in zip(*(c for _, c in parts), strict=True)]
        first = last


def order_of(table: StringTable, a_run: int) -> Iterator[int]:
    """The numbers of the strings of a table in ascending order of the strings; equal ones ascend.

    Args:
        table: in any order.
        a_run: strings that are sorted in memory together.
    """

    def sorted_run(first: int) -> Iterator[tuple[bytes, int]]:
        last = min(first + a_run, len(table))
        order = array("i", sorted(range(first, last), key=table.raw))
        return ((table.raw(number), number) for number in order)

    runs = [sorted_run(first) for first in range(0, len(table), a_run)]
    return (number for _, number in heapq.merge(*runs))
