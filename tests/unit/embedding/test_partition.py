"""Partitions: balanced, whole, bounded, and reported as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.cut import node_weights, partition
from graphagg.embedding.partition.report import HUB, ISOLATED, measure
from graphagg.embedding.partition.streaming import Labels, Rows, _breadth_first, _restream
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.errors import InvalidParameter, PieceTooLarge
from graphagg.graph import load_graph
from graphagg.graph.csr import Csr
from tests.unit.embedding.graphs import graph


@pytest.mark.parametrize("partitioner", ["metis", "streaming"])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), pieces=st.integers(1, 6))
def test_every_node_has_one_piece_and_pieces_are_balanced(partitioner, seed, pieces):
    network = NetworkMatrix.from_graph(graph(400, 10, seed))
    config = EmbeddingConfig(pieces=pieces, partitioner=partitioner, random_state=seed)
    parts, report = partition(network.matrix, config)
    degrees = network.matrix.degrees()
    np.testing.assert_array_equal(parts == -2, degrees == 0)
    assert set(parts[parts >= 0].tolist()) == set(range(pieces))
    weights = node_weights(network.matrix, parts == -1)
    own = parts >= 0
    entries = np.bincount(parts[own], weights[own])
    assert entries.sum() + 0 == weights[own].sum()
    assert entries.max() <= 1.05 * entries.mean() + weights[own].max()
    assert report.levels[-1].pieces == pieces
    again, _ = partition(network.matrix, config)
    np.testing.assert_array_equal(parts, again)


def test_a_hub_is_split():
    star = [(0, v) for v in range(1, 400)] + [(v, v + 1) for v in range(1, 399)]
    network = NetworkMatrix.from_graph(load_graph(star))
    parts, report = partition(network.matrix, EmbeddingConfig(pieces=6))
    assert report.hubs == 1
    assert parts[0] == -1
    assert report.levels[-1].edge_balance < 1.2


def test_pieces_are_cut_until_they_fit():
    network = NetworkMatrix.from_graph(graph(400, 10))
    config = EmbeddingConfig(max_piece_edges=700)
    parts, report = partition(network.matrix, config)
    weights = node_weights(network.matrix, parts == -1)
    own = parts >= 0
    assert np.bincount(parts[own], weights[own]).max() <= 700
    assert report.levels[-1].pieces >= len(network.matrix.indices) / 700
    forced = EmbeddingConfig(pieces=2, max_piece_edges=700)
    _, report = partition(network.matrix, forced)
    assert [level.pieces for level in report.levels][:2] == [2, 3]


def test_a_piece_that_cannot_fit_is_named():
    complete = [(u, v) for u in range(30) for v in range(u)]
    network = NetworkMatrix.from_graph(load_graph(complete))
    with pytest.raises(PieceTooLarge, match=r"piece 0 of 30 has 29 entries, expected at most 20"):
        partition(network.matrix, EmbeddingConfig(pieces=30, max_piece_edges=20))


def test_more_pieces_than_vertices():
    network = NetworkMatrix.from_graph(graph(20, 2))
    with pytest.raises(InvalidParameter, match=r"pieces is 21, but only 20 vertices.*`pieces=20`"):
        partition(network.matrix, EmbeddingConfig(pieces=21))


def distances(matrix: Csr, active: np.ndarray) -> np.ndarray:
    """The lengths of shortest paths between active nodes (infinite: none), by brute force."""
    n = matrix.rows
    near = np.full((n, n), np.inf)
    for v in np.flatnonzero(active):
        near[v, [w for w in matrix.row(v) if active[w]]] = 1
        near[v, v] = 0
    for v in range(n):
        near = np.minimum(near, near[:, [v]] + near[[v], :])
    return near


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), left_out=st.integers(0, 20))
def test_nodes_come_in_breadth_first_order(seed, left_out):
    rng = np.random.default_rng(seed)
    dense = np.triu(rng.random((30, 30)) < 0.05, 1)
    rows, columns = np.nonzero(dense | dense.T)
    matrix = Csr.from_pairs(rows, columns, None, (30, 30))
    active = np.ones(30, dtype=bool)
    active[rng.choice(30, left_out, replace=False)] = False
    order = _breadth_first(Rows(matrix.indptr, matrix.indices), ~active)
    assert sorted(order) == np.flatnonzero(active).tolist()
    near = distances(matrix, active)
    root = None
    for i, node in enumerate(order):
        if root is None or np.isinf(near[root, node]):
            root = node
            assert node == min(order[i:]), "a component begins with its lowest node"
        else:
            assert near[root, order[i - 1]] <= near[root, node]


def rows_of(matrix: Csr) -> Rows:
    return Rows(matrix.indptr, matrix.indices)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 6), left_out=st.integers(0, 20))
def test_a_pass_puts_each_node_where_its_formula_says(seed, count, left_out):
    """The first pass, written out with dictionaries."""
    rng = np.random.default_rng(seed)
    matrix = NetworkMatrix.from_graph(graph(60, 4, seed % 7)).matrix
    weights = rng.integers(1, 9, 60)
    nodes = rng.permutation(60)[left_out:]
    capacity = int(1.05 * weights[nodes].sum() / count) + 1
    labels = Labels(np.full(60, -1, dtype=np.int32), np.zeros(count, np.int64), capacity)
    _restream(rows_of(matrix), weights, nodes, labels, 1)
    part, loads = {}, [0] * count
    for v in nodes.tolist():
        around = [part[w] for w in matrix.row(v).tolist() if w in part]
        room = [p for p in dict.fromkeys(around) if loads[p] + weights[v] <= capacity]
        scores = [around.count(p) * (1 - loads[p] / capacity) for p in room]
        best = room[int(np.argmax(scores))] if room else int(np.argmin(loads))
        part[v] = best
        loads[best] += int(weights[v])
    assert {v: p for v, p in enumerate(labels.of_node.tolist()) if p >= 0} == part
    assert labels.loads.tolist() == loads


def test_planted_groups_are_found():
    """Rings of cliques: a part is whole cliques, and only ring edges are cut."""
    cliques, size = 12, 10
    inside = [(a, b) for a in range(size) for b in range(a)]
    pairs = [(c * size + a, c * size + b) for c in range(cliques) for a, b in inside]
    pairs += [(c * size, (c + 1) % cliques * size + 1) for c in range(cliques)]
    network = NetworkMatrix.from_graph(load_graph(pairs))
    parts, report = partition(network.matrix, EmbeddingConfig(pieces=4, partitioner="streaming"))
    assert all(len(set(parts[c * size : (c + 1) * size])) == 1 for c in range(cliques))
    assert report.levels[-1].cut <= cliques / len(pairs)
    assert report.levels[-1].edge_balance <= 1.05


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), hubs=st.integers(0, 4))
def test_an_entry_of_a_hub_counts_where_its_column_lies(seed, hubs):
    """With hubs, whose entries lie in the part of their column, and entries between hubs."""
    matrix = NetworkMatrix.from_graph(graph(60, 4, seed % 7)).matrix
    parts = np.random.default_rng(seed).integers(0, 3, 60).astype(np.int32)
    parts[np.argsort(-matrix.degrees(), kind="stable")[:hubs]] = HUB
    parts[matrix.degrees() == 0] = ISOLATED
    entries = [0, 0, 0]
    for v in range(60):
        for w in matrix.row(v).tolist():
            holder = int(parts[v] if parts[v] >= 0 else parts[w])
            entries[max(holder, 0)] += 1
    found = measure(matrix, parts, 3)
    assert found.edge_balance == pytest.approx(max(entries) / np.mean(entries))
    if not hubs:
        edges = [(u, v) for u in range(60) for v in matrix.row(u).tolist() if u < v]
        crossing = sum(parts[u] != parts[v] for u, v in edges)
        assert found.cut == pytest.approx(crossing / len(edges))
