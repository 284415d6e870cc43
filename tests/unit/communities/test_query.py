"""Queries answer, explain themselves, refuse bad seeds, and stay within their budgets."""

from __future__ import annotations

import json
import time

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.communities.answer import results
from graphagg.communities.config import METHODS
from graphagg.communities.query import expansion, planner
from graphagg.errors import InvalidParameter, InvalidSeeds, UnknownVertex
from tests.unit.communities.graphs import planted

MADE, TRUTH = planted(6, 25, 0.5, 0.02, random_state=3)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return CommunityIndex.build(MADE, tmp_path_factory.mktemp("query") / "a")


@pytest.mark.parametrize("method", METHODS)
def test_planted_communities_are_found(index, method):
    recalls = []
    for members in TRUTH:
        found = index.query(members[:4], len(members) - 4, method=method).members
        recalls.append(len({m.id for m in found} & set(members[4:])) / (len(members) - 4))
    assert np.mean(recalls) > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_answers_hold_what_they_promise(index, method):
    answer = index.query([0, 1, 0], 12, method=method)
    assert answer.seeds == (0, 1)
    assert len(answer) == len(answer.members) == 12
    assert not {m.id for m in answer.members} & {0, 1}
    assert len({m.id for m in answer.members}) == 12
    if method != "agglomerative":
        scores = [m.score for m in answer.members]
        assert scores == sorted(scores, reverse=True)
    assert all(m.scores for m in answer.members)
    parsed = json.loads(json.dumps(answer.to_json()))
    assert {"members", "method", "plan"} <= parsed.keys()
    assert {"id", "score", "reason"} <= parsed["members"][0].keys()
    assert "shared with 0" in answer.members[0].explain()


@pytest.mark.parametrize("method", METHODS)
def test_order_of_seeds_changes_nothing(index, method):
    forward = index.query([0, 30, 70], 20, method=method)
    backward = index.query([70, 30, 0], 20, method=method)
    assert [m.id for m in forward.members] == [m.id for m in backward.members]


@pytest.mark.parametrize("method", METHODS)
def test_fewer_members_are_the_first_of_more(index, method):
    short = index.query([0, 1], 5, method=method).members
    long = index.query([0, 1], 30, method=method).members
    assert short == long[:5]


RANDOM = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=5, max_size=150)


@settings(deadline=None)
@given(RANDOM, st.data())
def test_fused_has_one_order_whatever_is_asked_for(tmp_path_factory, edges, data):
    edges = [(a, b) for a, b in edges if a != b]
    assume(edges)
    made = CommunityIndex.build(edges, tmp_path_factory.mktemp("fused") / "a")
    linked = sorted({v for edge in edges for v in edge})
    seeds = data.draw(st.lists(st.sampled_from(linked), min_size=1, max_size=4, unique=True))
    whole = made.query(seeds, 40).members
    scores = [member.score for member in whole]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    assert not {member.id for member in whole} & set(seeds)
    for k in (1, 9, 10, 11, 20, 39):
        found = made.query(seeds, k).members
        assert [(m.id, m.score, m.scores) for m in found] == [
            (m.id, m.score, m.scores) for m in whole[:k]
        ]


def test_bad_seeds(index):
    with pytest.raises(InvalidSeeds, match="`seeds` is empty"):
        index.query([])
    with pytest.raises(InvalidParameter, match=r"seeds is 1\.5, expected a vertex or several"):
        index.query(1.5)
    with pytest.raises(UnknownVertex, match="1000 is not in the graph; the closest ids are 149"):
        index.query([0, 1000])
    with pytest.raises(UnknownVertex, match="'x' is not in the graph"):
        index.query(["x"])
    assert index.query(["3"], 2) == index.query("3", 2) == index.query(3, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": 2.5}, "k is 2.5"),
        ({"k": "3"}, "k is .3."),
        ({"k": True}, "k is True"),
        ({"method": "magic"}, "method is 'magic', expected one of"),
    ],
)
def test_bad_arguments(index, arguments, message):
    with pytest.raises(InvalidParameter, match=message):
        index.query([0], **arguments)


