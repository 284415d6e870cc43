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

from graphagg.communities import detect, update
from graphagg.communities.partitions import agreement
from graphagg.communities.warm_start import PartitionChanges
from graphagg.errors import InvalidGraph, InvalidParameter, UnreadableFile

EDGES = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 4)).filter(
        lambda edge: edge[0] != edge[1]
    ),
    min_size=1,
    max_size=40,
)


@settings(deadline=None)
@given(
    EDGES, st.sampled_from([0.2, 1.0, 2.0]),
    st.sampled_from(["undirected", "directed", "two-mode"]),
    st.sampled_from(["modularity", "cpm"]), st.randoms(use_true_random=False),
)  # fmt: skip
def test_a_partition_is_complete_repeatable_and_connected(
    edges, resolution, kind, objective, random
):
    if kind == "two-mode":
        edges = [(f"e{a}", f"s{b}", weight) for a, b, weight in edges]
    options = {"kind": kind, "objective": objective, "resolution": resolution}
    options["vertices"] = ["s99" if kind == "two-mode" else 99]
    found = detect(edges, **options)
    again = detect(random.sample(edges, len(edges)), **options)
    assert again.labels.tolist() == found.labels.tolist()
    graph, members = found.to_networkx(), found.communities()
    assert found.sizes.tolist() == sorted(map(len, members), reverse=True)
    plain = graph.to_undirected()
    assert sorted(v for group in members for v in group) == sorted(graph)
    assert all(nx.is_connected(plain.subgraph(group)) for group in members)
    judged = resolution if objective == "modularity" else 1.0
    if kind == "two-mode":  # an edge begins at a set
        graph = nx.DiGraph(
            (a, b, data) if a.startswith("s") else (b, a, data)
            for a, b, data in graph.edges(data=True)
        )
        graph.add_nodes_from(plain)
    expected = nx.community.modularity(graph, members, weight="weight", resolution=judged)
    assert found.modularity == pytest.approx(expected, abs=1e-6)


@settings(deadline=None)
@given(EDGES, st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from(["modularity", "cpm"]))
def test_a_start_that_is_the_answer_changes_nothing(edges, resolution, objective):
    before = detect(edges, resolution=resolution, objective=objective)
    after = detect(edges, resolution=resolution, objective=objective, start=before)
    assert after.labels.tolist() == before.labels.tolist()
    assert after.changes == PartitionChanges(0, {}, {}, (), ())


@pytest.mark.parametrize("kind", ["undirected", "directed"])
@pytest.mark.parametrize("seed", range(4))
def test_names_change_nothing(seed, kind):
    """Weights differ, so that no two vertices have the same surroundings."""
    draws = np.random.default_rng(seed)
    pairs = [*nx.gnm_random_graph(60, 240, seed=seed).edges]
    weights, names = draws.random(len(pairs)), draws.permutation(1_000)
    edges = [(a, b, w) for (a, b), w in zip(pairs, weights, strict=True)]
    renamed = [(int(names[a]), int(names[b]), w) for a, b, w in edges]
    expected = detect(edges, kind=kind).communities()
    found = {frozenset(group) for group in detect(renamed, kind=kind).communities()}
    assert found == {frozenset(int(names[v]) for v in group) for group in expected}


def test_it_is_as_good_as_the_best_that_is_known():
    assert detect(nx.karate_club_graph(), weighted=False).modularity == pytest.approx(
        0.4198, abs=1e-3
    )
    ring = nx.ring_of_cliques(30, 5)
    cliques = {frozenset(range(at, at + 5)) for at in range(0, 150, 5)}
    found = detect(ring, objective="cpm", resolution=0.5)
    assert {frozenset(group) for group in found.communities()} == cliques
    # Chance expects few edges from `b` on, so that directions decide.
    assert len(detect([("a", "b"), ("c", "d")], kind="directed")) == 2


