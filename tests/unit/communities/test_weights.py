"""Weights in an index: similarity, signatures, walks, changes and engines against brute force."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.communities.similarity.jaccard import pair_similarities
from graphagg.communities.similarity.jaccard_sums import similarity_sums
from graphagg.communities.similarity.neighborhoods import QueryScratch, jaccard
from graphagg.errors import InvalidGraph, InvalidParameter
from graphagg.graph.csr import Csr
from graphagg.graph.reading.settings import WeightedReading
from graphagg.minhash import weighted
from graphagg.minhash.signatures import EMPTY, Hashes, HashFamily, mix
from graphagg.minhash.weighted import Draws, weighted_minima
from tests.unit.communities.graphs import KINDS, files, triples

pytestmark = pytest.mark.usefixtures("compiled")

kinds = st.sampled_from(KINDS)
weights = st.one_of(
    st.integers(1, 5).map(float), st.floats(1e-3, 1e4), st.sampled_from([1e-30, 0.1, 1 / 3, 1e30])
)
some = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))

CALLS = WeightedReading(weight="calls")


def small(kind="undirected", **options):
    options = {"permutations": 16, "bands": 6, "rows": 2} | options
    return CommunityConfig(kind=kind, weights=True, **options)


def weighted_sets(edges, kind, closed):
    """The weighted set of each vertex by brute force, weights rounded to 32 bits and added up."""
    sets: dict[int, dict[int, float]] = {}

    def add(row, column, weight):
        sets.setdefault(row, {})
        sets[row][column] = sets[row].get(column, 0.0) + weight

    for a, b, weight in edges:
        weight = float(np.float32(weight))
        if kind == "two-mode":
            add(b, a, weight)
            continue
        sets.setdefault(a, {}), sets.setdefault(b, {})
        if a != b and kind != "directed-in":
            add(a, b, weight)
        if a != b and kind != "directed-out":
            add(b, a, weight)
    if closed:
        for vertex, held in sets.items():
            held[vertex] = max(held.values(), default=1.0)
    return sets


def weighted_jaccard(a, b):
    least = sum(min(a[x], b[x]) for x in a.keys() & b.keys())
    most = sum(a.values()) + sum(b.values()) - least
    return least / most if most else 0.0


@some
@given(edges=triples, kind=kinds, closed=st.booleans(), data=st.data())
def test_similarities_are_those_of_brute_force(tmp_path_factory, edges, kind, closed, data):
    closed = closed and kind != "two-mode"
    root = tmp_path_factory.mktemp("exact")
    index = CommunityIndex.build(edges, root / "a", config=small(kind, closed=closed))
    sets = weighted_sets(edges, kind, closed)
    vertices = list(index.vertices)
    assert vertices == sorted(sets)
    seeds = sorted(data.draw(st.sets(st.sampled_from(vertices), min_size=1, max_size=3)))
    wanted = np.array([sum(weighted_jaccard(sets[v], sets[s]) for s in seeds) for v in vertices])
    dense = np.array([index.find(seed) for seed in seeds])
    neighborhoods, scratch = (
        index.snapshot.neighborhoods,
        QueryScratch.of(index.snapshot.neighborhoods),
    )
    pairs = np.zeros(len(vertices))
    pair_similarities(neighborhoods.bundle, dense, np.arange(len(vertices)), 1 << 40, pairs)
    np.testing.assert_allclose(pairs, wanted, rtol=1e-12)
    sums, _ = similarity_sums(neighborhoods, dense, np.arange(len(vertices)), 1 << 40, scratch)
    np.testing.assert_allclose(sums, wanted, rtol=1e-12)
    if any(sets[seed].keys() - {seed} for seed in seeds):
        found = {m.id: m.score for m in index.query(seeds, 99, method="jaccard").members}
        alike = {v: w / len(seeds) for v, w in zip(vertices, wanted, strict=True) if w > 0}
        assert found == pytest.approx({v: w for v, w in alike.items() if v not in seeds})


@pytest.mark.parametrize("size", [1, 3, 20, 300])
@pytest.mark.parametrize("spread", [0.0, 0.5, 2.0])
def test_estimates_err_as_theory_says(tmp_path, size, spread):
    """200 pairs of sets: no bias beyond 4 standard errors, no more variance than 1.3 times."""
    generator, edges, pairs, slots = np.random.default_rng(size), [], 200, 256
    for pair in range(pairs):
        first = np.exp(generator.normal(0, 1, size))
        second = first * np.exp(generator.normal(0, spread, size))
        shared = generator.random(size) < 0.8
        for side, held in enumerate((first, second)):
            names = 2 * size * pair + np.arange(size) + size * (side * ~shared)
            edges += zip(names.tolist(), [2 * pair + side] * size, held.tolist(), strict=True)
    config = CommunityConfig("two-mode", weights=True, permutations=slots, bands=32)
    index = CommunityIndex.build(edges, tmp_path / "x", config=config)
    sets = weighted_sets(edges, "two-mode", False)
    estimates = (
        index.snapshot.signature_tables.sig[::2] == index.snapshot.signature_tables.sig[1::2]
    ).mean(axis=1)
    exact = np.array([weighted_jaccard(sets[2 * i], sets[2 * i + 1]) for i in range(pairs)])
    variance = exact * (1 - exact) / slots
    errors = estimates - exact
    assert abs(errors.sum()) <= 4 * np.sqrt(variance.sum()) + 1e-3
    assert (errors**2).sum() <= 1.3 * variance.sum() + 1e-3


@some
@given(
    sets=st.lists(st.dictionaries(st.integers(0, 9), weights, max_size=9), min_size=1, max_size=5),
    closed=st.booleans(),
)
def test_a_slot_is_the_least_value_of_its_elements(sets, closed):
    """Each bit, of empty sets too, as numpy computes the formula element by element."""
    entries = [(row, x, held[x]) for row, held in enumerate(sets) for x in sorted(held)]
    rows, columns, held = np.array(entries).reshape(-1, 3).T
    matrix = Csr.from_pairs(rows.astype(int), columns.astype(int), held, (len(sets), 10))
    hashes = Hashes.of(mix(np.arange(10)), closed, HashFamily(33, 7))
    draws, set_weights = Draws.of(33, 7), np.linspace(0.1, 9, len(sets)).reshape(-1, 1)
    bits = weighted_minima(matrix, set_weights, hashes, draws, np.arange(len(sets)))
    low = weighted_minima(matrix, set_weights, hashes, draws, np.arange(len(sets)), np.uint16)
    assert low.tolist() == bits.astype(np.uint16).tolist()
    for row, of_row in enumerate(sets):
        elements = [*of_row.items()] + [(row, set_weights[row, 0])] * closed
        values = [icws(hashes.elements[x], weight, draws) for x, weight in elements]
        least = np.min(values, axis=0).view(np.uint32) if values else np.full(33, EMPTY)
        assert bits[row].tolist() == least.tolist()


def icws(hash_, weight, draws):
    """The value of an element in each of 33 slots."""
    level, again = weighted._log(weight), mix([hash_])[0]
    assert level == pytest.approx(math.log(weight), abs=1e-8)
    rate, cost, shift = int(hash_) % (1 << 14), int(hash_) >> 20, int(again) >> 22
    rates, inverse = draws.rates[rate : rate + 33], draws.inverse[rate : rate + 33]
    shifts = draws.shifts[shift : shift + 33]
    steps = np.ceil(np.float32(level) * inverse + shifts) - shifts
    return draws.costs[cost : cost + 33] - rates * steps


def test_equal_weights_are_no_weights(tmp_path):
    graph = nx.karate_club_graph()
    edges = [(a, b, 0.3) for a, b in graph.edges]
    plain = CommunityIndex.build([e[:2] for e in edges], tmp_path / "plain")
    index = CommunityIndex.build(edges, tmp_path / "w", config=CommunityConfig(weights=True))
    for method in ("jaccard", "pagerank", "agglomerative", "fused"):
        without = plain.query([0, 5], 20, method=method)
        with_weights = index.query([0, 5], 20, method=method)
        found = {member.id: member.score for member in with_weights.members}
        scale = float(np.float32(0.3)) if method == "pagerank" else 1.0
        wanted = {member.id: member.score / scale for member in without.members}
        assert found == pytest.approx(wanted, rel=1e-4)
    assert plain.query([0], None).conductance == pytest.approx(index.query([0], None).conductance)
    assert "weights" not in plain.manifest.parameters


def test_the_walk_is_that_of_weighted_pagerank(tmp_path):
    graph = nx.les_miserables_graph()
    index = CommunityIndex.build(graph, tmp_path / "x", config=CommunityConfig(weights=True))
    ranking = index.rank(index.find_seeds(["Valjean"]), 99, method="pagerank")
    alpha = 0.05
    exact = nx.pagerank(
        graph, 1 - alpha, {"Valjean": 1.0}, weight="weight", tol=1e-12, max_iter=999
    )
    for vertex, score in zip(ranking.vertices.tolist(), ranking.scores.tolist(), strict=True):
        name = index.vertices[vertex]
        wanted = exact[name] / graph.degree(name, weight="weight")
        assert score == pytest.approx(wanted, abs=2e-4)


def test_reasons_say_the_weight(tmp_path):
    edges = [("ann", "bob", 2.0), ("ann", "cat", 5.0), ("bob", "cat", 3.0), ("cat", "dan", 1.0)]
    index = CommunityIndex.build(edges, tmp_path / "x", config=CommunityConfig(weights=True))
    reasons = {m.id: m for m in index.query(["ann"], 3, method="jaccard").members}
    # ann: ann 5, bob 2, cat 5. bob: ann 2, bob 3, cat 3; the smaller ones are 2, 2 and 3.
    assert reasons["bob"].explain() == "3 shared of weight 7 with ann (adjacent by 2)"
    assert reasons["bob"].to_json()["reason"][0]["shared_weight"] == 7.0
    assert reasons["dan"].explain() == "1 shared of weight 1 with ann"
    graph = index.query(["ann"], 3, method="jaccard").to_networkx()
    assert graph["ann"]["cat"]["weight"] == 5.0


def test_weights_that_are_missing_or_not_kept_are_refused_by_name(tmp_path):
    config = CommunityConfig(weights=True)
    with pytest.raises(InvalidGraph, match="without weights"):
        CommunityIndex.build([(1, 2)], tmp_path / "x", config=config)
    with pytest.raises(InvalidGraph, match="without weights"):
        CommunityIndex.build([(1, 2, 1.0), (2, 3)], tmp_path / "x", config=config)
    with pytest.raises(InvalidParameter, match="weights are not used"):
        CommunityIndex.build([(1, 2, 1.0)], tmp_path / "x", columns=CALLS)
    plain = CommunityIndex.build([(1, 2)], tmp_path / "plain")
    with pytest.raises(InvalidParameter, match="weights are not used"):
        plain.add([(1, 3, 2.0)], columns=CALLS)
    index = CommunityIndex.build([(1, 2, 1.0)], tmp_path / "w", config=config)
    before = files(index)
    with pytest.raises(InvalidGraph, match="without weights"):
        index.add([(1, 3)])
    with pytest.raises(InvalidGraph, match=r"2\^29"):
        index.add([(1, 2, 1e-20)])
    assert files(CommunityIndex.open(tmp_path / "w")) == before
    with pytest.raises(InvalidParameter, match="parameters"):
        CommunityIndex.merge([tmp_path / "plain", tmp_path / "w"], tmp_path / "m")


@pytest.mark.parametrize("kind", ["undirected", "two-mode"])
def test_edges_whose_ids_are_of_another_type_leave_the_index_as_it_was(tmp_path, kind):
    config = small(kind)
    of_words = CommunityIndex.build([("a", "b", 1.0)], tmp_path / "words", config=config)
    index = CommunityIndex.build([(1, 2, 1.0)], tmp_path / "x", config=config)
    before = files(index)
    with pytest.raises(InvalidGraph, match="vertex ids are integers here"):
        index.add([("a", "b", 1.0)])
    with pytest.raises(InvalidGraph, match="strings"):
        of_words.add([(1, 2, 1.0)])
    with pytest.raises(InvalidGraph, match="ids are integers here"):
        CommunityIndex.merge([tmp_path / "x", tmp_path / "words"], tmp_path / "m")
    assert files(CommunityIndex.open(tmp_path / "x")) == before
    assert not (tmp_path / "m").exists()


def test_bad_rows_are_left_out_where_asked(tmp_path):
    table = tmp_path / "edges.csv"
    table.write_text("source,target,calls\n1,2,2\n2,3,0\n3,4,-1\n4,1,3\n")
    columns = WeightedReading(weight="calls", skip_bad_rows=True)
    index = CommunityIndex.build(table, tmp_path / "x", weights=True, columns=columns)
    assert index.read_report.bad_rows == 2
    assert index.manifest.counts["edges"] == 2


def test_an_element_that_a_damaged_set_holds_twice_divides_by_no_zero():
    assert jaccard(1.0, 2.0, 3.0) == 0.25
    assert jaccard(2.0, 1.0, 1.0) == 1.0  # the union would be 0
