"""Link prediction without learning: scores from common neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph

_PAIRS_AT_ONCE = 20_000


def heuristic_scores(graph: Graph, pairs: Array) -> dict[str, Array]:
    """Common neighbors and Adamic-Adar of some pairs `[2, p]`.

    Undirected: |N(u) & N(v)|, and sum 1 / ln d(z) over those z. Directed: over z with u -> z -> v.
    Two-mode: over the other sets that hold the element, the elements shared with each.
    """
    matrix = _sparse(graph.adjacency)
    degree = np.asarray(matrix.sum(axis=0)).ravel()
    if graph.kind == "directed":
        degree = degree + np.asarray(matrix.sum(axis=1)).ravel()
    weight = 1.0 / np.log(np.maximum(degree, 2))
    turned = matrix.T.tocsr()
    scaled = (matrix * weight[None, :]).tocsr()
    scores: dict[str, list[Array]] = {"common_neighbors": [], "adamic_adar": []}
    for start in range(0, pairs.shape[1], _PAIRS_AT_ONCE):
        u, v = pairs[:, start : start + _PAIRS_AT_ONCE]
        for name, left in (("common_neighbors", matrix), ("adamic_adar", scaled)):
            rows = left[u] @ turned if graph.kind == "two-mode" else left[u]
            both = rows.multiply(turned[v])
            scores[name].append(np.asarray(both.sum(axis=1)).ravel())
    return {name: np.concatenate(batches) for name, batches in scores.items()}


def _sparse(matrix: Csr) -> Any:
    from scipy.sparse import csr_array

    data = np.ones(len(matrix.indices), dtype=np.float64)
    shape = (matrix.rows, matrix.columns)
    return csr_array((data, np.asarray(matrix.indices), np.asarray(matrix.indptr)), shape=shape)
