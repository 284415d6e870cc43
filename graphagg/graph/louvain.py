"""Louvain of scikit-network over a weighted graph, with communities that hang together.

Louvain (Blondel et al., 2008) maximizes the modularity. It can leave a part that hangs together
only through vertices which moved elsewhere; such a part is cut into its connected components, which
raises the modularity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.errors import MissingExtra
from graphagg.graph.csr import Csr


def louvain(
    adjacency: Csr,
    weights: Array,
    *,
    resolution: float = 1.0,
    random_state: int | None = None,
) -> Ints:
    """Find the communities `[n]` of an undirected graph with weights `[nnz]`; 0 is the largest.

    Communities of equal size are numbered by their first vertex. Vertices are visited in an order
    drawn from `random_state`, or as they are numbered if it is None.
    """
    module, sparse = _libraries()
    if not weights.any():
        return np.arange(adjacency.rows)
    matrix = as_matrix(adjacency, weights).copy()  # it is cut in place
    matrix.eliminate_zeros()
    shuffled = random_state is not None
    method = module.Louvain(
        resolution=resolution,
        shuffle_nodes=shuffled,
        random_state=random_state or 0,
        sort_clusters=False,  # labels are compared alone, and what else it makes is not read
        return_probs=False,
        return_aggregate=False,
    )
    labels = method.fit_predict(matrix)
    rows = np.repeat(np.arange(adjacency.rows), np.diff(matrix.indptr))
    matrix.data = labels[rows] == labels[matrix.indices]
    matrix.eliminate_zeros()
    return by_size(sparse.csgraph.connected_components(matrix, directed=False)[1])


def modularity(adjacency: Csr, weights: Array, labels: Ints, resolution: float = 1.0) -> float:
    """Share of edges inside communities, less what chance would put there; 0 without edges."""
    if not weights.any():
        return 0.0
    module, _ = _libraries()
    matrix = as_matrix(adjacency, weights)
    return float(module.get_modularity(matrix, labels, resolution=resolution))


def as_matrix(adjacency: Csr, weights: Array) -> Any:
    """Make a SciPy matrix of the graph; raises `MissingExtra`."""
    _, sparse = _libraries()
    shape = (adjacency.rows, adjacency.columns)
    return sparse.csr_matrix((weights, adjacency.indices, adjacency.indptr), shape=shape)


def _libraries() -> tuple[Any, Any]:
    try:
        import scipy.sparse.csgraph
        import sknetwork.clustering
    except ImportError:
        raise MissingExtra("scikit-network", "communities") from None
    return sknetwork.clustering, scipy.sparse


def by_size(labels: Array) -> Ints:
    """Number the labels by size, 0 the largest; of equal sizes, by the first vertex."""
    _, first, positions, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[positions]
