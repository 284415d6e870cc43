"""The similarity graph of an answer, its parts, its picture."""

from __future__ import annotations

import sys

import networkx as nx
import numpy as np
import pytest

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.errors import InvalidParameter, MissingExtra
from tests.unit.communities.graphs import jaccard, planted, sets_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    edges, truth = planted(3, 15, 0.7, 0.03)
    index = CommunityIndex.build(edges, tmp_path_factory.mktemp("structure") / "a")
    return edges, truth, index.query([0, 15], 30).structure()


def test_weights_are_exact_similarities(made):
    edges, _, structure = made
    sets = sets_of(edges, "undirected", True)
    graph = structure.to_networkx()
    assert set(graph) == set(structure.vertices)
    for a in structure.vertices:
        for b in structure.vertices:
            if a != b:
                weight = graph.edges[a, b]["weight"] if graph.has_edge(a, b) else 0.0
                assert weight == pytest.approx(jaccard(sets[a], sets[b]))


def test_pairs_say_whether_the_graph_joins_them(made):
    edges, _, structure = made
    joined = {frozenset(edge) for edge in edges}
    graph = structure.to_networkx()
    inside = [edge for edge in joined if edge <= set(structure.vertices)]
    assert {frozenset((a, b)) for a, b, yes in graph.edges(data="in_graph") if yes} == set(inside)
    assert len(inside) < graph.number_of_edges(), "some are only alike"


def test_joined_vertices_that_share_nothing_are_pairs_too(tmp_path):
    config = CommunityConfig(closed=False)
    with CommunityIndex.build([(1, 2), (2, 3)], tmp_path / "open", config=config) as index:
        structure = index.query([1], 2, method="pagerank").structure()
    found = {tuple(sorted(edge)): w for *edge, w in structure.to_networkx().edges(data="weight")}
    assert found == {(1, 2): 0.0, (1, 3): 1.0, (2, 3): 0.0}


def test_parts_follow_the_planted_communities(made):
    _, truth, structure = made
    parts = structure.communities()
    assert sorted(v for part in parts for v in part) == sorted(structure.vertices)
    assert [len(part) for part in parts] == sorted(map(len, parts), reverse=True)
    for part in parts[:2]:
        assert max(len(set(part) & set(block)) for block in truth) >= 0.8 * len(part)
    graph = structure.to_networkx()
    assert nx.community.modularity(graph, [set(part) for part in parts], weight="weight") > 0.1
    assert structure.vertices[: structure.seeds] == (0, 15)
    assert structure.positions.shape == (len(structure.vertices), 2)
    assert np.abs(structure.positions).max() <= 1.0


def test_same_random_state_same_structure(tmp_path):
    edges, _ = planted(3, 15, 0.7, 0.03)
    index = CommunityIndex.build(edges, tmp_path / "a")
    first, second = (index.query([0], 20).structure(random_state=3).to_json() for _ in range(2))
    assert first == second
    with pytest.raises(InvalidParameter, match="resolution is 0"):
        index.query([0], 5).structure(resolution=0)


def test_edges_of_seeds_are_drawn_first_then_other_edges(made):
    structure = made[2]
    joined = [frozenset(pair) for pair in structure.edges[structure.in_graph].tolist()]
    of_seeds = {pair for pair in joined if min(pair) < structure.seeds}
    drawn = [frozenset(pair) for pair in structure.edges[structure.drawn()].tolist()]
    assert set(drawn[: len(of_seeds)]) == of_seeds and len(of_seeds) > 5
    assert set(drawn[: len(joined)]) == set(joined)
    weights = structure.weights[structure.drawn()]
    for low, high in ((0, len(of_seeds)), (len(of_seeds), len(joined)), (len(joined), None)):
        assert np.all(np.diff(weights[low:high]) <= 0)
    few = structure.drawn(3)
    assert len(few) == 3 and structure.describe(3) == f"3 of {len(structure.edges)} pairs"


def test_a_hub_is_inside(tmp_path):
    spokes = [(0, i) for i in range(1, 120)] + [(i, i + 1) for i in range(1, 119)]
    with CommunityIndex.build(spokes, tmp_path / "wheel") as index:
        structure = index.query([0], 119).structure()
    assert np.hypot(*structure.positions[0]) < 0.5
    assert np.median(np.hypot(*structure.positions.T)) > 0.5, "the disc is filled"


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_pictures(made, tmp_path, suffix, magic):
    path = tmp_path / f"picture{suffix}"
    made[2].draw(path, title="Seeds 0 and 15")
    assert path.read_bytes().startswith(magic)
    assert path.stat().st_size > 5_000
    with pytest.raises(InvalidParameter, match=r"expected the suffix \.png, \.svg or \.pdf"):
        made[2].draw(tmp_path / "picture.gif")


def test_no_similarity_at_all(tmp_path):
    edges, config = [(0, 1), (2, 3), (4, 5)], CommunityConfig(closed=False)
    index = CommunityIndex.build(edges, tmp_path / "a", config=config)
    structure = index.query([0, 2], 3).structure()
    assert not structure.weights.any() and structure.in_graph.all()
    assert structure.to_json()["edges"] == []
    structure.draw(tmp_path / "empty.png")


@pytest.mark.parametrize("package", ["matplotlib", "networkx"])
def test_missing_packages_say_what_to_install(made, tmp_path, monkeypatch, package):
    structure = made[2]
    calls = {
        "matplotlib": lambda: structure.draw(tmp_path / "p.png"),
        "networkx": structure.to_networkx,
    }
    for name in [m for m in sys.modules if m.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r'pip install .*\[communities\]"'):
        calls[package]()
