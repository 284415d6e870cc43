"""Edges added as a segment: queries answer as a build of all edges, whose bytes it gets then."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphagg.communities import CommunityIndex, IndexConfig, QueryConfig, large
from graphagg.communities.config import METHODS, PLANS
from graphagg.communities.segment import adding, grown, sketches
from graphagg.communities.segment.sketches import SegmentSketches
from graphagg.communities.vertices import Vertices
from graphagg.errors import ArtifactBusy, InvalidGraph, WriteFailed
from graphagg.graph.added import GrownRows
from graphagg.store import ranges, work
from tests.unit.communities.graphs import KINDS, files, planted

some = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
drawn = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=90)
# Tight budgets turn seeds to the tables, and buckets are cut.
BUDGETS = (
    QueryConfig(),
    QueryConfig(scan_below=0, exact_work=0, minhash_work=0, bucket_cap=2),
    QueryConfig(scan_below=0, exact_work=60, minhash_work=60, bucket_cap=5, candidates=4),
)


@pytest.fixture
def segments(monkeypatch):
    """Small indices take segments, range by range, and are not compacted by themselves."""
    monkeypatch.setattr(adding, "SEGMENT", 0)
    monkeypatch.setattr("graphagg.communities.index.SHARE", 2)
    monkeypatch.setattr(grown, "_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(sketches, "_ROWS_AT_ONCE", 5)


def config(kind, rows=1):
    # Few slots in a band, and 16 bits of them: buckets are shared, and sets move between them.
    return IndexConfig(kind=kind, permutations=12, bands=12 // rows, rows=rows, partitions=3)


def same_answers(first, second, generator):
    """Both rank alike, bit for bit, by all methods and plans."""
    assert list(first.vertices) == list(second.vertices)
    filled = np.flatnonzero(second.opened.hoods.degrees(np.arange(len(second))))
    asked = list(itertools.product(METHODS, PLANS, BUDGETS))
    for choice in generator.choice(len(asked), 14, replace=False):
        method, plan, budget = asked[choice]
        count = min(int(generator.integers(1, 4)), len(filled))
        seeds = generator.choice(filled, count, replace=False)
        rankings = [
            index.rank(seeds, 12, method=method, plan=plan, config=budget)
            for index in (first, second)
        ]
        assert rankings[0].plan == rankings[1].plan
        assert rankings[0].notes == rankings[1].notes
        assert np.array_equal(rankings[0].vertices, rankings[1].vertices), (method, plan)
        assert np.array_equal(rankings[0].scores, rankings[1].scores), (method, plan)


def same_candidates(first, second):
    """Each vertex alone meets the same others in the tables, whose buckets are cut or not."""
    for vertex, cap in itertools.product(range(len(second)), (1, 3, 64)):
        found = [
            index.opened.sketches.candidates(np.array([vertex]), cap, 1000)
            for index in (first, second)
        ]
        assert np.array_equal(found[0][0], found[1][0]), (vertex, cap)
        assert found[0][1] == found[1][1]


def same_rows(first, second):
    """Both read the same rows, and explain their answers by them."""
    assert first.graph().digest() == second.graph().digest()
    for name in ("sets", "holders"):
        rows, wanted = getattr(first.opened.hoods, name), getattr(second.opened.hoods, name)
        assert np.array_equal(rows.indptr, wanted.indptr)
        for i in range(wanted.rows):
            assert np.array_equal(rows.row(i), wanted.row(i))
    vertices = [Vertices(index.opened) for index in (first, second)]
    counts = [None, 4] if first.config.kind != "two-mode" else [4]
    filled = np.flatnonzero(second.opened.hoods.degrees(np.arange(len(second))))
    for vertex in (second.vertices[int(number)] for number in filled[::7]):
        assert vertices[0].neighbors(vertex, 3) == vertices[1].neighbors(vertex, 3)
        values = [index.signature_values(vertex).tolist() for index in (first, second)]
        assert values[0] == values[1]
        for k in counts:
            answers = [index.query([vertex], k) for index in (first, second)]
            assert answers[0].to_json() == answers[1].to_json()
            drawn = [sorted(map(str, answer.to_networkx().edges)) for answer in answers]
            assert drawn[0] == drawn[1]


@some
@given(
    edges=drawn.filter(lambda found: any(a != b for a, b in found)),
    added=st.lists(drawn, min_size=1, max_size=3),
    kind=st.sampled_from(KINDS),
    names=st.sampled_from(["known", "known", "any", "new", "text"]),
    rows=st.integers(1, 3),
    alone=st.booleans(),
)
def test_a_segment_answers_as_a_build_and_is_one_once_compacted(
    tmp_path_factory, segments, edges, added, kind, names, rows, alone
):
    root = tmp_path_factory.mktemp("segment")
    if names == "new":  # numbers of all that follow are others
        added = [[(2 * a - 30, b) for a, b in more if 2 * a >= 30] or [(3, 4)] for more in added]
    if names == "known":  # but for the last: what was added lies beside the rows until then
        first, second = ([edge[side] for edge in edges] for side in (0, 1))
        if kind != "two-mode":
            first = second = [*first, *second]
        added[:-1] = [
            [(first[a % len(first)], second[b % len(second)]) for a, b in more]
            for more in [*added[:-1], added[-1]]
        ]
    if names == "text":
        edges = [(f"v{a}", f"v{b}") for a, b in edges]
        added = [[(f"v{a}", f"v{b}") for a, b in more] for more in added]
    more_alone = (["zz"] if names == "text" else [999]) if alone else []
    index = CommunityIndex.build(edges, root / "a", config=config(kind, rows))
    whole, generator = list(edges), np.random.default_rng(len(edges))
    for more in added:
        before = index.manifest.counts
        whole += more
        report = index.add_edges(more, vertices=more_alone)
        built = CommunityIndex.build(
            whole, root / "b", config=config(kind, rows), vertices=more_alone
        )
        assert isinstance(index.opened.sketches, SegmentSketches)
        counts = {name: built.manifest.counts[name] for name in before if "lsh" not in name}
        assert {name: index.manifest.counts[name] for name in counts} == counts
        assert report.edges == counts["edges"] == before["edges"] + report.edges_added
        assert report.vertices == len(built) == before["vertices"] + report.vertices_added
        rows_now = np.arange(len(built))
        assert np.array_equal(index.opened.sketches.of(rows_now), built.opened.sketches.sig)
        same_rows(index, built)
        same_candidates(index, built)
        same_answers(index, built, generator)
    index.compact()
    assert files(index) == files(built)
    assert index.pending == 0 and not (root / "a.work").exists()
    same_answers(index, built, generator)
    same_rows(index, built)


EDGES, _ = planted(3, 20, 0.4, 0.05, random_state=1)
MORE = [(0, 200), (200, 201), *sorted({(5, 17), (5, 44), (5, 45)} - set(EDGES))]
TOUCHED = {vertex for edge in MORE for vertex in edge}
KNOWN = [(5, 17), (5, 44), (5, 45), *sorted({(0, 59), (1, 59), (58, 3)} - set(EDGES))]
"""Between vertices that are there, some of them there already."""


def test_a_segment_is_small_and_takes_its_sketches_as_they_are(tmp_path, segments):
    index = CommunityIndex.build(EDGES, tmp_path / "a")
    kept = {name: index._version.artifact.path(name).stat().st_ino for name in _sketches(index)}
    report = index.add_edges(MORE)
    assert report.signatures_recomputed == index.pending == len(TOUCHED)
    assert {name: index._version.artifact.path(name).stat().st_ino for name in kept} == kept
    vertices_before = index._version.artifact.path("vertices.npy").stat().st_ino
    assert (1, 59) not in EDGES
    # No new vertex: ids and rows are the same files, and the edge lies beside them.
    rows_before = index._version.artifact.path("sets.indices.npy").stat().st_ino
    index.add_edges([(1, 59)])
    assert index._version.artifact.path("vertices.npy").stat().st_ino == vertices_before
    assert index._version.artifact.path("sets.indices.npy").stat().st_ino == rows_before
    assert index._version.artifact.array("sets.added.columns").tolist() == [59, 1]
    index.add_edges([(1, 59)])  # nothing is new
    assert index._version.artifact.array("sets.added.columns").tolist() == [59, 1]
    assert CommunityIndex.open(tmp_path / "a", verify=True).pending == len(TOUCHED | {1, 59})


def _sketches(index):
    return [name for name in index.manifest.files if name.startswith(("signatures", "lsh"))]


def test_changes_and_merges_go_on_from_a_segment(tmp_path, segments):
    index = CommunityIndex.build(EDGES, tmp_path / "a")
    index.add_edges(MORE)
    other = CommunityIndex.build([(7, 300)], tmp_path / "other")
    merged = CommunityIndex.merge([index.directory, other.directory], tmp_path / "merged")
    whole = CommunityIndex.build([*EDGES, *MORE, (7, 300)], tmp_path / "whole")
    assert files(merged) == files(whole)
    assert index.signature_values(5).tolist() == whole.signature_values(5).tolist()
    index.remove_edges([(5, 17), (0, 200)])
    left = [edge for edge in [*EDGES, *MORE] if edge not in ((5, 17), (0, 200))]
    assert files(index) == files(CommunityIndex.build(left, tmp_path / "left"))
    assert index.pending == 0


def test_a_quarter_of_the_vertices_is_compacted_at_once(tmp_path, monkeypatch, segments):
    monkeypatch.setattr("graphagg.communities.index.SHARE", adding.SHARE)
    index = CommunityIndex.build(EDGES, tmp_path / "a")
    index.add_edges([(0, 1), (0, 58)])
    assert index.pending > 0
    index.add_edges([(vertex, vertex + 30) for vertex in range(30)])
    assert index.pending == 0
    whole = [*EDGES, (0, 1), (0, 58), *((vertex, vertex + 30) for vertex in range(30))]
    assert files(index) == files(CommunityIndex.build(whole, tmp_path / "b"))


def test_a_small_index_takes_no_segment(tmp_path):
    index = CommunityIndex.build(EDGES, tmp_path / "a")
    index.add_edges(MORE)
    assert index.pending == 0
    before = index.manifest
    index.compact()  # nothing to do
    assert index.manifest == before


def test_bad_additions_change_nothing(tmp_path, segments, monkeypatch):
    index = CommunityIndex.build(EDGES, tmp_path / "a")
    index.add_edges(MORE)
    before = files(index)
    with pytest.raises(InvalidGraph, match="integers"):
        index.add_edges([("ann", "bob")])
    free = shutil.disk_usage(tmp_path)._replace(free=10)
    with monkeypatch.context() as patch:
        patch.setattr(ranges.shutil, "disk_usage", lambda folder: free)
        with pytest.raises(WriteFailed, match=r"256 \+ 256 \+ 4 bytes for each of 62 vertices"):
            index.compact()
    with CommunityIndex.build(EDGES, tmp_path / "b") as other:
        CommunityIndex.build(EDGES, tmp_path / "b", config=config("undirected"), force=True)
        with pytest.raises(ArtifactBusy, match="other parameters"):
            other.add_edges(MORE)
    assert files(index) == before


@pytest.mark.parametrize("more", [MORE, KNOWN])
def test_a_compaction_that_was_killed_goes_on(tmp_path, monkeypatch, segments, more):
    """At each of its notes, before and after."""
    monkeypatch.setattr(large, "_SPANS", 2)
    monkeypatch.setattr(large, "BANDS_AT_ONCE", 40)
    index = CommunityIndex.build(EDGES, tmp_path / "a")
    index.add_edges(more)
    touched = index.pending
    assert isinstance(index.opened.hoods.sets, GrownRows) == (more is KNOWN)
    segment = shutil.copytree(tmp_path / "a", tmp_path / "kept")
    wanted = files(CommunityIndex.build([*EDGES, *more], tmp_path / "b"))
    write_json = work.write_json

    class Killed(BaseException):
        pass

    def ends_at(number, after):
        left = [number]

        def note(path, value):
            left[0] -= 1
            if left[0] == 0 and not after:
                raise Killed
            write_json(path, value)
            if left[0] == 0:
                raise Killed

        return note

    for number in itertools.count(1):
        for after in (False, True):
            shutil.rmtree(tmp_path / "a", ignore_errors=True)
            shutil.rmtree(tmp_path / "a.work", ignore_errors=True)
            shutil.copytree(segment, tmp_path / "a")
            with CommunityIndex.open(tmp_path / "a") as opened, monkeypatch.context() as patch:
                patch.setattr(work, "write_json", ends_at(number, after))
                try:
                    opened.compact()
                    done = True
                except Killed:
                    done = False
            if not done:
                with CommunityIndex.open(tmp_path / "a") as opened:
                    assert opened.pending == touched > 0
                    opened.compact()
            with CommunityIndex.open(tmp_path / "a") as opened:
                assert files(opened) == wanted
        if done:
            break
    assert number > 4
