"""The partition of a whole graph: complete, repeatable, connected, and written in every format."""

from __future__ import annotations

import csv
import json

import networkx as nx
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.communities import detect, sweep
from graphagg.errors import InvalidParameter

EDGES = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 4)).filter(
        lambda edge: edge[0] != edge[1]
    ),
    min_size=1,
    max_size=40,
)


def test_a_sweep_is_a_partition_at_each_resolution():
    graph = nx.les_miserables_graph()
    found = sweep(graph, [0.5, 1.0, 3.0])
    for resolution, partition in found.items():
        alone = detect(graph, resolution=resolution)
        assert np.array_equal(partition.labels, alone.labels)
        assert partition.modularity == alone.modularity
    assert len(found[0.5]) < len(found[3.0])
    assert repr(found[1.0]).startswith(f"Partition({len(found[1.0])} communities of 77 vertices")


@settings(deadline=None)
@given(EDGES, st.randoms(use_true_random=False), st.sampled_from([0.5, 1.0, 2.0]))
def test_a_partition_is_complete_repeatable_and_connected(edges, random, resolution):
    found = detect(edges, resolution=resolution, vertices=[99])
    members = found.communities()
    assert sorted(v for group in members for v in group) == sorted(found.vertices)
    assert found.sizes.tolist() == [len(group) for group in members]
    assert found.sizes.tolist() == sorted(found.sizes.tolist(), reverse=True)
    shuffled = random.sample(edges, len(edges))
    assert detect(shuffled, resolution=resolution, vertices=[99]).labels.tolist() == (
        found.labels.tolist()
    )
    graph = found.to_networkx()
    assert all(nx.is_connected(graph.subgraph(group)) for group in members)
    expected = nx.community.modularity(graph, members, weight="weight", resolution=resolution)
    assert found.modularity == pytest.approx(expected, abs=1e-6)


def test_planted_communities_and_weights():
    graph = nx.planted_partition_graph(4, 15, 0.8, 0.02, seed=1)
    found = detect(graph)
    assert {frozenset(group) for group in found.communities()} == {
        frozenset(range(at, at + 15)) for at in range(0, 60, 15)
    }
    heavy = [("a", "b", 9), ("c", "d", 9), ("b", "c", 1), ("a", "d", 1), ("a", "c", 1)]
    pairs = {frozenset(group) for group in detect(heavy).communities()}
    assert pairs == {frozenset("ab"), frozenset("cd")}
    assert detect([("a", "b", 0)]).sizes.tolist() == [1, 1]  # an edge of weight 0 joins nothing


@pytest.mark.parametrize("ids", [int, str])
def test_every_format_holds_the_partition(tmp_path, ids):
    graph = nx.relabel_nodes(nx.karate_club_graph(), ids)
    found = detect(graph)
    of = {str(v): int(c) for v, c in zip(found.vertices, found.labels, strict=True)}
    for suffix in ("csv", "parquet", "json", "graphml", "gexf"):
        found.save(tmp_path / f"x.{suffix}")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["vertex"]: int(row["community"]) for row in rows} == of
    table = pq.read_table(tmp_path / "x.parquet").to_pydict()
    assert dict(zip(map(str, table["vertex"]), table["community"], strict=True)) == of
    held = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert held["communities"] == found.communities()
    for read in (nx.read_graphml(tmp_path / "x.graphml"), nx.read_gexf(tmp_path / "x.gexf")):
        assert dict(read.nodes(data="community")) == of
        assert read.number_of_edges() == graph.number_of_edges()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"x.{suffix}" for suffix in ("csv", "gexf", "graphml", "json", "parquet")
    ]
    with pytest.raises(InvalidParameter, match=r"suffix '.doc', wanted one of .csv, .parquet"):
        found.save(tmp_path / "x.doc")


def test_bad_parameters():
    for options in ({"resolution": 0}, {"random_state": -1}):
        with pytest.raises(InvalidParameter):
            detect([(1, 2)], **options)
    assert np.array_equal(detect([(1, 2)]).labels, [0, 0])
