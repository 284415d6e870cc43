"""The rows of two graphs merged: of both together, of one without the other, or of some vertices.

Ids ascend in every graph, so that a row still ascends when its columns get their new numbers, and
two rows merge in one pass over both. Rows are read and given range by range: they may be mapped
files that are larger than memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, Mask
from graphagg.graph.adjacency import check_sums, exact_sum
from graphagg.graph.csr import Csr
from graphagg.graph.ids import VertexIds
from graphagg.kernels import kernel
from graphagg.store.ranges import forget

_ROWS_AT_ONCE = 1 << 16
_ABOVE_ALL = 1 << 31


class Renumbering(NamedTuple):
    """The ids of a result, and the numbers there of the ids of two graphs."""

    ids: VertexIds  # of the result
    # `[n]` int32 ascending, the new number of each id of the first graph; -1: left out
    first: Array
    second: Array  # `[m]` int32, likewise of the second graph

    @classmethod
    def union(cls, first: VertexIds, second: VertexIds) -> Renumbering:
        """All ids of both; `InvalidGraph` if one has integers and the other strings."""
        ids = first.union(second)
        return cls(ids, *(ids.positions(old).astype(np.int32) for old in (first, second)))

    @classmethod
    def of_first(cls, first: VertexIds, second: VertexIds) -> Renumbering:
        """The ids of the first graph alone."""
        kept = np.arange(len(first), dtype=np.int32)
        return cls(first, kept, first.positions(second).astype(np.int32))

    def selected(self, kept: Mask) -> Renumbering:
        """Keep only the ids of the result that a mask selects."""
        renumbered = np.where(kept, np.cumsum(kept, dtype=np.int32) - 1, -1).astype(np.int32)
        renumbered = np.append(renumbered, np.int32(-1))  # -1 stays -1
        return Renumbering(self.ids.select(kept), renumbered[self.first], renumbered[self.second])


def merge_rows(
    first: Csr, second: Csr, rows: Renumbering, columns: Renumbering, *, subtract: bool = False
) -> Iterator[tuple[Ints, Array, Doubles | None]]:
    """Merge two matrices row by row; with `subtract`, remove the entries of `second` from `first`.

    Yields for each range of rows their lengths, their columns one after another (int32) and the
    summed float64 weights; None without weights. A sum that is not exact raises `InvalidGraph`.
    """
    count = len(rows.ids)
    sides = [
        _Side(matrix.indptr, matrix.indices, _inverse(rows_now, count), renumbered, matrix.data)
        for matrix, rows_now, renumbered in (
            (first, rows.first, columns.first), (second, rows.second, columns.second),
        )
    ]  # fmt: skip
    for low in range(0, count, _ROWS_AT_ONCE):
        high = min(low + _ROWS_AT_ONCE, count)
        room = sum(_entries(side, low, high) for side in sides)
        merged, ends = np.empty(room, dtype=np.int32), np.zeros(high - low + 1, dtype=np.int64)
        values = None if first.data is None else np.empty(room)
        size = _merge(sides[0], sides[1], low, subtract, ends, merged, values)
        if values is not None:
            values = values[:size]
            check_sums(values, "edges to add")
        yield np.diff(ends), merged[:size], values
        forget(first.indices, second.indices)


class _Side(NamedTuple):
    """A matrix that is merged."""

    offsets: Array  # `[n + 1]` int64
    columns: Array  # int32
    sources: Array  # `[count]` int32, which of its rows each row of the result is; -1: none
    renumbered: Array  # int32, the new number of each column; -1: it is left out
    values: Array | None  # float64, by entry; None where there are none


def _inverse(renumbered: Array, count: int) -> Array:
    """The old number of each of `count` new ones, int32; -1: it is new."""
    old = np.full(count, -1, dtype=np.int32)
    stay = np.flatnonzero(renumbered >= 0)
    old[renumbered[stay]] = stay
    return old


def _entries(side: _Side, low: int, high: int) -> int:
    """Count the entries of the rows that become rows `low` to `high - 1`."""
    sources = side.sources[low:high]
    sources = sources[sources >= 0]
    return int((side.offsets[sources + 1] - side.offsets[sources]).sum())


@kernel
def _merge(
    first: _Side, second: _Side, low: int, subtract: bool, ends: Array, out: Array,
    out_values: Array | None,
) -> int:  # fmt: skip
    """Write the rows from `low` on to `out`, and their ends to `ends[1:]`; return the last."""
    # Out of their bundles, where each access would count references.
    offsets, columns, sources, renumbered, values = first
    offsets_second, columns_second, sources_second, renumbered_second, values_second = second
    size = 0
    for i in range(len(ends) - 1):
        row, row_second = sources[low + i], sources_second[low + i]
        at = end = 0
        if row >= 0:
            at, end = offsets[row], offsets[row + 1]
        if row_second >= 0:
            for j in range(offsets_second[row_second], offsets_second[row_second + 1]):
                column = renumbered_second[columns_second[j]]
                if column < 0:
                    continue
                at, size = _copy_below(
                    columns, renumbered, values, at, end, column, out, out_values, size
                )
                both = at < end and renumbered[columns[at]] == column
                if not subtract:
                    out[size] = column
                    _write_sum(values, at if both else -1, values_second, j, out_values, size)
                    size += 1
                if both:
                    at += 1
        at, size = _copy_below(
            columns, renumbered, values, at, end, _ABOVE_ALL, out, out_values, size
        )
        ends[i + 1] = size
    return size


@kernel
def _write_sum(
    values: Array | None, at: int, values_second: Array | None, j: int, out: Array | None, size: int
) -> None:
    """Write the sum of two values, where there are values; `at` below 0: there is no first."""
    if values is not None:
        if values_second is not None:
            if out is not None:
                before = values[at] if at >= 0 else 0.0
                out[size] = exact_sum(before, values_second[j])


@kernel
def _copy_below(  # type: ignore[no-untyped-def]  # noqa: ANN202
    columns: Array,
    renumbered: Array,
    values: Array | None,
    at: int,
    end: int,
    bound: int,
    out: Array,
    out_values: Array | None,
    size: int,
):
    """Append the columns from `at` on whose new numbers are below `bound`, up to `end`.

    Returns the position after the last column that was read, and the new size of `out`.
    """
    while at < end and renumbered[columns[at]] < bound:
        if renumbered[columns[at]] >= 0:
            out[size] = renumbered[columns[at]]
            if values is not None:
                if out_values is not None:
                    out_values[size] = values[at]
            size += 1
        at += 1
    return at, size
