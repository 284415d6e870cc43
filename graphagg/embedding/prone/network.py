"""Converts any kind of graph to the symmetric weighted matrix over nodes that is embedded.

The matrix of an undirected graph is its adjacency. A directed graph of n vertices becomes its
double cover: node u is u as a source, node n + v is v as a target, and an edge u -> v connects u
and n + v. A two-mode graph already is such a cover: sets first, then elements. So all kernels work
on one symmetric matrix. A vertex of a directed graph gets two vectors; the score of an edge is the
dot product of the source's and the target's vector.

The two nodes of a vertex of a directed graph are connected by an edge of `COUPLING` mean weights,
so a vertex without incoming edges also gets a vector as a target. On soc-Epinions1 this adds 3.3
points of AUC (tests/unit/embedding/test_real.py prints both).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from graphagg.arrays import offsets
from graphagg.embedding.sparse import entries_where
from graphagg.errors import InvalidGraph
from graphagg.graph.adjacency import expand_rows, transpose
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph
from graphagg.graph.kinds import GraphKind

Weights = npt.NDArray[np.float32]

COUPLING = 4.0
"""Weight of the edge between the two nodes of a vertex, as a multiple of the mean edge weight."""


@dataclass(frozen=True)
class NetworkMatrix:
    """A graph as a symmetric matrix over its nodes.

    `matrix` is `[N, N]` with ascending columns, float32 weights above 0 and no diagonal.
    """

    graph: Graph
    matrix: Csr
    weighted: bool

    @property
    def nodes(self) -> int:
        """N: number of vertices, or of rows and columns of a cover."""
        return self.matrix.rows

    @classmethod
    def from_graph(cls, graph: Graph, weights: Weights | None = None) -> NetworkMatrix:
        """Build the matrix of a graph; `weights` `[nnz]` of its adjacency; None: all 1.

        Raises `InvalidGraph` if there is only one vertex.
        """
        check_graph(graph)
        forward = replace(graph.adjacency, data=weights)
        backward = forward if graph.kind == "undirected" else transpose(forward)
        blocks = row_blocks(graph.kind, forward, backward)
        rows = [block.rows(0, block.source.rows) for block in blocks]
        if len(rows) == 1:
            matrix = rows[0]
        else:
            indptr = offsets(np.concatenate([each.degrees() for each in rows]))
            columns, values = zip(*((each.indices, each.entries) for each in rows), strict=True)
            matrix = Csr(indptr, np.concatenate(columns), np.concatenate(values), rows[0].columns)
        return cls(graph, matrix, weights is not None)


@dataclass(frozen=True)
class RowBlock:
    """Rows of the matrix that come from the rows of one adjacency, `source`.

    Attributes:
        other: the transpose of `source`.
        shift: added to the columns.
        nodes: N.
        coupling: weight of the edge to a vertex's other node; 0: no such edge.
    """

    source: Csr
    other: Csr
    shift: int
    nodes: int
    coupling: np.float32

    def rows(self, low: int, high: int) -> Csr:
        """Compute rows `low` to `high - 1` of the block."""
        entries = self._filled(self.source, low, high)
        if not self.coupling:
            return entries
        has_edge = (entries.degrees() > 0) | (self._filled(self.other, low, high).degrees() > 0)
        vertex = np.flatnonzero(has_edge)
        return Csr.from_pairs(
            np.concatenate((expand_rows(entries), vertex)),
            np.concatenate((entries.indices, vertex + (low + self.shift))),
            np.concatenate((entries.entries, np.full(len(vertex), self.coupling))),
            (high - low, self.nodes),
        )

    def _filled(self, matrix: Csr, low: int, high: int) -> Csr:
        """Return rows of a matrix without entries of weight 0, which do not count as edges."""
        start, end = matrix.indptr[low], matrix.indptr[high]
        indices = np.asarray(matrix.indices[start:end])
        if self.shift:
            indices = indices + np.int32(self.shift)
        weights = (
            np.ones(len(indices), np.float32)
            if matrix.data is None
            else (np.asarray(matrix.data[start:end], np.float32))
        )
        rows = Csr(matrix.indptr[low : high + 1] - start, indices, weights, self.nodes)
        filled = weights > 0
        return rows if filled.all() else entries_where(rows, filled)


def row_blocks(kind: GraphKind, forward: Csr, backward: Csr) -> list[RowBlock]:
    """Return the matrix of a graph as consecutive row blocks, given adjacency and transpose."""
    n, coupling = forward.rows, np.float32(0)
    if kind == "undirected":
        return [RowBlock(forward, backward, 0, n, coupling)]
    if kind == "directed":
        filled = np.ones(1) if forward.data is None else forward.data[forward.data > 0]
        coupling = np.float32(COUPLING * filled.mean(dtype=np.float64)) if len(filled) else coupling
    nodes = n + backward.rows
    return [
        RowBlock(forward, backward, n, nodes, coupling),
        RowBlock(backward, forward, 0, nodes, coupling),
    ]


def check_graph(graph: Graph) -> None:
    """Raise `InvalidGraph` if a graph that is not two-mode has fewer than two vertices."""
    if len(graph.rows) < 2 and graph.kind != "two-mode":
        raise InvalidGraph(f"the graph has {len(graph.rows)} vertex, expected at least 2")
