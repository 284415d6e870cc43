"""The rows of a graph to which edges are added, written range by range, and who was touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints, offsets
from graphagg.graph.csr import Csr
from graphagg.graph.ids import VertexIds
from graphagg.kernels import kernel
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

    def sources(self) -> Array:
        """`[len(ids)]` int32, which of the first each is; -1: it is new."""
        if self.before is None:
            return np.arange(len(self.ids), dtype=np.int32)
        sources = np.full(len(self.ids), -1, dtype=np.int32)
        sources[self.before] = np.arange(len(self.before), dtype=np.int32)
        return sources

    def now(self, numbers: Array) -> Ints:
        """The numbers now of some of the first."""
        return numbers.astype(np.int64) if self.before is None else self.before[numbers]

    def appeared(self) -> Ints:
        """Ascending, the numbers of those that only the second has."""
        if self.before is None:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(self.sources() < 0)


class _Old(NamedTuple):
    """Compressed rows as they are, and the new number of each column; empty: its own."""

    offsets: Array
    columns: Array
    renumbered: Array


class _New(NamedTuple):
    """Compressed rows that are added: the number of each row, and its ascending columns."""

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
) -> Array:
    """Write the rows of both as `indptr` and `indices`.

    Args:
        old: compressed rows, mapped.
        more: those to add.
        rows: the numbers of both.
        columns: likewise.
        paths: of `indptr` and `indices`.
        step: called after each range with how many rows are done, and of how many.

    Returns:
        `[t]` int32 ascending rows that have more columns than before or are new.
    """
    sources, count = rows.sources(), len(rows.ids)
    none = np.zeros(0, dtype=np.int32)
    renumbered = none if columns.before is None else columns.before.astype(np.int32)
    kept = _Old(old.indptr, old.indices, renumbered)
    added = _New(rows.more, more.indptr, columns.more[more.indices].astype(np.int32))
    lengths, file, out = np.zeros(count, dtype=np.int64), GrowingFile(paths[1], np.int32), none
    for low in range(0, count, _ROWS_AT_ONCE):
        some = sources[low : low + _ROWS_AT_ONCE]
        known = some[some >= 0]
        turn, end = np.searchsorted(rows.more, [low, low + len(some)])
        first, last = (old.indptr[known[0]], old.indptr[known[-1] + 1]) if len(known) else (0, 0)
        room = int(last - first + more.indptr[end] - more.indptr[turn])
        if room > len(out):  # kept from range to range: new pages cost more than what is written
            out = np.empty(room + room // 4, dtype=np.int32)
        now = lengths[low : low + len(some)]
        file.append(out[: _merge(kept, added, some, low, int(turn), now, out)])
        forget(old.indices[first:last])
        step(low + len(some), count)
    file.close()
    np.save(paths[0], offsets(lengths))
    some = sources[rows.more]
    before = np.where(some >= 0, old.indptr[some + 1] - old.indptr[some], -1)
    return rows.more[lengths[rows.more] > before].astype(np.int32)


@kernel
def _merge(
    old: _Old, more: _New, sources: Array, first: int, turn: int, lengths: Array, out: Array
) -> int:
    """Write the rows from `first` on; `turn` is the first of the added rows that is there or later.

    Each new row is one of the added ones: rows between two of those lie together in the old ones.
    """
    i = size = 0
    while i < len(sources):
        stop = len(sources)
        if turn < len(more.rows) and more.rows[turn] - first < stop:
            stop = more.rows[turn] - first
        if stop > i:
            begins = old.offsets[sources[i] : sources[stop - 1] + 2]
            for k in range(stop - i):
                lengths[i + k] = begins[k + 1] - begins[k]
            size = _copy(old, begins[0], begins[-1], out, size)
        if stop < len(sources):
            lengths[stop] = _merge_row(old, more, sources[stop], turn, out[size:])
            size += lengths[stop]
            turn += 1
        i = stop + 1
    return size


@kernel
def _merge_row(old: _Old, more: _New, source: int, turn: int, out: Array) -> int:
    """Write a row and what is added to it; how many columns it has then.

    Both ascend: new numbers keep the order of the old ones.
    """
    columns, renumbered, added = old.columns, old.renumbered, more.columns
    is_renumbered = len(renumbered) > 0
    a = a_end = size = 0
    if source >= 0:
        a, a_end = old.offsets[source], old.offsets[source + 1]
    for b in range(more.offsets[turn], more.offsets[turn + 1]):
        left, right = a, a_end  # where it belongs: what is before it is copied
        while left < right:
            middle = (left + right) // 2
            column = columns[middle]
            if (renumbered[column] if is_renumbered else column) < added[b]:
                left = middle + 1
            else:
                right = middle
        size = _copy(old, a, left, out, size)
        a = left
        if a < a_end:
            column = columns[a]
            a += added[b] == (renumbered[column] if is_renumbered else column)  # it was there
        out[size] = added[b]
        size += 1
    return _copy(old, a, a_end, out, size)


@kernel
def _copy(old: _Old, low: int, high: int, out: Array, size: int) -> int:
    """Append the old columns from `low` to `high` to the first `size` of `out`; how many then."""
    renumbered = old.renumbered
    # By views, whose places are never negative, the loops become block copies.
    taken, put = old.columns[low:high], out[size : size + high - low]
    if len(renumbered) > 0:
        for i in range(len(taken)):
            put[i] = renumbered[taken[i]]
    else:
        for i in range(len(taken)):
            put[i] = taken[i]
    return size + high - low
