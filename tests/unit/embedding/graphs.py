"""Small graphs from seeds."""

from __future__ import annotations

import numpy as np

from graphagg.graph import Graph, load_graph
from graphagg.graph.csr import Csr


def communities(n: int = 240, groups: int = 8, seed: int = 0) -> list[tuple[int, int]]:
    """Edges of a graph with planted groups, and a vertex that a third of the others meet."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, n)
    pairs = []
    for u in range(n):
        mates = np.flatnonzero(group == group[u])
        pairs += [(u, int(v)) for v in rng.choice(mates, 4) if v != u]
        pairs += [(u, int(rng.integers(0, n)))]
    pairs += [(0, int(v)) for v in rng.choice(n, n // 3, replace=False)]
    return [(u, v) for u, v in pairs if u != v]


def graph(n: int = 240, groups: int = 8, seed: int = 0) -> Graph:
    return load_graph(communities(n, groups, seed), vertices=range(n))


def values_of(matrix: Csr, row: int) -> np.ndarray:
    """The values of a row, in the order of its columns."""
    assert matrix.data is not None
    return matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]]
