"""Merge the rows of two graphs, subtract one graph from the other, or select vertices.

Use `merge_rows` for indices, and `change_rows` for a few changes to a graph in memory.

Rows are read and yielded in ranges, because they may be mapped files that are larger than memory.
Ids ascend in every graph, so a range stays in ascending order when its ids are renumbered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Floats, Ints, Mask, offsets
from graphagg.graph.adjacency import Keys, expand_rows, merge_repeats, pair_keys, pairs_of
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.ids import VertexIds
from graphagg.kernels import kernel
from graphagg.store.ranges import forget

_ROWS_AT_ONCE = 1 << 16

Entries = tuple[Ints, Array, Floats]
"""Offsets, columns and values of compressed rows."""


class Renumbering(NamedTuple):
    """The ids of a merged graph, and the new numbers of the ids of both inputs."""

    ids: VertexIds  # of the result
    # `[n]` int32 ascending, the new number of each id of the first graph; -1: left out
    first: Array
    second: Array  # `[m]` int32, the same for the second graph

    @classmethod
    def union(cls, first: VertexIds, second: VertexIds) -> Renumbering:
        """Keep all ids of both graphs; raise `InvalidGraph` if they mix integers and strings."""
        ids = first.union(second)
        return cls(ids, *(ids.positions(old).astype(np.int32) for old in (first, second)))

    @classmethod
    def of_first(cls, first: VertexIds, second: VertexIds) -> Renumbering:
        """Keep the ids of the first graph only."""
        identity = np.arange(len(first), dtype=np.int32)
        return cls(first, identity, first.positions(second).astype(np.int32))

    def selected(self, mask: Mask) -> Renumbering:
        """Keep only the ids of the result that a mask selects."""
        renumbered = np.where(mask, np.cumsum(mask, dtype=np.int32) - 1, -1).astype(np.int32)
        renumbered = np.append(renumbered, np.int32(-1))  # -1 stays -1
        return Renumbering(self.ids.select(mask), renumbered[self.first], renumbered[self.second])


def merge_rows(
    first: Csr, second: Csr, rows: Renumbering, columns: Renumbering, *, subtract: bool = False
) -> Iterator[tuple[Ints, Array]]:
    """Merge two matrices row by row; with `subtract`, remove the entries of `second` from `first`.

    For each range of rows, yields the lengths of the rows and their concatenated columns (int32).
    """
    count = len(rows.ids)
    of_first, of_second = _inverse(rows.first, count), _inverse(rows.second, count)
    for low in range(0, count, _ROWS_AT_ONCE):
        some = slice(low, min(low + _ROWS_AT_ONCE, count))
        keys = _entries(first, of_first[some], columns.first)
        others = _entries(second, of_second[some], columns.second)
        if subtract:
            keys = keys[np.isin(keys, others, assume_unique=True, invert=True)]
        else:
            keys, _ = merge_repeats(np.concatenate([keys, others]), None)
        in_range, merged = pairs_of(keys)
        yield np.bincount(in_range, minlength=some.stop - low), merged
        forget(first.indices, second.indices)


def _inverse(renumbered: Array, count: int) -> Array:
    """Return the old number for each of `count` new numbers, int32; -1 if the vertex is new."""
    old = np.full(count, -1, dtype=np.int32)
    stay = np.flatnonzero(renumbered >= 0)
    old[renumbered[stay]] = stay
    return old


def _entries(matrix: Csr, sources: Array, renumbered: Array) -> Keys:
    """Return the keys of a range of rows, ascending, with renumbered columns.

    Row i of the range is row `sources[i]` of the matrix; it is empty if `sources[i]` is -1.
    """
    present = np.flatnonzero(sources >= 0)
    old = sources[present]
    owners = np.repeat(present, matrix.indptr[old + 1] - matrix.indptr[old])
    columns = renumbered[matrix.indices[matrix.places(old)]]
    stay = columns >= 0
    return pair_keys(owners[stay], columns[stay])


class ChangedGraph(NamedTuple):
    """A graph after some of its edges changed."""

    graph: Graph
    weights: Floats | None  # `[nnz]`
    numbers: Ints  # the new number of each vertex; two-mode: first the sets, then the elements
    touched: Ints  # vertices of changed edges, including new vertices
    weight: float  # total weight of the entries that changed


def change_rows(
    graph: Graph, weights: Floats | None, added: tuple[Graph, Floats | None], removed: Graph
) -> ChangedGraph:
    """Add edges to a graph and remove others; unchanged rows are copied."""
    more, more_weights = added
    rows = columns = _grown(graph.rows, more.rows)
    if graph.kind == "two-mode":
        columns = _grown(graph.columns, more.columns)
    gone = [
        each.ids.positions(ids) for each, ids in ((rows, removed.rows), (columns, removed.columns))
    ]
    two_mode, count = graph.kind == "two-mode", len(rows.ids)
    numbers = np.append(rows.first, count + columns.first) if two_mode else rows.first
    touched = np.zeros(count + len(columns.ids) if two_mode else count, np.bool_)
    indptr, indices, values, weight = _changed(
        _renumbered(graph.adjacency, weights, rows.first, columns.first, count),
        _renumbered(more.adjacency, more_weights, rows.second, columns.second, count),
        _renumbered(removed.adjacency, None, gone[0], gone[1], count),
        weights is not None, touched, count if two_mode else 0,
    )  # fmt: skip
    matrix, report = Csr(indptr, indices, None, len(columns.ids)), ReadReport()
    result = Graph(graph.kind, rows.ids, columns.ids, matrix, report)
    result = replace(result, report=ReadReport(edges=result.edges))
    return ChangedGraph(
        result, values if weights is not None else None, numbers, np.flatnonzero(touched), weight
    )


def _renumbered(
    matrix: Csr, entries: Floats | None, rows: Array, columns: Array, count: int
) -> Entries:
    """Renumber the rows and columns of a matrix; drop those with the number -1."""
    values = np.ones(len(matrix.indices), np.float32) if entries is None else entries
    same = len(rows) == count and columns[-1:].sum() + 1 == len(columns)
    if same and (rows >= 0).all() and (columns >= 0).all():
        return matrix.indptr, matrix.indices, values  # no number changes
    owners, indices = (
        np.asarray(rows)[expand_rows(matrix)],
        columns.astype(np.int32)[matrix.indices],
    )
    stay = (owners >= 0) & (indices >= 0)
    bounds = offsets(np.bincount(owners[stay], minlength=count))
    return bounds, indices[stay], values[stay]


def _grown(ids: VertexIds, more: VertexIds) -> Renumbering:
    """Return the union of the ids; skip the sort if `more` has no new id."""
    places = ids.positions(more) if len(more) else np.zeros(0, np.int64)
    if (places >= 0).all():
        return Renumbering(ids, np.arange(len(ids), dtype=np.int32), places.astype(np.int32))
    return Renumbering.union(ids, more)


@kernel(checked=False)
def _changed(
    old: Entries, more: Entries, less: Entries, weighted: bool, touched: Array, shift: int
) -> tuple[Ints, Array, Floats, float]:
    """Merge rows with ascending columns; return offsets, columns, values and changed weight."""
    n = len(old[0]) - 1
    indptr = np.zeros(n + 1, np.int64)
    indices = np.empty(len(old[1]) + len(more[1]), np.int32)
    values = np.empty(len(indices), np.float32)
    at, weight = 0, 0.0
    for v in range(n):
        i, end = old[0][v], old[0][v + 1]
        a, a_end = more[0][v], more[0][v + 1]
        r, r_end = less[0][v], less[0][v + 1]
        while i < end or a < a_end:
            column = old[1][i] if i < end else more[1][a]
            if a < a_end:
                column = min(column, more[1][a])
            while r < r_end and less[1][r] < column:
                r += 1
            before = now = np.float32(0.0)
            if i < end and old[1][i] == column:
                before, i = old[2][i], i + 1
            now = np.float32(0.0) if r < r_end and less[1][r] == column else before
            if a < a_end and more[1][a] == column:
                now, a = now + more[2][a] if weighted else np.float32(1.0), a + 1
            if now != before:
                weight += np.float64(abs(now - before))
                touched[v] = touched[column + shift] = True
            if now > 0.0:
                indices[at], values[at] = column, now
                at += 1
        indptr[v + 1] = at
    return indptr, indices[:at].copy(), values[:at].copy(), weight