@pytest.mark.parametrize("closed", [True, False])
def test_isolated_seeds(tmp_path, closed):
    graph = nx.path_graph(6)
    graph.add_nodes_from([20, 21])
    index = CommunityIndex.build(graph, tmp_path / "a", config=CommunityConfig(closed=closed))
    with pytest.raises(InvalidSeeds, match=r"none of the seeds has a neighbor \(20, 21\)"):
        index.query([20, 21])
    for method in METHODS:
        answer = index.query([2, 20], 3, method=method)
        assert "seed 20 has no neighbors" in answer.notes
        assert answer.members
        assert 21 not in [m.id for m in answer.members]


def test_a_set_is_found_by_shared_elements(tmp_path):
    index = CommunityIndex.build(
        {"a": [1, 2], "b": [2, 3]}, tmp_path / "a", config=CommunityConfig(kind="two-mode")
    )
    assert [m.id for m in index.query(["a"]).members] == ["b"]


@pytest.mark.parametrize("degree", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_seed_of_a_large_degree(tmp_path, degree):
    """Work that grows with the square of a degree takes hours for the larger one."""
    leaves = np.arange(1, degree + 1)
    star = np.stack([np.zeros_like(leaves), leaves], axis=1)
    ring = np.stack([leaves[:1000], np.roll(leaves[:1000], 1)], axis=1)
    index = CommunityIndex.build(np.concatenate([star, ring]), tmp_path / "a")
    assert index.snapshot.neighborhoods.sets.degrees().max() == degree
    for method in METHODS:
        for seeds in ([0], [0, 5], [5]):
            start = time.thread_time()
            answer = index.query(seeds, 20, method=method)
            assert time.thread_time() - start < 60.0, method
            assert answer.seeds == tuple(seeds)
            if 5 in seeds:
                assert answer.members, method
    near = {m.id for m in index.query([5], 4, method="jaccard").members}
    assert near == {3, 4, 6, 7}


def test_budget_turns_seeds_to_the_tables(index, monkeypatch):
    work = index.snapshot.neighborhoods.work(np.array([0, 1]), 10**9)
    assert index.query([0, 1], 5, method="jaccard").plan == "exact"
    for budget, plan in ((int(work.min()), "exact+lsh"), (0, "lsh")):
        monkeypatch.setattr(planner, "EXACT_WORK", budget)
        assert index.query([0, 1], 5, method="jaccard").plan == plan
    monkeypatch.setattr(planner, "BUCKET_CAP", 1)
    cut = index.query([0], 5, method="jaccard")
    assert any("buckets were cut to 1 " in note for note in cut.notes)
    monkeypatch.undo()
    monkeypatch.setattr(expansion, "GROWTH_WORK", 10)
    short = index.query([0], 20, method="agglomerative")
    assert len(short) == 20
    assert any("work budget" in note for note in short.notes)
    monkeypatch.setattr(results, "REASON_WORK", 0)
    bare = index.query([0, 1], 5)
    assert all(shared.count is None for m in bare.members for shared in m.reason)


def test_interrupted_queries_leave_no_trace(index, monkeypatch):
    expected = {method: index.query([0, 1], 15, method=method) for method in METHODS}

    def interrupt(*arguments):
        index.snapshot.expander._scratch.scores[:] = 7.0
        raise KeyboardInterrupt

    monkeypatch.setattr(expansion, "fused_ranking", interrupt)
    with pytest.raises(KeyboardInterrupt):
        index.query([0, 1], 15)
    monkeypatch.undo()
    for method in METHODS:
        assert index.query([0, 1], 15, method=method) == expected[method]


def test_queries_leave_the_scratch_clean(index):
    first = {method: index.query([0, 1], 15, method=method) for method in METHODS}
    for method in METHODS:
        index.query([40, 90], 15, method=method)
    for method in METHODS:
        assert index.query([0, 1], 15, method=method) == first[method]
    scratch = index.snapshot.expander._scratch
    for name in ("counts", "scores", "members"):
        assert not getattr(scratch, name).any(), name
    assert not scratch.push.slots.any()


def test_leaves_of_a_hub_come_after_a_group_and_are_named_where_scores_are_the_same(tmp_path):
    star = [(0, leaf) for leaf in range(1, 1_200)] + [(1, 2), (1, 3), (2, 3)]
    with CommunityIndex.build(star, tmp_path / "star") as index:
        answer = index.query([0], 5)
        assert {member.id for member in answer.members[:3]} == {1, 2, 3}
        (note,) = answer.notes
        assert "seed 0 has 1,199 neighbors, and" in note and "method agglomerative" in note
        assert index.query([1], 2).notes == ()
