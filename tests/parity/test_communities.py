"""Signatures against datasketch, similarity against brute force, the walk against networkx."""

from __future__ import annotations

import datasketch
import networkx as nx
import numpy as np
import pytest

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.communities.query import planner
from graphagg.communities.query.expansion import pagerank
from graphagg.communities.similarity.jaccard import jaccard_to_seeds
from graphagg.communities.similarity.neighborhoods import QueryScratch
from graphagg.minhash.bands import build_tables
from tests.unit.communities.graphs import KINDS, jaccard, planted, sets_of

pytestmark = pytest.mark.usefixtures("compiled")

CASES = [(kind, closed) for kind in KINDS for closed in (False, True)][:-1]


def random_edges(kind, random_state=0):
    generator = np.random.default_rng(random_state)
    edges = generator.integers(0, 60, (250, 2))
    return [tuple(edge) for edge in edges.tolist()]


def scratch_of(index):
    return QueryScratch.of(index.snapshot.neighborhoods)


def assert_signature(index, vertex, theirs):
    """The index has the low 16 bits of datasketch's values."""
    stored = index.snapshot.signature_tables.sig[index.find(vertex)]
    assert (stored == theirs.hashvalues.astype(np.uint32) & 0xFFFF).all(), vertex


@pytest.mark.parametrize(("kind", "closed"), CASES)
def test_signatures_equal_datasketch(tmp_path, kind, closed):
    edges = random_edges(kind)
    config = CommunityConfig(kind=kind, closed=closed)
    index = CommunityIndex.build(edges, tmp_path / "a", config=config)
    sets = sets_of(edges, kind, closed)
    assert list(index.vertices) == sorted(sets)
    for vertex, elements in sets.items():
        theirs = datasketch.MinHash(num_perm=128, hashfunc=int)
        theirs.update_batch(sorted(elements))
        assert_signature(index, vertex, theirs)


def test_text_signatures_equal_datasketch_default(tmp_path):
    index = CommunityIndex.build([("ann", "bob"), ("ann", "zoë")], tmp_path / "a")
    theirs = datasketch.MinHash(num_perm=128)
    theirs.update_batch([name.encode() for name in ("ann", "bob", "zoë")])
    assert_signature(index, "ann", theirs)


def test_large_ids_and_large_sets(tmp_path):
    edges = [(7, x) for x in range(10, 40_000)] + [(2**32 - 1, 7)]
    index = CommunityIndex.build(edges, tmp_path / "a")
    theirs = datasketch.MinHash(num_perm=128, hashfunc=int)
    theirs.update_batch([7, 2**32 - 1, *range(10, 40_000)])
    assert_signature(index, 7, theirs)


def take_candidates(patch, plan):
    """Let `minhash` find the candidates of a small graph as those of a large one are found."""
    patch.setattr(planner, "SCAN_BELOW", 10**9 if plan == "scan" else 0)
    patch.setattr(planner, "MINHASH_WORK", 10**9 if plan == "exact" else 0)


def test_empty_sets_are_alike_to_nothing(tmp_path, monkeypatch):
    graph = nx.path_graph(5)
    graph.add_nodes_from([10, 11])
    config = CommunityConfig(closed=False)
    index = CommunityIndex.build(graph, tmp_path / "a", config=config)
    empty = datasketch.MinHash(num_perm=128, hashfunc=int)
    assert_signature(index, 10, empty)
    for plan in ("scan", "lsh", "exact"):
        take_candidates(monkeypatch, plan)
        found = index.query([1, 10], 9, method="minhash")
        assert found.plan == plan
        assert 11 not in [member.id for member in found.members]


@pytest.mark.parametrize(("kind", "closed"), CASES)
def test_jaccard_equals_brute_force(tmp_path, monkeypatch, kind, closed):
    edges = random_edges(kind, 1)
    index = CommunityIndex.build(
        edges, tmp_path / "a", config=CommunityConfig(kind=kind, closed=closed)
    )
    sets = sets_of(edges, kind, closed)
    seeds = [name for name in sorted(sets) if sets[name]][:4]
    wanted = {
        name: np.mean([jaccard(sets[seed], part) for seed in seeds]) for name, part in sets.items()
    }
    dense = np.array([index.find(seed) for seed in seeds])
    vertices, scores = jaccard_to_seeds(
        index.snapshot.neighborhoods, dense, 0.25, scratch_of(index)
    )
    found = {index.vertices[int(v)]: s for v, s in zip(vertices, scores, strict=True)}
    assert found.keys() == {name for name, value in wanted.items() if value > 0}
    for name, score in found.items():
        assert score == pytest.approx(wanted[name], abs=1e-12)
    for work in (planner.EXACT_WORK, 0):
        monkeypatch.setattr(planner, "EXACT_WORK", work)
        members = index.query(seeds, 100, method="jaccard").members
        best = [member.score for member in members]
        assert best == sorted(best, reverse=True)
        for member in members:
            assert member.score == pytest.approx(wanted[member.id], abs=1e-12)


@pytest.mark.parametrize(("kind", "closed"), CASES)
def test_reasons_equal_brute_force(tmp_path, kind, closed):
    edges = random_edges(kind, 2)
    index = CommunityIndex.build(
        edges, tmp_path / "a", config=CommunityConfig(kind=kind, closed=closed)
    )
    sets = sets_of(edges, kind, closed)
    seeds = [name for name in sorted(sets) if sets[name]][:3]
    members = index.query(seeds, 20, method="jaccard").members
    assert members
    for member in members:
        counts = {reason.seed: reason.count for reason in member.reason if reason.count}
        assert counts == {
            seed: len(sets[seed] & sets[member.id])
            for seed in seeds
            if sets[seed] & sets[member.id]
        }
        for reason in member.reason:
            assert set(reason.examples) <= sets[reason.seed] & sets[member.id]
            own = kind != "two-mode" and reason.seed in sets[member.id]
            assert reason.adjacent == own


