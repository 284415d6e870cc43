"""`fused` compares only who can be a member: as if all that the walk reaches were compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.communities.query import fused, planner
from graphagg.communities.similarity.jaccard_sums import similarity_sums
from tests.unit.communities.graphs import KINDS, jaccard, planted, sets_of

pytestmark = pytest.mark.usefixtures("compiled")

EDGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=5, max_size=250)


@given(EDGES, st.sampled_from(KINDS), st.integers(0, 90), st.data())
def test_sums_by_marks_are_those_of_the_sets(tmp_path_factory, edges, kind, leaves, data):
    """More members than bits, and a hub that is searched, not read."""
    edges = [(a, b) for a, b in edges if a != b] + [(leaf + 100, 5) for leaf in range(leaves)]
    edges += [(leaf + 100, leaf + 101) for leaf in range(leaves)]
    assume(edges)
    closed = kind != "two-mode"
    made = CommunityIndex.build(
        edges, tmp_path_factory.mktemp("marks") / "a", config=CommunityConfig(kind=kind)
    )
    sets, names = sets_of(edges, kind, closed), list(made.vertices)
    count = data.draw(st.integers(1, len(names)))
    members = np.sort(np.random.default_rng(count).permutation(len(names))[:count])
    vertices = np.arange(len(names))[::-1].copy()
    scratch = made.snapshot.expander._scratch
    sums, costly = similarity_sums(made.snapshot.neighborhoods, members, vertices, 10**6, scratch)
    wanted = [
        sum(jaccard(sets[names[v]], sets[names[m]]) for m in members.tolist()) for v in vertices
    ]
    assert sums == pytest.approx(wanted, abs=1e-12)
    assert not len(costly) and not scratch.scores.any()
    fits = data.draw(st.integers(0, 200))
    some, costly = similarity_sums(made.snapshot.neighborhoods, members, vertices, fits, scratch)
    sizes = np.array([len(sets[names[m]]) for m in members.tolist()])
    compared = np.setdiff1d(members, costly)
    assert sizes[np.isin(members, compared)].sum() <= fits
    if len(costly):  # the smallest fit, and the next one would not
        largest = sizes[np.isin(members, compared)].max(initial=0)
        assert sizes[np.isin(members, costly)].min() >= largest
    alone, _ = similarity_sums(made.snapshot.neighborhoods, compared, vertices, 10**6, scratch)
    assert np.array_equal(some, alone)


def reference(made, sets, seeds, k):
    """The formula over everything that the walk reaches: the score of each of `k` by stages."""
    names = made.vertices
    walk = made.rank(seeds, k, method="pagerank")
    others = ~np.isin(walk.vertices, seeds)
    vertices, p = walk.vertices[others], (walk.scores / walk.scores.max())[others]
    order = np.lexsort((vertices, -p))
    vertices, walked = vertices[order], p[order] ** fused.POWER

    def closeness(members):
        def total(v):
            own = sets[names[int(v)]]
            return sum(jaccard(own, sets[names[int(m)]]) for m in members)

        sums = np.array([total(v) for v in vertices])
        scale = max(sums[: fused.EXPANSION_SIZE].max(initial=0.0), *(total(m) for m in members))
        return np.minimum(sums / scale, 1.0)

    j = closeness(np.sort(seeds))

    def constant(count):
        share = max(np.mean(j[:count] > 0), 0.01)
        return fused.FLOOR + fused.GAP * (1 - share) / share

    c = constant(fused.EXPANSION_SIZE)
    first = np.lexsort((vertices, -walked * (j + c)))[: fused.EXPANSION_SIZE]
    wider = closeness(np.union1d(seeds, vertices[first]))
    mixed = (1 - fused.MIXTURE) * j + fused.MIXTURE * wider
    left, scores, taken, end = set(range(len(vertices))), [], 0, fused.FIRST_STAGE
    while taken < k and left:
        c = constant(end)
        found = {i: walked[i] * (mixed[i] + c) / (1 + c) for i in left}
        best = sorted(left, key=lambda i: (-found[i], vertices[i]))[: end - taken]
        scores += [found[i] for i in best]
        left -= set(best)
        taken, end = end, 2 * end
    return np.minimum.accumulate(scores)[:k]


GRAPH = planted(6, 15, 0.5, 0.03, random_state=5)[0]


@given(
    st.sampled_from([*KINDS, "sparse"]),
    st.integers(1, 5),
    st.integers(0, 2**20),
    st.integers(1, 60),
    st.sampled_from([(2, 2), (5, 3), (30, 10)]),
)
def test_who_is_left_out_could_be_no_member(tmp_path_factory, kind, count, random_state, k, sizes):
    generator = np.random.default_rng(random_state)
    kept = generator.random(len(GRAPH)) < (0.25 if kind == "sparse" else 0.9)
    edges = [edge for edge, keep in zip(GRAPH, kept.tolist(), strict=True) if keep]
    kind = "undirected" if kind == "sparse" else kind
    made = CommunityIndex.build(
        edges, tmp_path_factory.mktemp("fused") / "a", config=CommunityConfig(kind=kind)
    )
    seeds = generator.choice(len(made), min(count, len(made)), replace=False)
    assume(made.snapshot.neighborhoods.degrees(seeds).any())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "EXPANSION_SIZE", sizes[0])
        patch.setattr(fused, "FIRST_STAGE", sizes[1])
        found = made.rank(seeds, k)
        wanted = reference(made, sets_of(edges, kind, kind != "two-mode"), seeds, k)
    # Of equal scores another may come first: sums have other roundings. So scores are compared.
    assert found.scores[:k] == pytest.approx(wanted, rel=1e-9)
    assert len(set(found.vertices.tolist())) == len(found.vertices)


def test_sets_beyond_the_budget_are_compared_one_by_one(tmp_path, monkeypatch):
    made = CommunityIndex.build(GRAPH, tmp_path / "a")
    seeds = np.array([0, 30, 70])
    whole = made.rank(seeds, 40)
    assert not whole.notes
    monkeypatch.setattr(planner, "EXACT_WORK", 0)
    monkeypatch.setattr(planner, "PAIR_WORK", 10**7)
    one_by_one = made.rank(seeds, 40)
    assert not one_by_one.notes
    assert np.array_equal(one_by_one.vertices, whole.vertices)
    assert one_by_one.scores == pytest.approx(whole.scores)
    monkeypatch.setattr(planner, "PAIR_WORK", 500)
    cut = made.rank(seeds, 40)
    assert any("comparison budget" in note for note in cut.notes)
    monkeypatch.setattr(planner, "PAIR_WORK", 0)
    walk = made.rank(seeds, 40)
    assert not walk.components["jaccard"].any()  # nothing is compared: the walk alone decides
