"""Splits, heuristics and scores that judge embeddings."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.graphs.vectors.measure import auc, classify_nodes, hits, predict_links
from benchmarks.graphs.vectors.splits import heuristic_scores, split_edges
from graphagg.embedding import EmbeddingConfig
from graphagg.graph import load_graph
from graphagg.graph.weights import load_weighted
from tests.unit.embedding.graphs import communities, graph

SMALL = EmbeddingConfig(dim=8, pieces=3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_auc_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    positive, negative = rng.integers(0, 6, 20), rng.integers(0, 6, 15)
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    assert auc(positive, negative) == pytest.approx(np.mean(pairs))
    wanted = np.mean([p > sorted(negative)[-3] for p in positive])
    assert hits(positive, negative, 3) == pytest.approx(wanted)


@pytest.mark.parametrize("kind", ["undirected", "directed", "two-mode"])
def test_a_split_parts_the_edges_and_negatives_are_none(kind):
    whole = load_graph(communities(120, 5), kind)
    split = split_edges(whole, None, 0.3, 0)
    rows, columns = whole.pairs()
    edges = set(zip(rows.tolist(), columns.tolist(), strict=True))
    left = set(zip(*(part.tolist() for part in split.train.pairs()), strict=True))
    held = set(zip(*split.positive.tolist(), strict=True))
    assert left | held == edges
    assert not left & held
    assert len(held) == int(0.3 * len(edges))
    for negative in (split.uniform, split.matched):
        assert negative.shape == split.positive.shape
        for u, v in negative.T.tolist():
            pair = (min(u, v), max(u, v)) if kind == "undirected" else (u, v)
            assert pair not in edges
    again = split_edges(whole, None, 0.3, 0)
    np.testing.assert_array_equal(again.positive, split.positive)
    np.testing.assert_array_equal(again.matched, split.matched)


def test_a_split_keeps_weights():
    triples = [(u, v, float(u + 2 * v)) for u, v in {tuple(sorted(p)) for p in communities(60)}]
    whole, weights = load_weighted(triples)
    split = split_edges(whole, weights, 0.4, 1)
    rows, columns = split.train.pairs()
    for u, v in zip(rows, columns, strict=True):
        row = split.train.adjacency.row(int(u))
        place = split.train.adjacency.indptr[u] + np.searchsorted(row, v)
        assert split.weights[place] == u + 2 * v


def test_heuristics_are_brute_forces():
    pairs = communities(60, 4)
    plain = nx.Graph(pairs)
    whole = load_graph(pairs)
    asked = np.random.default_rng(0).integers(0, len(whole.rows), (2, 50))
    found = heuristic_scores(whole, asked)
    for i, (u, v) in enumerate(asked.T.tolist()):
        a, b = whole.rows[u], whole.rows[v]
        both = set(plain[a]) & set(plain[b])
        assert found["common_neighbors"][i] == len(both)
        wanted = sum(1 / np.log(max(plain.degree[z], 2)) for z in both)
        assert found["adamic_adar"][i] == pytest.approx(wanted)


def test_the_embedding_finds_planted_groups_and_random_vectors_less():
    whole = graph(240, 8)
    links = predict_links(whole, None, SMALL, repeats=2)
    assert set(links.uniform.runs) == {
        "graphagg", "control", "random", "common_neighbors", "adamic_adar",
    }  # fmt: skip
    assert links.uniform.mean("graphagg", "auc") > 0.6
    rng = np.random.default_rng(0)
    group = rng.integers(0, 8, 240)
    labels = group[np.array(list(whole.rows))][:, None] == np.arange(8)
    scores = classify_nodes(whole, None, labels, SMALL, shuffles=3)
    shown = scores.to_json()
    assert shown["graphagg"]["micro_f1"]["0.5"]["mean"] > 0.5
    wrong = classify_nodes(whole, None, rng.permutation(labels), SMALL, shuffles=3).to_json()
    assert wrong["graphagg"]["micro_f1"]["0.5"]["mean"] < 0.3
