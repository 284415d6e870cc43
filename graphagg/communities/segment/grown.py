"""Edges that are added to a graph: which its rows do not have yet, and its rows with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints, distinct, offsets
from graphagg.graph.added import Added, GrownRows, holds, span
from graphagg.graph.csr import Csr
from graphagg.graph.ids import VertexIds
from graphagg.kernels import kernel, lower_bound
from graphagg.store.paging import will_need
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
        known: `[m]` int64, the number among the first of each id of the second; -1: it is new.
    """

    ids: VertexIds
    before: Ints | None
    more: Ints
    known: Ints

    @classmethod
    def of(cls, before: VertexIds, more: VertexIds) -> Numbering:
        """Number the ids of both; `InvalidGraph` if one has integers and the other strings."""
        places = before.positions(more)
        if len(before) and (places >= 0).all():
            return cls(before, None, places, places)
        ids = before.union(more)
        return cls(ids, ids.positions(before), ids.positions(more), places)

    @classmethod
    def same(cls, ids: VertexIds) -> Numbering:
        """Of ids to which none is added."""
        none = np.zeros(0, dtype=np.int64)
        return cls(ids, None, none, none)

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


class Entries(NamedTuple):
    """Entries of some rows: the number of each row, ascending, and its ascending columns.

    `starts` may begin anywhere in `columns`.
    """

    rows: Array
    starts: Array
    columns: Array

    def renumbered(self, rows: Numbering, columns: Numbering) -> Entries:
        """The same by the numbers now."""
        return Entries(rows.now(self.rows), self.starts, columns.now(self.columns))


def joined(first: Entries, second: Entries, width: int) -> Entries:
    """Two lists of entries as one; `width` is above all columns."""
    rows = distinct(np.concatenate([first.rows, second.rows]).astype(np.int64))
    # A row and a column as one number: ascending in the order of both.
    pairs = distinct(
        np.concatenate([np.repeat(e.rows, np.diff(e.starts)) * width + e.columns
                        for e in (first, second)])
    )  # fmt: skip
    starts = np.append(np.searchsorted(pairs, rows * width), len(pairs))
    return Entries(rows, starts, (pairs % width).astype(np.int32))


def new_entries(
    old: Csr | GrownRows, more: Csr, rows: Numbering, columns: Numbering
) -> tuple[Entries, int]:
    """The entries of a matrix that another does not have.

    Args:
        old: the other, mapped.
        more: the matrix.
        rows: the numbers of both.
        columns: likewise.

    Returns:
        The entries by the numbers of now; their rows are those that have any or are new. And how
        many rows more than before have none.
    """
    is_new, known = np.empty(len(more.indices), dtype=np.bool_), rows.known
    for low in range(0, len(known), _ROWS_AT_ONCE):
        some = slice(low, low + _ROWS_AT_ONCE)
        _find_new(*old.parts, known[some], columns.known, more.indptr[low:], more.indices, is_new)
        forget(old.parts[1])
    starts = offsets(is_new)[more.indptr]
    kept = (starts[1:] > starts[:-1]) | (known < 0)
    filled = known[kept & (known >= 0)]
    empty = np.count_nonzero((known < 0) & (starts[1:] == starts[:-1]))
    empty -= np.count_nonzero(old.indptr[filled + 1] == old.indptr[filled])
    found = columns.more[more.indices[is_new]].astype(np.int32)
    return Entries(rows.more[kept], np.append(starts[:-1][kept], len(found)), found), int(empty)


def write_grown(
    old: Csr,
    more: Entries,
    rows: Numbering,
    columns: Numbering,
    paths: tuple[Path, Path],
    step: Callable[[int, int], None],
) -> None:
    """Write the rows of both as `indptr` and `indices`.

    Args:
        old: compressed rows, mapped.
        more: entries that they do not have; new rows are among theirs.
        rows: the numbers of both.
        columns: likewise.
        paths: of `indptr` and `indices`.
        step: called after each range with how many rows are done, and of how many.
    """
    count, none = len(rows.ids), np.zeros(0, dtype=np.int32)
    kept = (
        old.indptr,
        old.indices,
        none if columns.before is None else columns.before.astype(np.int32),
    )
    # Room for a range is kept from range to range: new pages cost more than what is written.
    ends, out = np.empty(_ROWS_AT_ONCE, np.int64), none
    indptr, indices = (GrowingFile(paths[0], np.int64), GrowingFile(paths[1], np.int32))
    indptr.append(np.zeros(1, np.int64))
    for low in range(0, count, _ROWS_AT_ONCE):
        some = rows.sources(low, min(low + _ROWS_AT_ONCE, count))
        known = some[some >= 0]
        turn, end = np.searchsorted(more.rows, np.array([low, low + len(some)], more.rows.dtype))
        first, last = (old.indptr[known[0]], old.indptr[known[-1] + 1]) if len(known) else (0, 0)
        room = int(last - first + more.starts[end] - more.starts[turn])
        if room > len(out):
            out = np.empty(room + room // 4, dtype=np.int32)
        turns = Entries(more.rows[turn:end] - low, more.starts[turn : end + 1], more.columns)
        will_need(old.indices[first:last])
        size = _merge(*kept, turns, some, ends, out)
        indptr.append(ends[: len(some)] + indices.length)
        indices.append(out[:size])
        forget(old.indices[first:last])
        step(low + len(some), count)
    indptr.close()
    indices.close()


@kernel
def _find_new(
    offsets: Array, columns: Array, added: Added | None, rows: Array, known: Array, starts: Array,
    more: Array, is_new: Array,
) -> None:  # fmt: skip
    """`is_new[j]`: whether the row that `more[j]` is to be added to has it not yet.

    `rows` are numbers of the old rows, `known` those of the columns of `more`; -1: there is none.
    """
    for i in range(len(rows)):
        places = (0, 0, 0, 0)
        if rows[i] >= 0:
            places = span(offsets, added, rows[i])
        for j in range(starts[i], starts[i + 1]):
            column = known[more[j]]
            is_new[j] = column < 0 or not holds(columns, added, places, column)


@kernel
def _merge(
    offsets: Array, columns: Array, renumbered: Array, more: Entries, sources: Array, ends: Array,
    out: Array,
) -> int:  # fmt: skip
    """Write a range of rows to `out`, where each of them ends to `ends`; how many columns.

    Each new row is one of the added ones: rows between two of those lie together in the old ones.
    `renumbered` is the new number of each old column; empty: its own.
    """
    # Out of their bundle, where each access would count references.
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
            for b in range(added_offsets[turn], added_offsets[turn + 1]):
                at = _place(columns, renumbered, a, a_end, added[b])
                size = _copy(columns, renumbered, a, at, out, size)
                out[size] = added[b]
                a, size = at, size + 1
            size = _copy(columns, renumbered, a, a_end, out, size)
            ends[stop] = size
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