def test_agglomerative_equals_brute_force(tmp_path):
    edges, _ = planted(3, 12, random_state=4)
    index = CommunityIndex.build(edges, tmp_path / "a")
    sets = sets_of(edges, "undirected", True)
    inside, grown = [0, 5], []
    for _ in range(8):
        means = {
            name: np.mean([jaccard(sets[name], sets[member]) for member in inside])
            for name in sets
            if name not in inside
        }
        best = max(means, key=lambda name: (round(means[name], 12), -name))
        inside.append(best)
        grown.append((best, means[best]))
    members = index.query([0, 5], 8, method="agglomerative").members
    assert [member.id for member in members] == [name for name, _ in grown]
    assert [m.score for m in members] == pytest.approx([mean for _, mean in grown])


@pytest.mark.parametrize("kind", KINDS)
def test_pagerank_equals_networkx(tmp_path, kind):
    edges = random_edges(kind, 3)
    index = CommunityIndex.build(edges, tmp_path / "a", config=CommunityConfig(kind=kind))
    graph = nx.MultiGraph()  # a walk goes both ways along each edge
    if kind == "two-mode":
        graph.add_edges_from((("set", b), ("element", a)) for a, b in set(edges))
        names = {vertex: ("set", vertex) for vertex in index.vertices}
    else:
        kept = {(a, b) for a, b in edges if a != b}
        if kind == "undirected":
            kept = {(min(edge), max(edge)) for edge in kept}
        graph.add_edges_from(kept)
        names = {vertex: vertex for vertex in index.vertices}
    seeds = list(index.vertices)[:3]
    dense = np.array([index.find(seed) for seed in seeds])
    vertices, mass, degrees = pagerank(
        index.snapshot.neighborhoods, dense, 0.15, 1e-12, 10**9, scratch_of(index)
    )
    exact = nx.pagerank(
        graph,
        alpha=0.85,
        personalization={names[seed]: 1.0 for seed in seeds},
        tol=1e-14,
        max_iter=1000,
    )
    for v, value, degree in zip(vertices, mass, degrees, strict=True):
        name = names[index.vertices[int(v)]]
        assert value == pytest.approx(exact[name], abs=1e-8)
        assert degree == graph.degree(name)
    assert len(vertices) == sum(exact[names[v]] > 1e-9 for v in index.vertices)


def test_band_tables_equal_brute_force():
    generator = np.random.default_rng(0)
    for n, rows, spread in ((700, 2, 9), (300, 3, 4), (200, 1, 50), (40, 5, 2), (1, 2, 2)):
        sig = generator.integers(0, spread, (n, 12)).astype(np.uint16)
        bands = 12 // rows
        filled = generator.random(n) < 0.9
        tables, counts = build_tables(sig, filled, range(bands), rows, 5)
        for band in range(bands):  # a band alone is the same table
            alone, _ = build_tables(sig, filled, range(band, band + 1), rows, 5)
            assert (alone.directory == tables.directory[band : band + 1]).all()
            low, high = tables.starts[band : band + 2]
            assert (alone.ids == tables.ids[low:high]).all()
        groups = [
            np.flatnonzero(filled & (sig[:, b * rows : (b + 1) * rows] == key).all(axis=1))
            for b in range(bands)
            for key in np.unique(sig[:, b * rows : (b + 1) * rows], axis=0)
        ]
        shared = [group for group in groups if len(group) > 1]
        assert counts.entries == sum(len(group) for group in shared)
        assert counts.largest == max((len(group) for group in shared), default=0)
        assert counts.over_cap == sum(len(group) > 5 for group in shared)
        for v in np.flatnonzero(filled)[:20]:
            wanted = {int(u) for group in shared if v in group for u in group}
            found, cut = tables.candidates(sig, np.array([v]), n, n * bands)
            assert set(found.tolist()) == wanted
            assert cut == 0
            capped, cut = tables.candidates(sig, np.array([v]), 2, n * bands)
            assert set(capped.tolist()) == {
                int(u) for group in shared if v in group for u in group[:2]
            }
            assert cut == sum(len(group) > 2 for group in shared if v in group)


def test_minhash_plans_agree_on_what_they_score(tmp_path, monkeypatch):
    edges, _ = planted(6, 20)
    index = CommunityIndex.build(edges, tmp_path / "a")
    sig = index.snapshot.signature_tables.sig
    scan = index.query([0, 3], 200, method="minhash")
    scores = {member.id: member.score for member in scan.members}
    for vertex, score in scores.items():
        assert score == pytest.approx(
            np.mean([(sig[vertex] == sig[seed]).mean() for seed in (0, 3)])
        )
    for plan in ("lsh", "exact"):
        take_candidates(monkeypatch, plan)
        found = index.query([0, 3], 200, method="minhash")
        assert found.plan == plan
        assert found.members
        for member in found.members:
            assert member.score == scores[member.id]


def test_budgets_bound_recall_from_below(tmp_path, monkeypatch):
    """A larger budget never finds less of the exact ranking."""
    edges, _ = planted(6, 20)
    index = CommunityIndex.build(edges, tmp_path / "a")
    exact = {m.id for m in index.query([0, 3], 15, method="jaccard").members}
    shares = []
    for work in (0, 2_000, 10**6):
        monkeypatch.setattr(planner, "EXACT_WORK", work)
        monkeypatch.setattr(planner, "PAIR_WORK", work)
        found = index.query([0, 3], 15, method="jaccard")
        shares.append(len(exact & {m.id for m in found.members}))
    assert shares == sorted(shares)
    assert shares[-1] == 15
