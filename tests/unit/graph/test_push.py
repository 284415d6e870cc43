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
)

pytestmark = pytest.mark.usefixtures("compiled")

KINDS = st.sampled_from([UNDIRECTED, DIRECTED, TWO_MODE])


def csr(matrix: np.ndarray) -> Csr:
    rows, columns = np.nonzero(matrix)
    return Csr.from_pairs(rows, columns, matrix[rows, columns].astype(float), matrix.shape)


def random_graph(seed: int, kind: int):
    """A graph for `push`, and its adjacency `[nodes, nodes]`."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 9))
    columns = int(rng.integers(1, 9)) if kind == TWO_MODE else rows
    matrix = (rng.random((rows, columns)) < rng.uniform(0.1, 0.9)).astype(float)
    if kind == UNDIRECTED:
        matrix = np.maximum(matrix, matrix.T)
    graph = push_graph(csr(matrix), csr(matrix.T), kind)
    if kind != TWO_MODE:
        return graph, matrix if kind == UNDIRECTED else matrix + matrix.T
    adjacency = np.zeros((rows + columns, rows + columns))
    adjacency[:rows, rows:] = matrix
    adjacency[rows:, :rows] = matrix.T
    return graph, adjacency


def solved(adjacency: np.ndarray, reset: np.ndarray, alpha: float) -> np.ndarray:
    """p = alpha r + (1 - alpha) T' p; a node without neighbors keeps what it has."""
    sums = adjacency.sum(axis=1)
    steps = adjacency / np.where(sums > 0, sums, 1)[:, None]
    system = np.eye(len(sums)) - (1 - alpha) * steps.T
    mass = np.linalg.solve(system, alpha * reset)
    return np.where(sums > 0, mass, mass / alpha)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), KINDS)
def test_equals_the_linear_system(seed: int, kind: int) -> None:
    graph, adjacency = random_graph(seed, kind)
    rng = np.random.default_rng(seed + 1)
    starts = rng.permutation(len(adjacency))[: rng.integers(1, 4)].astype(np.int64)
    reset = np.zeros(len(adjacency))
    reset[starts] = rng.uniform(0, 1, len(starts))
    alpha = float(rng.uniform(0.1, 0.9))
    scratch = PushScratch.of(len(adjacency))
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
@given(st.integers(0, 10_000), KINDS)
def test_what_stays_is_within_the_limits(seed: int, kind: int) -> None:
    """No score is off by more than the residual that may stay at all nodes together."""
    graph, adjacency = random_graph(seed, kind)
    start = np.array([seed % len(adjacency)])
    degrees = degrees_of(graph, np.arange(len(adjacency)))
    nodes, scores = push(graph, PushLimits(0.3, 0.01), start, np.ones(1))
    pushed = np.zeros(len(adjacency))
    pushed[nodes] = scores
    reset = np.eye(len(adjacency))[start[0]]
    exact = solved(adjacency, reset, 0.3)
    assert np.abs(pushed - exact).max() <= 0.01 * degrees.sum() + 1e-12


@given(st.integers(0, 1_000), KINDS)
def test_edges_are_bounded(seed: int, kind: int) -> None:
    graph, adjacency = random_graph(seed, kind)
    start = np.array([seed % len(adjacency)])
    degree = int(degrees_of(graph, start)[0])
    nodes, scores = push(graph, PushLimits(0.3, 0.0, degree - 1, True), start, np.ones(1))
    assert nodes.tolist() == start.tolist()
    assert scores.tolist() == [0.3]  # it was not pushed: the residual counts as pushed once
