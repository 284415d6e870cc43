"""A graph: vertex ids and adjacency."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from graphagg.arrays import Array, Doubles, Floats
from graphagg.graph.adjacency import Dense, expand_rows, rows_from_pairs
from graphagg.graph.csr import Csr
from graphagg.graph.ids import VertexIds
from graphagg.graph.kinds import GRAPH_KINDS as GRAPH_KINDS
from graphagg.graph.kinds import GraphKind as GraphKind
from graphagg.store.ranges import forget
from graphagg.store.strings import StringTable

_HASHED = 1 << 22  # numbers
# Words for the fields of a report whose names are not clear.
_WORDS = {
    "weights_ignored": "edges whose weight was not used",
    "bad_rows": "rows skipped",
    "first_bad": "first skipped row",
    "both_sides": "ids that are an element and a set, and count as two vertices",
}


@dataclass(frozen=True)
class ReadReport:
    """Counts of the edges and rows that were read and dropped.

    Attributes:
        edges_read: pairs read, with repeats and self-loops.
        edges: distinct edges kept.
        self_loops: pairs of a vertex with itself, dropped (their vertex stays).
        duplicates: repeats, dropped; undirected: reversed pairs are repeats too.
        comments: comment lines.
        header: the header line, or None.
        columns: description of the columns of a text or table that were read.
        weights_ignored: edges with a weight that was not used.
        bad_rows: rows that were skipped because they cannot be read.
        first_bad: description of the first bad row.
        both_sides: two-mode: ids that are an element and a set.

    Examples:
        >>> ReadReport(edges_read=5, edges=3, self_loops=1, duplicates=1).notes()
        ['self loops: 1', 'duplicates: 1']
        >>> ReadReport(edges=3).to_json()["edges"]
        3
    """

    edges_read: int = 0
    edges: int = 0
    self_loops: int = 0
    duplicates: int = 0
    comments: int = 0
    header: str | None = None
    columns: str | None = None
    weights_ignored: int = 0
    bad_rows: int = 0
    first_bad: str | None = None
    both_sides: int = 0

    def notes(self) -> list[str]:
        """Describe what was dropped or recognized, one line per fact."""
        return [
            f"{_WORDS.get(name, name.replace('_', ' '))}: {value}"
            for name, value in vars(self).items()
            if value and name not in ("edges", "edges_read")
        ]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Graph:
    """An unweighted simple graph.

    Attributes:
        kind: `undirected`, `directed`, or `two-mode` (sets and their elements).
        rows: ids of the vertices; two-mode: of the sets.
        columns: the same object as `rows`; two-mode: the ids of the elements.
        adjacency: `[len(rows), len(columns)]` pattern: neighbors (symmetric), out-neighbors, or
            the elements of each set.
        report: counts of what was read and dropped.

    Examples:
        >>> from graphagg.graph import load_graph
        >>> graph = load_graph([("a", "b"), ("b", "a"), ("b", "c")])
        >>> graph.edges, graph.adjacency.row(1).tolist(), list(graph.rows)
        (2, [0, 2], ['a', 'b', 'c'])
        >>> [ends.tolist() for ends in graph.pairs()], len(graph.digest())
        ([[0, 1], [1, 2]], 64)
    """

    kind: GraphKind
    rows: VertexIds
    columns: VertexIds
    adjacency: Csr
    report: ReadReport

    @property
    def edges(self) -> int:
        """Number of edges; an undirected one counts once."""
        entries = len(self.adjacency.indices)
        return entries // 2 if self.kind == "undirected" else entries

    def pairs(self) -> tuple[Dense, Dense]:
        """List each edge once, as dense numbers `[E]`; undirected: row below column."""
        rows, columns = expand_rows(self.adjacency), np.asarray(self.adjacency.indices)
        if self.kind == "undirected":
            keep = rows < columns
            return rows[keep], columns[keep]
        return rows, columns

    def digest(self) -> str:
        """Hex SHA-256 of ids and edges: equal graphs have equal digests, whatever their source."""
        arrays: list[Array] = []
        for ids in [self.rows] if self.rows is self.columns else [self.rows, self.columns]:
            table = ids.table
            arrays += [table.offsets, table.data] if isinstance(table, StringTable) else [table]
        state = hashlib.sha256(self.kind.encode())
        matrix = self.adjacency
        for array in [*arrays, matrix.indptr, matrix.indices]:
            for low in range(0, len(array), _HASHED):  # holds one block of a mapped file in memory
                block = array[low : low + _HASHED]
                state.update(np.ascontiguousarray(block).data)
                forget(block)
        return state.hexdigest()


def weighted_graph(
    kind: GraphKind,
    rows: VertexIds,
    columns: VertexIds,
    pairs: tuple[Dense, Dense],
    weights: Doubles | None,
) -> tuple[Graph, Floats | None]:
    """Build a graph from dense int32 pairs `([E], [E])`; drop and count self-loops and repeats.

    Also returns the summed weight of each entry of the adjacency, `[nnz]`; None without weights.
    """
    source, target = pairs
    loops = 0 if kind == "two-mode" else int(np.count_nonzero(source == target))
    matrix, repeats = rows_from_pairs(
        source,
        target,
        (len(rows), len(columns)),
        symmetric=kind == "undirected",
        loops=kind == "two-mode",
        weights=weights,
    )
    edges = len(source) - loops - repeats
    report = ReadReport(len(source), edges, loops, repeats)
    sums = None if matrix.data is None else matrix.data.astype(np.float32)
    return Graph(kind, rows, columns, replace(matrix, data=None), report), sums