def test_two_mode_communities_hold_sets_and_elements():
    fans = {"news": [1, 2, 3], "sports": [1, 2, 3], "jazz": [7, 8], "folk": [7, 8]}
    found = detect(fans, kind="two-mode")
    assert found.communities() == [["news", "sports", 1, 2, 3], ["folk", "jazz", 7, 8]]
    table = found.to_pandas()
    assert table[table.side == "set"].vertex.tolist() == ["folk", "jazz", "news", "sports"]
    assert table[table.community == 1].vertex.tolist() == ["folk", "jazz", "7", "8"]
    again = detect(fans | {"polka": [7, 8]}, kind="two-mode", start=found)
    assert again.changes.moved == 0 and len(again) == 2
    with pytest.raises(InvalidParameter, match="a set and an element have the same id"):
        detect([(1, 1), (2, 2)], kind="two-mode").to_networkx()


def clique(*members):
    return [(a, b) for a in members for b in members if a < b]


def test_numbers_live_on_and_changes_are_named(tmp_path):
    first, second, third = clique(*range(6)), clique(*range(10, 15)), clique(*range(20, 24))
    before = detect(first + second + third)
    before.save(tmp_path / "before.csv")
    # The second fell apart, the third is gone, another one is new.
    now = [*first, *clique(10, 11, 12), *clique(13, 14), *clique(30, 31, 32)]
    for start in (before, tmp_path / "before.csv", before.to_pandas(), before_mapping(before)):
        after = detect(now, start=start)
        assert dict(zip(after.vertices, after.labels.tolist(), strict=True)) == {
            **dict.fromkeys(range(6), 0), **dict.fromkeys((10, 11, 12), 1),
            **dict.fromkeys((13, 14), 4), **dict.fromkeys((30, 31, 32), 3),
        }  # fmt: skip
        assert after.changes == PartitionChanges(2, {4: 1}, {}, (3,), (2,))
    assert after.numbers.tolist() == [0, 1, 3, 4] and after.sizes.tolist() == [6, 3, 3, 2]
    assert after.communities()[3] == [13, 14]
    assert detect(clique(0, 1, 2, 20, 21), start={0: 5, 1: 5, 2: 5, 20: 9, 21: 9}).changes == (
        PartitionChanges(2, {}, {9: 5}, (), ())
    )


def before_mapping(partition):
    return dict(zip(partition.vertices, partition.labels.tolist(), strict=True))


def test_bad_starts(tmp_path):
    (tmp_path / "x.csv").write_text("vertex,group\n1,0\n", encoding="utf-8")
    (tmp_path / "text.csv").write_text("vertex,community\n1,red\n", encoding="utf-8")
    (tmp_path / "twice.csv").write_text("vertex,community\n1,0\n1,2\n", encoding="utf-8")
    for start, said in (
        (tmp_path / "x.csv", "expected 'vertex' and 'community'"),
        (tmp_path / "text.csv", "communities are string"),
        (tmp_path / "twice.csv", "a vertex in two communities"),
        (tmp_path / "x.json", "suffix '.json'"),
        ({1: -1}, "community -1"),
        (7, "start is a int"),
    ):
        with pytest.raises(InvalidParameter, match=said):
            detect([(1, 2)], start=start)
    with pytest.raises(UnreadableFile, match=r"none\.csv"):
        detect([(1, 2)], start=tmp_path / "none.csv")
    with pytest.raises(InvalidParameter, match="objective is 'x'"):
        detect([(1, 2)], objective="x")


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
    with pytest.raises(InvalidParameter, match=r"suffix '.doc', expected one of .csv, .parquet"):
        found.save(tmp_path / "x.doc")


def test_iterations_until_none_improves_and_restarts_are_never_worse():
    graph = nx.planted_partition_graph(20, 15, 0.4, 0.06, seed=1)
    once, tries = detect(graph, iterations=1), detect(graph, iterations=1, restarts=4)
    assert len(tries.restarts) == 4 and tries.modularity == pytest.approx(max(tries.restarts))
    assert tries.restarts[0] == pytest.approx(once.modularity)
    ended = detect(graph, iterations=-1)
    assert ended.modularity >= once.modularity
    assert np.array_equal(ended.labels, detect(graph, iterations=-1).labels)


