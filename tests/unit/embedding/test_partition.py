"""Partitions: balanced, whole, bounded, and reported as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.cut import partition
from graphagg.embedding.partition.label_propagation import (
    Grain,
    accept,
    cluster,
    contract,
    lightened,
    movers,
)
from graphagg.embedding.partition.metis import measure, node_weights
from graphagg.embedding.prone.network import Network
from graphagg.embedding.spark import partition as by_spark
from graphagg.errors import InvalidParameter, PieceTooLarge
from graphagg.graph import load_graph
from graphagg.graph.csr import Csr
from tests.unit.embedding.graphs import graph


@pytest.mark.parametrize("partitioner", ["metis", "propagation"])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), pieces=st.integers(1, 6))
def test_every_node_has_one_piece_and_pieces_are_balanced(partitioner, seed, pieces):
    network = Network.of(graph(400, 10, seed))
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


def test_the_report_is_what_brute_force_counts():
    network = Network.of(graph(90, 3))
    parts, _ = partition(network.matrix, EmbeddingConfig(pieces=4))
    found = measure(network.matrix, parts, 4)
    matrix = network.matrix
    edges = [(u, int(v)) for u in range(90) for v in matrix.row(u) if u < v]
    crossing = [(u, v) for u, v in edges if parts[u] != parts[v]]
    assert found.cut == pytest.approx(len(crossing) / len(edges))
    filled = {u for edge in edges for u in edge}
    assert found.border == pytest.approx(len({u for e in crossing for u in e}) / len(filled))
    holds = [{e for e in edges if k in (parts[e[0]], parts[e[1]])} for k in range(4)]
    assert found.largest == pytest.approx(max(map(len, holds)) / len(edges))
    copies = sum(len({parts[v], *(parts[w] for w in matrix.row(v))}) for v in filled)
    assert found.copies == pytest.approx(copies / len(filled))
    entries = [sum(len(matrix.row(v)) for v in filled if parts[v] == k) for k in range(4)]
    assert found.edge_balance == pytest.approx(max(entries) / np.mean(entries))


def test_a_hub_is_split():
    star = [(0, v) for v in range(1, 400)] + [(v, v + 1) for v in range(1, 399)]
    network = Network.of(load_graph(star))
    parts, report = partition(network.matrix, EmbeddingConfig(pieces=6))
    assert report.hubs == 1
    assert parts[0] == -1
    assert report.levels[-1].edge_balance < 1.2
    assert report.levels[-1].largest < 0.5


def test_pieces_are_cut_until_they_fit():
    network = Network.of(graph(400, 10))
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
    network = Network.of(load_graph(complete))
    with pytest.raises(PieceTooLarge, match=r"piece 0 of 30 has 29 entries, wanted at most 20"):
        partition(network.matrix, EmbeddingConfig(pieces=30, max_piece_edges=20))


def test_more_pieces_than_vertices():
    network = Network.of(graph(20, 2))
    with pytest.raises(InvalidParameter, match=r"21 pieces of 20 vertices.*--pieces 20"):
        partition(network.matrix, EmbeddingConfig(pieces=21))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), bound=st.integers(5, 200))
def test_clusters_keep_their_bound_and_contract_to_the_same_weight(seed, bound):
    network = Network.of(graph(120, 6, seed % 11))
    matrix = network.matrix
    ones = np.ones(len(matrix.indices), dtype=np.int64)
    grain = Grain(Csr(matrix.indptr, matrix.indices, ones, matrix.columns), matrix.degrees())
    labels = cluster(grain, bound)
    loads = np.bincount(labels, grain.weights, len(labels))
    assert loads.max() <= max(bound, grain.weights.max())
    coarse, places = contract(grain, labels)
    assert coarse.weights.sum() == grain.weights.sum()
    rows = np.repeat(np.arange(matrix.rows), matrix.degrees())
    between = places[rows] != places[matrix.indices]
    assert coarse.matrix.entries.sum() == np.count_nonzero(between)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_label_takes_the_best_that_it_has_room_for(seed):
    rng = np.random.default_rng(seed)
    targets, gains = rng.integers(-1, 4, 50), rng.integers(-5, 5, 50)
    weights, room = rng.integers(1, 9, 50), rng.integers(0, 40, 4)
    taken = accept(targets, gains, weights, room)
    for label in range(4):
        mine = sorted(np.flatnonzero(targets == label), key=lambda v: (-gains[v], v))
        wanted, load = [], 0
        for node in mine:
            load += weights[node]
            if load <= room[label]:
                wanted.append(node)
        assert sorted(v for v in taken if targets[v] == label) == sorted(wanted)


def test_every_node_may_move_sometimes():
    turns = np.array([movers(np.arange(1000), turn) for turn in range(12)])
    assert 0.4 < turns.mean() < 0.6
    assert turns.any(axis=0).mean() > 0.99


class Blocks:
    """A graph of a level in blocks, as the Spark engine sees it."""

    class work:
        spark = None

    def __init__(self, grain: Grain, starts: list[int]) -> None:
        self.grain, self.starts, self.blocks = grain, starts, len(starts) - 1
        self.nodes, self.entries = grain.matrix.rows, len(grain.matrix.indices)
        self.heaviest = int(grain.weights.max())

    def rows(self, b: int) -> Csr:
        matrix, first, last = self.grain.matrix, self.starts[b], self.starts[b + 1]
        some = slice(matrix.indptr[first], matrix.indptr[last])
        indptr = matrix.indptr[first : last + 1] - matrix.indptr[first]
        return Csr(indptr, matrix.indices[some], matrix.entries[some], matrix.columns)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    limit=st.integers(2, 300),
    largest=st.sampled_from([1, 3, 300, 100_000]),
    cuts=st.sets(st.integers(1, 39), max_size=4),
)
def test_blocks_keep_the_heaviest_entries_of_the_whole(seed, limit, largest, cuts):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(1, largest + 1, (40, 40)) * (rng.random((40, 40)) < 0.3), 1)
    dense = upper + upper.T
    rows, columns = np.nonzero(dense)
    matrix = Csr.from_pairs(rows, columns, dense[rows, columns].astype(np.int64), (40, 40))
    grain = Grain(matrix, dense.sum(axis=1) + 1)
    blocks = Blocks(grain, [0, *sorted(cuts), 40])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_spark, "run_tasks", lambda spark, n, task: [task(i) for i in range(n)])
        least, ties = by_spark._lightest(blocks, limit)
    found, wanted = by_spark._heaviest(blocks, least, ties), lightened(grain, limit)
    assert len(found.indices) == min(len(matrix.indices), limit // 2 * 2)
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
