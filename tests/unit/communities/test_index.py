"""Changes, order of the input and engine of the build leave the same bytes."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphagg.communities import CommunityConfig, CommunityIndex, snapshot
from graphagg.communities.indexing import changes, engine
from graphagg.errors import (
    ArtifactBusy,
    ArtifactError,
    EmptyGraph,
    InvalidGraph,
    InvalidParameter,
    UnknownVertex,
)
from graphagg.graph import merging
from graphagg.graph.reading.settings import WeightedReading
from graphagg.store import write_artifact
from tests.unit.communities.graphs import KINDS, files, planted, real_pairs

pytestmark = pytest.mark.usefixtures("compiled")

kinds = st.sampled_from(KINDS)
some = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(params=["in memory", "over files"])
def changed(request, monkeypatch):
    """Changes in memory, and over files range by range."""
    if request.param == "over files":
        monkeypatch.setattr(changes, "LARGE", 0)
        monkeypatch.setattr(merging, "_ROWS_AT_ONCE", 7)
        monkeypatch.setattr(engine, "ROWS_PER_TASK", 5)


def small(kind="undirected", **options):
    return CommunityConfig(kind=kind, permutations=16, bands=6, rows=2, **options)


@some
@given(edges=real_pairs, kind=kinds, random=st.randoms())
def test_order_and_repeats_of_edges_change_nothing(tmp_path_factory, edges, kind, random):
    root = tmp_path_factory.mktemp("order")
    shuffled = edges * 2
    random.shuffle(shuffled)
    first = CommunityIndex.build(edges, root / "a", config=small(kind))
    second = CommunityIndex.build(shuffled, root / "b", config=small(kind))
    assert files(first) == files(second)


@some
@given(edges=real_pairs, more=real_pairs, kind=kinds, random=st.randoms())
def test_add_equals_rebuild(tmp_path_factory, changed, edges, more, kind, random):
    root = tmp_path_factory.mktemp("add")
    grown = CommunityIndex.build(edges, root / "a", config=small(kind))
    report = grown.add(more)
    every = random.sample(edges + more, len(edges + more))
    whole = CommunityIndex.build(every, root / "b", config=small(kind))
    assert files(grown) == files(whole)
    assert report.details["signatures_recomputed"] <= len(grown)


@some
@given(edges=real_pairs, gone=real_pairs, kind=kinds)
def test_remove_edges_equals_rebuild(tmp_path_factory, changed, edges, gone, kind):
    root, config = tmp_path_factory.mktemp("remove"), small(kind)
    index = CommunityIndex.build(edges, root / "a", config=config)
    vertices = list(index.vertices)
    undirected = kind == "undirected"

    def key(edge):
        return tuple(sorted(edge)) if undirected else edge

    dropped = {key(edge) for edge in gone}
    left = [edge for edge in edges if key(edge) not in dropped]
    report = index.delete(gone)
    loops = kind != "two-mode"
    present = {key(e) for e in edges if not (loops and e[0] == e[1])}
    asked = {key(e) for e in gone if not (loops and e[0] == e[1])}
    assert report.removed == len(present & asked)
    assert report.details["not_found"] == len(asked - present)
    if index.manifest.counts["edges"]:
        whole = CommunityIndex.build(left, root / "b", config=config, vertices=vertices)
        assert files(index) == files(whole)


@some
@given(edges=real_pairs, kind=kinds, data=st.data())
def test_remove_vertices_equals_rebuild(tmp_path_factory, changed, edges, kind, data):
    root, config = tmp_path_factory.mktemp("vertices"), small(kind)
    index = CommunityIndex.build(edges, root / "a", config=config)
    vertices = list(index.vertices)
    gone = set(data.draw(st.lists(st.sampled_from(vertices), max_size=4)))
    ends = slice(1, 2) if kind == "two-mode" else slice(0, 2)
    left = [edge for edge in edges if not {*edge[ends]} & gone]
    report = index.delete_vertices(sorted(gone))
    assert report.details["vertices_removed"] == len(gone)
    if index.manifest.counts["edges"]:
        stay = [vertex for vertex in vertices if vertex not in gone]
        whole = CommunityIndex.build(left, root / "b", config=config, vertices=stay)
        assert files(index) == files(whole)


@pytest.mark.parametrize("kind", ["undirected", "two-mode"])
def test_edges_whose_ids_are_of_another_type_leave_the_index_as_it_was(tmp_path, kind):
    of_words = CommunityIndex.build([("a", "b")], tmp_path / "words", config=small(kind))
    index = CommunityIndex.build([(1, 2)], tmp_path / "x", config=small(kind))
    before = files(index)
    with pytest.raises(InvalidGraph, match="some vertex ids are integers"):
        index.add([("a", "b")])
    with pytest.raises(InvalidGraph, match="strings"):
        of_words.add([(1, 2)])
    assert files(CommunityIndex.open(tmp_path / "x")) == before


def test_a_column_of_weights_is_refused_by_name(tmp_path):
    with pytest.raises(InvalidParameter, match="uses no weights"):
        CommunityIndex.build([(1, 2, 1.0)], tmp_path / "x", columns=WeightedReading(weight="calls"))
    with pytest.raises(InvalidParameter, match="weights"):
        CommunityIndex.build([(1, 2, 1.0)], tmp_path / "x", weights=True)


def test_an_index_of_another_version_is_refused_by_name(tmp_path):
    index = CommunityIndex.build([(1, 2), (2, 3)], tmp_path / "a", config=small())
    manifest = replace(index.manifest, parameters={**index.manifest.parameters, "partitions": 3})
    with write_artifact(tmp_path / "a") as publication:
        for name in manifest.files:
            publication.writer.adopt(index._version.artifact, name)
        publication.publish(manifest)
    with pytest.raises(ArtifactError, match=r"partitions.*build it again"):
        CommunityIndex.open(tmp_path / "a")


def test_add_recomputes_only_what_changed(tmp_path):
    edges, _ = planted()
    index = CommunityIndex.build(edges, tmp_path / "a", config=small())
    report = index.add([(0, 99), (0, 500)])
    assert report.details["signatures_recomputed"] <= 3
    assert (report.details["vertices_added"], len(index)) == (1, 101)


def test_an_index_larger_than_memory_gives_the_same_answers(tmp_path, monkeypatch):
    edges, _ = planted()
    built, sizes = CommunityIndex.build(edges, tmp_path / "a", config=small()), []
    monkeypatch.setattr(snapshot, "is_large", lambda size: sizes.append(size) or True)
    index = CommunityIndex.open(tmp_path / "a")
    for method in ("minhash", "jaccard", "fused", "pagerank"):
        assert index.query([0, 1], 9, method=method) == built.query([0, 1], 9, method=method)
    assert sizes == [sum(file.bytes for file in index.manifest.files.values())]


def test_same_build_is_no_work_unless_forced(tmp_path):
    edges, _ = planted()
    stages: list[str] = []

    def progress(stage, done, total):
        stages.append(stage)

    CommunityIndex.build(edges, tmp_path / "a", config=small())
    CommunityIndex.build(edges[::-1], tmp_path / "a", config=small(), progress=progress)
    assert "signatures" not in stages
    CommunityIndex.build(edges, tmp_path / "a", config=small(), progress=progress, force=True)
    assert "signatures" in stages
    other = CommunityConfig(permutations=32, bands=6)
    changed = CommunityIndex.build(edges, tmp_path / "a", config=other)
    assert changed.config.permutations == 32


def test_changes_of_two_writers_do_not_get_lost(tmp_path):
    edges, _ = planted()
    first = CommunityIndex.build(edges, tmp_path / "a", config=small())
    second = CommunityIndex.open(tmp_path / "a")
    first.add([(0, 500)])
    assert 500 not in second.vertices
    second.add([(0, 600)])
    assert 500 in second.vertices and 600 in second.vertices and 600 not in first.vertices
    first.delete_vertices([600])
    with CommunityIndex.build([*edges, (0, 500)], tmp_path / "b", config=small()) as whole:
        assert first.manifest.files == whole.manifest.files
    second.close()


def test_a_change_of_an_index_that_was_built_again_otherwise_is_refused(tmp_path):
    edges, _ = planted()
    first = CommunityIndex.build(edges, tmp_path / "a", config=small())
    CommunityIndex.build(edges, tmp_path / "a", config=small(kind="directed-out")).close()
    with pytest.raises(ArtifactBusy, match="rebuilt with other parameters"):
        first.add([(0, 500)])
    assert first.query([0], 3).members
    first.reopen()
    assert first.config.kind == "directed-out"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"permutations": 0}, "permutations is 0"),
        ({"bands": 65}, "65 bands of 2 rows take 130 slots.*at most 64 bands"),
        ({"rows": 3}, "at most 42 bands"),
        ({"kind": "odd"}, "kind is 'odd', expected one of"),
        ({"kind": "two-mode", "closed": True}, "cannot be closed"),
        ({"hash_seed": -1}, "hash_seed is -1"),
        ({"permutation": 64}, "did you mean `permutations`"),
        ({"weight": "calls"}, r"pass it in `columns`.*columns=WeightedReading\(weight="),
    ],
)
def test_bad_parameters_say_which(options, message):
    with pytest.raises(InvalidParameter, match=message):
        CommunityIndex.build([(1, 2)], "nowhere", **options)


def test_removing_unknown_vertices_names_the_closest(tmp_path):
    index = CommunityIndex.build([("ann", "bob")], tmp_path / "a", config=small())
    with pytest.raises(UnknownVertex, match=r"'anna' is not in the graph.*'ann'"):
        index.delete_vertices(["anna"])
    with pytest.raises(InvalidParameter, match="expected a vertex or several"):
        index.delete_vertices(None)
    with pytest.raises(EmptyGraph):
        CommunityIndex.build([(1, 1)], tmp_path / "b", config=small())


def test_threads_give_the_answers_of_one(tmp_path):
    edges, _ = planted()
    index = CommunityIndex.build(edges, tmp_path / "a", config=small())
    questions = [[a, a + 1] for a in range(0, 90, 3)]
    expected = [index.query(q, 10) for q in questions]
    got: list[list] = [[], [], []]

    def ask(slot):
        got[slot] = [index.query(q, 10) for q in questions]

    workers = [threading.Thread(target=ask, args=(slot,)) for slot in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(answers == expected for answers in got)
