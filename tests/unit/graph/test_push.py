"""Forward push equals the solution of the linear system, on every kind of graph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.graph import Csr
from graphagg.graph.pagerank import (
    DIRECTED,
    TWO_MODE,
    UNDIRECTED,
    PushLimits,
    PushScratch,
    degrees_of,
    push,
    push_graph,
    solve,
)

pytestmark = pytest.mark.usefixtures("compiled")

KINDS = st.sampled_from([UNDIRECTED, DIRECTED, TWO_MODE])


def csr(matrix: np.ndarray) -> Csr:
    rows, columns = np.nonzero(matrix)
    return Csr.from_pairs(rows, columns, matrix[rows, columns].astype(float), matrix.shape)


def random_graph(seed: int, kind: int, weighted: bool, masked: bool):
    """A graph for `push`, and its adjacency `[nodes, nodes]` over what is visible."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 9))
    columns = int(rng.integers(1, 9)) if kind == TWO_MODE else rows
    matrix = (rng.random((rows, columns)) < rng.uniform(0.1, 0.9)) * rng.uniform(0.1, 2, (1, 1))
    if weighted:
        matrix = matrix * rng.uniform(0.1, 3, matrix.shape)
    if kind == UNDIRECTED:
        matrix = np.maximum(matrix, matrix.T)
    visible = rng.random(rows) < 0.6 if masked and kind == TWO_MODE else np.ones(rows, bool)
    options = {"visible": visible} if masked and kind == TWO_MODE else {}
    graph = push_graph(csr(matrix), csr(matrix.T), kind, weighted=weighted, **options)
    weights = matrix if weighted else (matrix > 0).astype(float)
    if kind != TWO_MODE:
        return graph, weights if kind == UNDIRECTED else weights + weights.T, visible
    adjacency = np.zeros((rows + columns, rows + columns))
    adjacency[:rows, rows:] = weights
    adjacency[rows:, :rows] = (weights * visible[:, None]).T
    return graph, adjacency, np.concatenate([visible, np.ones(columns, bool)])


def solved(adjacency: np.ndarray, reset: np.ndarray, alpha: float) -> np.ndarray:
    """p = alpha r + (1 - alpha) T' p; a node without neighbors keeps what it has."""
    sums = adjacency.sum(axis=1)
    steps = adjacency / np.where(sums > 0, sums, 1)[:, None]
    system = np.eye(len(sums)) - (1 - alpha) * steps.T
    mass = np.linalg.solve(system, alpha * reset)
    return np.where(sums > 0, mass, mass / alpha)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), KINDS, st.booleans(), st.booleans())
def test_equals_the_linear_system(seed: int, kind: int, weighted: bool, masked: bool) -> None:
    graph, adjacency, visible = random_graph(seed, kind, weighted, masked)
    rng = np.random.default_rng(seed + 1)
    starts = rng.permutation(np.flatnonzero(visible))[: rng.integers(1, 4)].astype(np.int64)
    if not len(starts):
        return
    reset = np.zeros(len(adjacency))
    reset[starts] = rng.uniform(0, 1, len(starts))
    alpha = float(rng.uniform(0.1, 0.9))
    scratch = PushScratch.of(len(adjacency))
    resets = np.stack([reset, reset / 2, rng.permutation(visible) * visible * 1.0], axis=1)
    swept = solve(graph, alpha, resets, 1e-13)
    for column, one in zip(swept.T, resets.T, strict=True):
        np.testing.assert_allclose(column, solved(adjacency, one, alpha), atol=1e-9)
    for limits in (PushLimits(alpha, 1e-13), PushLimits(alpha, 1e-13, push_starts=True)):
        nodes, scores = push(graph, limits, starts, reset[starts], scratch)
        assert len(set(nodes.tolist())) == len(nodes)
        result = np.zeros(len(adjacency))
        result[nodes] = scores
        np.testing.assert_allclose(result, solved(adjacency, reset, alpha), atol=1e-9)
        assert not scratch.slots.any()  # ready for the next push
        again = push(graph, limits, starts, reset[starts])
        assert again[0].tolist() == nodes.tolist() and again[1].tolist() == scores.tolist()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), KINDS, st.booleans())
def test_what_stays_is_within_the_limits(seed: int, kind: int, weighted: bool) -> None:
    """No score is off by more than the residual that may stay at all nodes together."""
    graph, adjacency, _ = random_graph(seed, kind, weighted, False)
    start = np.array([seed % len(adjacency)])
    degrees = degrees_of(graph, np.arange(len(adjacency)))
    nodes, scores = push(graph, PushLimits(0.3, 0.01), start, np.ones(1))
    pushed = np.zeros(len(adjacency))
    pushed[nodes] = scores
    reset = np.eye(len(adjacency))[start[0]]
    swept = solve(graph, 0.3, reset[:, None], 0.01)[:, 0]
    exact = solved(adjacency, reset, 0.3)
    for result, stays in ((pushed, 0.01 * degrees.sum()), (swept, 0.01 * len(degrees))):
        assert np.abs(result - exact).max() <= stays + 1e-12


@given(st.integers(0, 1_000), KINDS)
def test_edges_are_bounded(seed: int, kind: int) -> None:
    graph, adjacency, _ = random_graph(seed, kind, False, False)
    start = np.array([seed % len(adjacency)])
    degree = int(degrees_of(graph, start)[0])
    nodes, scores = push(graph, PushLimits(0.3, 0.0, degree - 1, True), start, np.ones(1))
    assert nodes.tolist() == start.tolist()
    assert scores.tolist() == [0.3]  # it was not pushed: the residual counts as pushed once


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.booleans())
def test_columns_with_one_link_may_be_left_out(seed: int, weighted: bool) -> None:
    """Rows score the same whether such columns are walked or their weights are summed."""
    rng = np.random.default_rng(seed)
    matrix = (rng.random((6, 9)) < 0.3) * rng.uniform(0.1, 3, (6, 9))
    weights = matrix if weighted else (matrix > 0).astype(float)
    is_leaf = (matrix > 0).sum(axis=0) == 1
    whole = push_graph(csr(matrix), csr(matrix.T), TWO_MODE, weighted=weighted)
    folded = push_graph(
        csr(matrix * ~is_leaf),
        csr(matrix.T),
        TWO_MODE,
        weighted=weighted,
        leaves=(weights * is_leaf).sum(axis=1),
    )
    starts = np.flatnonzero(np.concatenate([np.ones(6, bool), (matrix > 0).any(axis=0)]))[::2]
    resets = np.zeros((15, 2))
    resets[starts] = rng.uniform(0, 1, (len(starts), 2))
    expected = solve(whole, 0.4, resets, 1e-14)[:6]
    np.testing.assert_allclose(solve(folded, 0.4, resets, 1e-14)[:6], expected, atol=1e-10)
    nodes, scores = push(folded, PushLimits(0.4, 1e-14), starts, resets[starts, 0])
    pushed = np.zeros(15)
    pushed[nodes] = scores
    np.testing.assert_allclose(pushed[:6], expected[:, 0], atol=1e-10)
