"""Neighbors as tables of pyarrow and pandas."""

from __future__ import annotations

import sys

import networkx as nx
import pandas as pd
import pyarrow as pa
import pytest

from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.embedding.results import Neighbor, Neighbors
from graphagg.errors import MissingExtra


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    graph = nx.les_miserables_graph()
    graph.add_node("Nobody")
    path = tmp_path_factory.mktemp("exchange") / "a"
    with NodeEmbedding.build(graph, path, config=EmbeddingConfig(dim=8)) as one:
        yield one


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
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"run: pip install pandas$"):
        near.to_pandas()
