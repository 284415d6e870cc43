"""Vectors and neighbors as graphs of networkx and tables of pyarrow and pandas."""

from __future__ import annotations

import sys

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.embedding.results import Neighbor, Neighbors
from graphagg.errors import InvalidParameter, MissingExtra


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    graph = nx.les_miserables_graph()
    graph.add_node("Nobody")
    path = tmp_path_factory.mktemp("exchange") / "a"
    with NodeEmbedding.build(graph, path, config=EmbeddingConfig(dim=8)) as one:
        yield one


def test_vertices_carry_vector_and_piece(index):
    graph = index.to_networkx()
    assert list(graph) == list(index.vertices) and not graph.edges
    for place, vertex in enumerate(index.vertices):
        assert np.array_equal(graph.nodes[vertex]["vector"], index.vectors[place])
        assert graph.nodes[vertex]["piece"] == index.parts[place]


def test_neighbors_become_weighted_edges(index):
    graph = index.to_networkx(attribute="x", neighbors=3)
    wanted = {}
    for vertex in index.vertices:
        if vertex != "Nobody":
            for near in index.neighbors(vertex, 3):
                wanted[frozenset((vertex, near.id))] = near.score
    found = {frozenset((a, b)): weight for a, b, weight in graph.edges(data="weight")}
    assert found.keys() == wanted.keys()
    assert all(found[pair] == pytest.approx(wanted[pair], abs=1e-6) for pair in found)
    assert graph.degree["Nobody"] == 0 and graph.nodes["Nobody"]["x"].shape == (8,)


def test_a_given_graph_is_copied_and_keeps_its_edges(index):
    own = nx.les_miserables_graph()
    own.add_node("stranger")
    graph = index.to_networkx(own)
    assert nx.utils.graphs_equal(nx.Graph(graph.edges), nx.Graph(own.edges))
    assert np.array_equal(graph.nodes["Valjean"]["vector"], index.vector("Valjean"))
    assert "vector" not in own.nodes["Valjean"] and graph.nodes["stranger"] == {}
    with pytest.raises(InvalidParameter, match="give a graph, or neighbors"):
        index.to_networkx(own, neighbors=2)
    with pytest.raises(InvalidParameter, match="-1"):
        index.to_networkx(neighbors=-1)


def test_neighbors_are_a_tuple_and_a_table(index):
    near = index.neighbors("Valjean", 5)
    assert near == tuple(near) and isinstance(near[0], Neighbor)
    table = near.to_arrow()
    assert table.to_pydict() == {
        "rank": [1, 2, 3, 4, 5],
        "vertex": [one.id for one in near],
        "score": [one.score for one in near],
    }
    pd.testing.assert_frame_equal(near.to_pandas(), table.to_pandas())
    assert Neighbors().to_arrow().num_rows == 0
    assert Neighbors([Neighbor(3, 0.5)]).to_arrow().schema.field("vertex").type == pa.int64()


def test_without_the_package_the_extra_is_named(index, monkeypatch):
    near = index.neighbors("Valjean", 2)
    for package in ("pandas", "networkx"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"run: pip install pandas$"):
        near.to_pandas()
    with pytest.raises(MissingExtra, match=r'pip install .*\[embedding\]"'):
        index.to_networkx()
