"""Splits for link prediction: held-out edges, pairs without an edge, and heuristic scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, weighted_graph

_TRIES = 100
_PAIRS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Split:
    """A graph without some of its edges.

    Attributes:
        train: all vertices, and the remaining edges.
        weights: `[nnz]` weights of the entries of its adjacency; None: all 1.
        positive: `[2, h]` dense numbers of the held-out edges.
        uniform: `[2, h]` pairs without an edge, drawn uniformly.
        matched: `[2, h]` pairs without an edge whose ends are drawn from the ends of edges.
    """

    train: Graph
    weights: npt.NDArray[np.float32] | None
    positive: Array
    uniform: Array
    matched: Array


def split_edges(graph: Graph, weights: Array | None, holdout: float, seed: int) -> Split:
    """Hold out a share of the edges; the same seed gives the same split."""
    rows, columns = graph.pairs()
    count = int(holdout * len(rows))
    generator = np.random.default_rng(seed)
    is_held = np.zeros(len(rows), dtype=bool)
    is_held[generator.choice(len(rows), count, replace=False)] = True
    pairs, once = (rows[~is_held], columns[~is_held]), None
    if weights is not None:
        once = weights.astype(np.float64)
        if graph.kind == "undirected":
            once = once[expand_rows(graph.adjacency) < graph.adjacency.indices]
        once = once[~is_held]
    train, kept = weighted_graph(graph.kind, graph.rows, graph.columns, pairs, once)
    positive = np.stack((rows[is_held], columns[is_held])).astype(np.int64)
    sizes = (len(graph.rows), len(graph.columns))
    keys = np.sort(rows.astype(np.int64) * sizes[1] + columns)

    def anywhere(n: int) -> Array:
        return np.stack([generator.integers(0, size, n) for size in sizes])

    def like_edges(n: int) -> Array:
        ends = np.stack((rows, columns)).astype(np.int64)
        if graph.kind == "undirected":
            ends = np.hstack((ends, ends[::-1]))
        return np.stack([end[generator.integers(0, len(end), n)] for end in ends])

    return Split(
        train,
        kept,
        positive,
        _without_edge(graph, keys, count, anywhere),
        _without_edge(graph, keys, count, like_edges),
    )


def _without_edge(graph: Graph, keys: Array, count: int, draw: Any) -> Array:
    """Draw pairs `[2, count]` that are not edges."""
    batches: list[Array] = []
    total = 0
    for _ in range(_TRIES):
        pairs = draw(count)
        low, high = pairs
        if graph.kind == "undirected":
            low, high = np.minimum(*pairs), np.maximum(*pairs)
        drawn = low * len(graph.columns) + high
        matches = np.minimum(np.searchsorted(keys, drawn), len(keys) - 1)
        free = keys[matches] != drawn
        if graph.kind != "two-mode":
            free &= low != high
        batches.append(pairs[:, free])
        total += int(free.sum())
        if total >= count:
            return np.hstack(batches)[:, :count]
    raise ValueError(
        f"found {total:,} pairs without an edge, expected {count:,}: hold out fewer edges"
    )


def heuristic_scores(graph: Graph, pairs: Array) -> dict[str, Array]:
    """Compute common neighbors and Adamic-Adar of some pairs `[2, p]`.

    Undirected: |N(u) & N(v)|, and sum 1 / ln d(z) over these z. Directed: over z with u -> z -> v.
    Two-mode: sum over the sets that hold the element, of the elements that u shares with each.
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
