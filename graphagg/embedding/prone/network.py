"""The symmetric weighted matrix over nodes that is embedded, whatever the kind of graph.

An undirected graph is its own matrix. A directed graph of n vertices becomes its double cover: node
u stands for u as a source, node n + v for v as a target, and an edge u -> v joins u with n + v. A
two-mode graph is such a cover already: sets first, elements behind them. So every kernel works on
one symmetric matrix, and a vertex of a directed graph gets two vectors whose dot product scores the
edge from the one to the other.

The two nodes of a vertex of a directed graph are joined by an edge of `COUPLING` mean weights: what
a vertex points at says something of who points at it, and a vertex that no edge points at still has
a vector as a target. On soc-Epinions1 that adds 3.3 points of AUC (tests/unit/embedding/
test_real.py prints both).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.embedding.prone.sparse import entries_where
from graphagg.errors import InvalidGraph
from graphagg.graph.adjacency import expand_rows, transpose
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph

Weights = npt.NDArray[np.float32]

COUPLING = 4.0
"""Weight of the edge between the two nodes of a vertex, in mean weights of an edge."""


@dataclass(frozen=True)
class Network:
    """A graph as a symmetric matrix over its nodes.

    Attributes:
        graph: ids, kind and adjacency.
        matrix: `[N, N]` symmetric, ascending columns, float32 weights above 0, no diagonal.
        weighted: whether the weights were given (else all are 1).
    """

    graph: Graph
    matrix: Csr
    weighted: bool

    @property
    def nodes(self) -> int:
        """N: n, or the rows and columns of a cover together."""
        return self.matrix.rows

    @property
    def edges(self) -> int:
        """Edges of the matrix, each once."""
        return len(self.matrix.indices) // 2

    @classmethod
    def of(cls, graph: Graph, weights: Weights | None = None) -> Network:
        """Make the matrix of a graph.

        Args:
            graph: undirected, directed or two-mode.
            weights: `[nnz]` one for each entry of `graph.adjacency`; None: all 1.

        Raises:
            InvalidGraph: a weight is negative, infinite or NaN, or there is one vertex only.
        """
        if len(graph.rows) < 2 and graph.kind != "two-mode":
            raise InvalidGraph(
                f"a graph of {len(graph.rows)} vertex, wanted at least 2; there is nothing that "
                "one vertex could be near to"
            )
        if weights is not None:
            check_weights(weights)
        pattern = graph.adjacency
        data = np.ones(len(pattern.indices), np.float32) if weights is None else weights
        matrix = Csr(pattern.indptr, np.asarray(pattern.indices), data, pattern.columns)
        if graph.kind != "undirected":
            matrix = _cover(matrix)
        matrix = _without_zeros(matrix)
        if graph.kind == "directed":
            matrix = _coupled(matrix)
        return cls(graph, matrix, weights is not None)


def check_weights(weights: npt.NDArray[Any]) -> None:
    """Raise `InvalidGraph` for the first weight that is negative, infinite or NaN."""
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise InvalidGraph(
            f"{len(bad):,} weights of {len(weights):,} are negative, infinite or no number, the "
            f"first is {weights[bad[0]]}, wanted weights of 0 or more; mend or drop those edges"
        )


def _cover(matrix: Csr) -> Csr:
    """The symmetric `[rows + columns, rows + columns]` matrix with `matrix` as its corner."""
    n, m = matrix.rows, matrix.columns
    turned = transpose(matrix)
    indptr = np.concatenate((matrix.indptr, matrix.indptr[-1] + turned.indptr[1:]))
    indices = np.concatenate((matrix.indices + np.int32(n), turned.indices))
    return Csr(indptr, indices, np.concatenate((matrix.entries, turned.entries)), n + m)


def coupling_weight(mean: float) -> np.float32:
    """The weight of a coupling where edges weigh `mean` on average."""
    return np.float32(COUPLING * mean)


def _coupled(matrix: Csr) -> Csr:
    """The matrix of a cover with an edge between the two nodes of each vertex that has any."""
    n, filled = matrix.rows // 2, matrix.degrees() > 0
    vertex = np.flatnonzero(filled[:n] | filled[n:])
    if not len(vertex):
        return matrix
    values = np.full(len(vertex), coupling_weight(float(matrix.entries.mean(dtype=np.float64))))
    return Csr.from_pairs(
        np.concatenate((expand_rows(matrix), vertex, vertex + n)),
        np.concatenate((matrix.indices, vertex + n, vertex)),
        np.concatenate((matrix.entries, values, values)),
        (matrix.rows, matrix.columns),
    )


def _without_zeros(matrix: Csr) -> Csr:
    """Entries of weight 0 are no edges."""
    kept = matrix.entries > 0
    return matrix if kept.all() else entries_where(matrix, kept)
