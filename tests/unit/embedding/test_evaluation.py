"""Evaluation, labels, exports and the picture."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.embedding.evaluation.classification import number_labels, read_labels
from graphagg.embedding.evaluation.measure import auc, classify_nodes, hits, predict_links
from graphagg.embedding.evaluation.splits import heuristic_scores, split_edges
from graphagg.embedding.export import to_networkx, write_vectors
from graphagg.embedding.picture import draw
from graphagg.errors import InvalidLabels, InvalidParameter, UnreadableFile
from graphagg.graph import load_graph
from graphagg.graph.ids import VertexIds
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
    labels = number_labels([(v, str(g)) for v, g in enumerate(group)], whole.rows)
    scores = classify_nodes(whole, None, labels, SMALL, shuffles=3)
    shown = scores.to_json()
    assert shown["graphagg"]["micro_f1"]["0.5"]["mean"] > 0.5
    shuffled = number_labels(
        [(v, str(g)) for v, g in enumerate(rng.permutation(group))], whole.rows
    )
    wrong = classify_nodes(whole, None, shuffled, SMALL, shuffles=3).to_json()
    assert wrong["graphagg"]["micro_f1"]["0.5"]["mean"] < 0.3


def test_same_scores_twice():
    first, second = (predict_links(graph(120), None, SMALL, repeats=1) for _ in range(2))
    assert first.uniform.to_json() == second.uniform.to_json()


def test_bad_evaluations():
    whole = graph(60)
    for holdout in (0.0, 1.0, 1e-9):
        with pytest.raises(InvalidParameter, match="holdout is"):
            split_edges(whole, None, holdout, 0)
    with pytest.raises(InvalidParameter, match="repeats is 0"):
        predict_links(whole, None, SMALL, repeats=0)
    complete = load_graph([(u, v) for u in range(9) for v in range(u)])
    with pytest.raises(InvalidParameter, match="nearly complete"):
        split_edges(complete, None, 0.5, 0)
    labels = number_labels([(1, "a")], whole.rows)
    with pytest.raises(InvalidParameter, match="1 vertices have a label"):
        classify_nodes(whole, None, labels, SMALL)


def test_labels_from_every_file(tmp_path):
    ids = VertexIds.of(range(6))
    (tmp_path / "pairs.txt").write_text("# x\n0 a\n1 b\n1 a\n9 c\n")
    (tmp_path / "labels.csv").write_text("id,name,page_type\n0,x,a\n1,y,b\n1,z,a\n9,w,c\n")
    (tmp_path / "x.cmty").write_text("0 1\n1 9\n")
    for name in ("pairs.txt", "labels.csv", "x.cmty"):
        found = read_labels(tmp_path / name, ids)
        assert found.matrix.shape == (6, 2)
        assert found.matrix.sum(axis=1).tolist() == [1, 2, 0, 0, 0, 0]
        assert found.unknown == 1
    assert read_labels(tmp_path / "pairs.txt", ids).first()[:3] == ["a", "a", None]


def test_bad_labels(tmp_path):
    ids = VertexIds.of(range(6))
    (tmp_path / "unknown.txt").write_text("77 a\n78 b\n")
    with pytest.raises(InvalidLabels, match="none of 2 labels is of a vertex of the graph"):
        read_labels(tmp_path / "unknown.txt", ids)
    (tmp_path / "short.txt").write_text("1 a\n2\n")
    with pytest.raises(InvalidLabels, match="line 2 of data: '2'"):
        read_labels(tmp_path / "short.txt", ids)
    with pytest.raises(UnreadableFile):
        read_labels(tmp_path / "absent.txt", ids)


def test_exports_give_the_vectors_back(tmp_path):
    from gensim.models import KeyedVectors

    index = NodeEmbedding.build(communities(), tmp_path / "a", config=SMALL)
    write_vectors(*index.side("from"), tmp_path / "v.parquet", "parquet")
    table = pq.read_table(tmp_path / "v.parquet")
    assert table["id"].to_pylist() == list(index.vertices)
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), np.float32), index.vectors)
    write_vectors(*index.side("from"), tmp_path / "v.txt", "word2vec")
    vectors = KeyedVectors.load_word2vec_format(str(tmp_path / "v.txt"))
    np.testing.assert_array_equal(vectors["17"], index.vector(17))
    plain = nx.Graph(communities())
    to_networkx(*index.side("from"), plain)
    np.testing.assert_array_equal(plain.nodes[17]["vector"], index.vector(17))
    with pytest.raises(InvalidParameter, match="format is 'odd'"):
        write_vectors(*index.side("from"), tmp_path / "v.odd", "odd")
    named = NodeEmbedding.build(
        [(f"a {u}", f"a {v}") for u, v in communities(60)], tmp_path / "b", config=SMALL
    )
    (tmp_path / "kept.txt").write_text("before")
    with pytest.raises(InvalidParameter, match="white space"):
        write_vectors(*named.side("from"), tmp_path / "kept.txt", "word2vec")
    assert (tmp_path / "kept.txt").read_text() == "before"


def test_pyg_data_holds_the_vectors(tmp_path):
    pytest.importorskip("torch_geometric")
    from graphagg.embedding.export import to_pyg

    index = NodeEmbedding.build(communities(), tmp_path / "a", config=SMALL)
    data = to_pyg(*index.side("from"))
    np.testing.assert_array_equal(data.x.numpy(), index.vectors)
    assert data.vertex == list(index.vertices)


def test_a_picture_is_drawn(tmp_path):
    index = NodeEmbedding.build(communities(60, 4), tmp_path / "a", config=SMALL)
    draw(index, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    draw(index, tmp_path / "a.svg", labels=["x" if v % 2 else None for v in index.vertices])
    draw(index, tmp_path / "b.svg", labels=["x" if v % 2 else None for v in index.vertices])
    with pytest.raises(InvalidParameter, match=r"suffix '\.gif'"):
        draw(index, tmp_path / "a.gif")