@settings(deadline=None, max_examples=30)
@given(EDGES, st.data())
def test_fixed_vertices_keep_their_community(edges, data):
    vertices = sorted({v for edge in edges for v in edge[:2]})
    start = {vertex: data.draw(st.integers(0, 3)) for vertex in vertices}
    fixed = data.draw(st.lists(st.sampled_from(vertices), min_size=1, unique=True))
    for iterations in (2, -1):
        found = detect(edges, start=start, fixed=fixed, iterations=iterations)
        of = dict(zip(found.vertices, found.labels.tolist(), strict=True))
        assert {v: of[v] for v in fixed} == {v: start[v] for v in fixed}
    with pytest.raises(InvalidParameter, match="`fixed`"):
        detect(edges, fixed=fixed)


@settings(deadline=None, max_examples=30)
@given(EDGES, EDGES, st.sampled_from(["undirected", "directed", "two-mode"]), st.booleans())
def test_an_update_has_the_graph_of_all_edges_and_connected_communities(
    edges, more, kind, weighted
):
    edges, more = ([edge if weighted else edge[:2] for edge in each] for each in (edges, more))
    before = detect(edges, kind=kind, weighted=weighted)
    after = update(before, added=more, removed=[edges[0][:2]])
    gone = {edges[0][:2], edges[0][1::-1]} if kind == "undirected" else {edges[0][:2]}
    left = [edge for edge in edges if edge[:2] not in gone] + more
    ids = [vertex for edge in edges for vertex in (edge[1:2] if kind == "two-mode" else edge[:2])]
    whole = detect(left, kind=kind, weighted=weighted, vertices=ids)
    assert set(whole.vertices) <= set(after.vertices)
    assert after.graph.edges == whole.graph.edges
    if kind != "two-mode":
        assert after.graph.adjacency.indices.tolist() == whole.graph.adjacency.indices.tolist()
        graph = after.to_networkx().to_undirected()
        assert all(nx.is_connected(graph.subgraph(group)) for group in after.communities())
    if weighted:
        np.testing.assert_allclose(after.weights, whole.weights, rtol=1e-6)


def test_a_comparison_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for first, second in rng.integers(0, 5, (5, 2, 60)):
        found = agreement(first, second)
        assert found.ari == pytest.approx(metrics.adjusted_rand_score(first, second))
        assert found.nmi == pytest.approx(metrics.normalized_mutual_info_score(first, second))


def test_a_two_mode_networkx_graph_has_its_sides():
    graph = nx.davis_southern_women_graph()
    wanted = detect(list(graph.edges), kind="two-mode")
    turned = nx.Graph((b, a) for a, b in graph.edges)
    for each in (graph, turned):
        found = detect(each, kind="two-mode")
        assert len(found.vertices) == 32 and found.modularity == pytest.approx(
            wanted.modularity, abs=0.02
        )
    assert detect(graph, kind="two-mode").compare(wanted).ari == 1.0
    with pytest.raises(InvalidGraph, match="bipartite"):
        detect(nx.complete_graph(3), kind="two-mode")
    shown = repr(detect([(1, 2), (2, 3)], kind="two-mode"))
    assert shown.endswith("; 1 ids are an element and a set)")


def test_ids_of_other_types_by_their_text():
    found = detect(nx.grid_2d_graph(2, 2), ids="string")
    assert list(found.vertices) == ["(0, 0)", "(0, 1)", "(1, 0)", "(1, 1)"]


def test_bad_parameters():
    for options in ({"resolution": 0}, {"random_state": -1}):
        with pytest.raises(InvalidParameter):
            detect([(1, 2)], **options)
    assert np.array_equal(detect([(1, 2)]).labels, [0, 0])
