"""The rows of a graph to which edges are added, written range by range, and who was touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.graph.csr import Csr
from graphagg.graph.ids import VertexIds
from graphagg.kernels import kernel, lower_bound
from graphagg.store.ranges import GrowingFile, forget

_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Numbering:
    """Ids of two graphs together, and where those of each stand.

    Attributes:
        ids: of both.
        before: `[n]` int64, the number now of each id of the first; None: none is new, it is its
            own.
        more: `[m]` int64 ascending, the number of each id of the second.
    """

    ids: VertexIds
    before: Ints | None
    more: Ints

    @classmethod
    def of(cls, before: VertexIds, more: VertexIds) -> Numbering:
        """Number the ids of both; `InvalidGraph` if one has integers and the other strings."""
        places = before.positions(more)
        if len(before) and (places >= 0).all():
            return cls(before, None, places)
        ids = before.union(more)
        return cls(ids, ids.positions(before), ids.positions(more))

    def sources(self, low: int, high: int) -> Array:
        """Which of the first each of a range of numbers is, int32; -1: it is new."""
        if self.before is None:
            return np.arange(low, high, dtype=np.int32)
        first, end = np.searchsorted(self.before, [low, high])
        sources = np.full(high - low, -1, dtype=np.int32)
        sources[self.before[first:end] - low] = np.arange(first, end, dtype=np.int32)
        return sources

    def now(self, numbers: Array) -> Ints:
        """The numbers now of some of the first."""
        return numbers.astype(np.int64) if self.before is None else self.before[numbers]

    def appeared(self) -> Ints:
        """Ascending, the numbers of those that only the second has."""
        if self.before is None:
            return np.zeros(0, dtype=np.int64)
        is_new = np.ones(len(self.ids), dtype=np.bool_)
        is_new[self.before] = False
        return np.flatnonzero(is_new)


class _Old(NamedTuple):
    """Compressed rows as they are, and the new number of each column; empty: its own."""

    offsets: Array
    columns: Array
    renumbered: Array


class _New(NamedTuple):
    """Compressed rows that are added: the number of each row, and its ascending columns.

    `offsets` may begin anywhere in `columns`.
    """

    rows: Array
    offsets: Array
    columns: Array


def write_grown(
    old: Csr,
    more: Csr,
    rows: Numbering,
    columns: Numbering,
    paths: tuple[Path, Path],
    step: Callable[[int, int], None],
) -> tuple[Array, int]:
    """Write the rows of both as `indptr` and `indices`.

    Args:
        old: compressed rows, mapped.
        more: those to add.
        rows: the numbers of both.
        columns: likewise.
        paths: of `indptr` and `indices`.
        step: called after each range with how many rows are done, and of how many.

    Returns:
        `[t]` int32 ascending rows that have more columns than before or are new, and how many rows
        have none.
    """
    count, none = len(rows.ids), np.zeros(0, dtype=np.int32)
    renumbered = none if columns.before is None else columns.before.astype(np.int32)
    kept = _Old(old.indptr, old.indices, renumbered)
    added = _New(rows.more, more.indptr, columns.more[more.indices].astype(np.int32))
    # Room for a range is kept from range to range: new pages cost more than what is written.
    ends, out, grew = np.empty(_ROWS_AT_ONCE, np.int64), none, np.zeros(len(rows.more), np.bool_)
    indptr, indices = (GrowingFile(paths[0], np.int64), GrowingFile(paths[1], np.int32))
    indptr.append(np.zeros(1, np.int64))
    empty = 0
    for low in range(0, count, _ROWS_AT_ONCE):
        some = rows.sources(low, min(low + _ROWS_AT_ONCE, count))
        known = some[some >= 0]
        turn, end = np.searchsorted(rows.more, [low, low + len(some)])
        first, last = (old.indptr[known[0]], old.indptr[known[-1] + 1]) if len(known) else (0, 0)
        room = int(last - first + more.indptr[end] - more.indptr[turn])
        if room > len(out):
            out = np.empty(room + room // 4, dtype=np.int32)
        turns = _New(added.rows[turn:end] - low, added.offsets[turn : end + 1], added.columns)
        size = _merge(kept, turns, some, grew[turn:end], ends, out)
        empty += len(some) - int(np.count_nonzero(np.diff(ends[: len(some)], prepend=0)))
        indptr.append(ends[: len(some)] + indices.length)
        indices.append(out[:size])
        forget(old.indices[first:last])
        step(low + len(some), count)
    indptr.close()
    indices.close()
    return rows.more[grew].astype(np.int32), empty


@kernel
def _merge(old: _Old, more: _New, sources: Array, grew: Array, ends: Array, out: Array) -> int:
    """Write a range of rows to `out`, where each of them ends to `ends`; how many columns.

    `grew` tells which of the added rows had fewer columns, or were none. Each new row is one of
    the added ones: rows between two of those lie together in the old ones.
    """
    # Out of their bundles, where each access would count references.
    offsets, columns, renumbered = old
    rows, added_offsets, added = more
    i = size = 0
    for turn in range(len(rows) + 1):
        stop = rows[turn] if turn < len(rows) else len(sources)
        if stop > i:
            source = sources[i]
            begin = offsets[source]
            for k in range(stop - i):
                ends[i + k] = size + offsets[source + k + 1] - begin
            step = 1 if len(renumbered) else stop - i  # rows that are copied at once
            for k in range(source, source + stop - i, step):
                size = _copy(columns, renumbered, offsets[k], offsets[k + step], out, size)
        if turn < len(rows):
            a = a_end = 0
            if sources[stop] >= 0:
                a, a_end = offsets[sources[stop]], offsets[sources[stop] + 1]
            before = size
            for b in range(added_offsets[turn], added_offsets[turn + 1]):
                at = _place(columns, renumbered, a, a_end, added[b])
                size = _copy(columns, renumbered, a, at, out, size)
                a = at
                if a < a_end:  # was it there?
                    column = columns[a]
                    a += added[b] == (renumbered[column] if len(renumbered) else column)
                out[size] = added[b]
                size += 1
            size = _copy(columns, renumbered, a, a_end, out, size)
            ends[stop] = size
            source = sources[stop]
            grew[turn] = source < 0 or size - before > offsets[source + 1] - offsets[source]
        i = stop + 1
    return size


@kernel
def _place(columns: Array, renumbered: Array, low: int, high: int, column: int) -> int:
    """Where a column belongs in an old row, which ascends by the new numbers as well."""
    if len(renumbered) == 0:
        return lower_bound(columns, low, high, column)
    while low < high:
        middle = (low + high) // 2
        if renumbered[columns[middle]] < column:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _copy(columns: Array, renumbered: Array, low: int, high: int, out: Array, size: int) -> int:
    """Append the old columns from `low` to `high` to the first `size` of `out`; how many then.

    Where they get new numbers they are of one row, and ascend.
    """
    if low == high:
        return size
    # By views, whose places are never negative, the loops become block copies.
    taken, put = columns[low:high], out[size : size + high - low]
    first = last = np.int32(0)  # how much larger the new numbers are
    if len(renumbered) > 0:
        first = np.int32(renumbered[taken[0]] - taken[0])
        last = np.int32(renumbered[taken[-1]] - taken[-1])
    if first == last:
        for i in range(len(taken)):
            put[i] = taken[i] + first
    else:
        for i in range(len(taken)):
            put[i] = renumbered[taken[i]]
    return size + high - low
