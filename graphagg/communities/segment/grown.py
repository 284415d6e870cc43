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
) -> tuple[Array, Array]:
    """Write the rows of both as `indptr` and `indices`.

    Args:
        old: compressed rows, mapped.
        more: those to add.
        rows: the numbers of both.
        columns: likewise.
        paths: of `indptr` and `indices`.
        step: called after each range with how many rows are done, and of how many.

    Returns:
        `[t]` int32 ascending rows that have more columns than before or are new, and of each
        whether it had any.
    """
    sources, count = rows.sources(), len(rows.ids)
    none = np.zeros(0, dtype=np.int32)
    renumbered = none if columns.before is None else columns.before.astype(np.int32)
    kept = _Old(old.indptr, old.indices, renumbered)
    added = _New(rows.more, more.indptr, columns.more[more.indices].astype(np.int32))
    lengths, touched, had = np.zeros(count, dtype=np.int64), [none], [none.astype(np.bool_)]
    file, out = GrowingFile(paths[1], np.int32), none
    for low in range(0, count, _ROWS_AT_ONCE):
        some = sources[low : low + _ROWS_AT_ONCE]
        before = np.where(some >= 0, old.indptr[some + 1] - old.indptr[some], 0)
        turn, end = np.searchsorted(rows.more, [low, low + len(some)])
        room = int(before.sum()) + int(more.indptr[end] - more.indptr[turn])
        if room > len(out):  # kept from range to range: new pages cost more than what is written
            out = np.empty(room + room // 4, dtype=np.int32)
        now = lengths[low : low + len(some)]
        size = _merge(kept, added, some, low, int(turn), now, out)
        file.append(out[:size])
        grown = np.flatnonzero((now > before) | (some < 0))
        touched.append((grown + low).astype(np.int32))
        had.append(before[grown] > 0)
        known = some[some >= 0]
        if len(known):
            forget(old.indices[old.indptr[known[0]] : old.indptr[known[-1] + 1]])
        step(low + len(some), count)
    file.close()
    np.save(paths[0], offsets(lengths))
    return np.concatenate(touched), np.concatenate(had)


@kernel
def _merge(
    old: _Old, more: _New, sources: Array, first: int, turn: int, lengths: Array, out: Array
) -> int:
    """Write the rows from `first` on; `turn` is the first of the added rows that is there or later.

    Both sides ascend: new numbers keep the order of the old ones.
    """
    old_offsets, old_columns, renumbered = old
    rows, more_offsets, more_columns = more
    is_renumbered = len(renumbered) > 0
    size = 0
    for i in range(len(sources)):
        source, begin = sources[i], size
        a = a_end = b = b_end = 0
        if source >= 0:
            a, a_end = old_offsets[source], old_offsets[source + 1]
        if turn < len(rows) and rows[turn] == first + i:
            b, b_end = more_offsets[turn], more_offsets[turn + 1]
            turn += 1
        while b < b_end:
            added = more_columns[b]
            left, right = a, a_end  # where it belongs: what is before it is copied
            while left < right:
                middle = (left + right) // 2
                column = old_columns[middle]
                if (renumbered[column] if is_renumbered else column) < added:
                    left = middle + 1
                else:
                    right = middle
            size = _copy(old, a, left, out, size)
            a = left
            if a < a_end:
                column = old_columns[a]
                a += added == (renumbered[column] if is_renumbered else column)  # it was there
            out[size] = added
            size += 1
            b += 1
        size = _copy(old, a, a_end, out, size)
        lengths[i] = size - begin
    return size


@kernel
def _copy(old: _Old, low: int, high: int, out: Array, size: int) -> int:
    """Append the old columns from `low` to `high` to the first `size` of `out`; how many then."""
    columns, renumbered = old.columns, old.renumbered
    if len(renumbered) > 0:
        for i in range(high - low):
            out[size + i] = renumbered[columns[low + i]]
    else:
        for i in range(high - low):
            out[size + i] = columns[low + i]
    return size + high - low
