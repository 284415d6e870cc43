"""A graph over files: the bytes of the index that is built in memory, and builds that go on."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.communities.indexing import engine
from graphagg.communities.indexing import files as large
from graphagg.communities.indexing.engine import IndexBuild
from graphagg.errors import EmptyGraph, InvalidGraph, ParametersDiffer
from graphagg.graph.large import rows
from graphagg.graph.reading import buffer
from graphagg.minhash import bands as lsh
from graphagg.store import work
from tests.unit.communities.graphs import KINDS, files


@pytest.fixture
def over_files(monkeypatch):
    monkeypatch.setattr(large, "LARGE", 0)


def write(path: Path, pairs: np.ndarray, names: str, **more: np.ndarray) -> Path:
    """Pairs as Parquet, by small or sparse integers or by strings, with more columns."""
    ids = {
        "small": lambda column: column,
        "sparse": lambda column: column.astype(np.int64) * 3_000_000_019 + 7,
        "text": lambda column: np.array([f"v{i}" for i in column.tolist()], dtype=object),
    }[names]
    table = pa.table({"src": ids(pairs[:, 0]), "dst": ids(pairs[:, 1]), **more})
    pq.write_table(table, path, row_group_size=7)
    return path


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 200),
    vertices=st.integers(2, 60),
    kind=st.sampled_from(KINDS),
    names=st.sampled_from(["small", "sparse", "text"]),
    sizes=st.tuples(st.integers(1, 60), st.integers(1, 80), st.integers(1, 9)),
    alone=st.booleans(),
)
@example(0, 200, 9, "undirected", "small", (9, 3, 2), True)
def test_the_bytes_are_those_of_the_index_in_memory(
    tmp_path_factory, seed, count, vertices, kind, names, sizes, alone
):
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(seed)
    pairs = (rng.random((count, 2)) ** 2 * vertices).astype(np.int64)
    if (pairs[:, 0] == pairs[:, 1]).all() and kind != "two-mode":
        pairs[0] = (0, 1)
    source = write(folder / "edges.parquet", pairs, names)
    more = {"small": [1, 500], "sparse": [500], "text": ["zz"]}[names] if alone else []
    config = CommunityConfig(kind=kind, permutations=16, bands=8, rows=2)
    reports = []
    with pytest.MonkeyPatch.context() as patch:
        with CommunityIndex.build(source, folder / "memory", config=config, vertices=more) as made:
            reports.append(made.read_report)
        patch.setattr(large, "LARGE", 0)
        patch.setattr(buffer, "EDGES_PER_FILE", sizes[0])
        patch.setattr(rows, "PAIRS_PER_RANGE", sizes[1])
        patch.setattr(large, "IndexBuild", partial(IndexBuild, bands_per_task=sizes[2]))
        patch.setattr(engine, "ROWS_PER_TASK", sizes[2])
        patch.setattr(lsh, "_ROWS_AT_ONCE", sizes[2])
        patch.setattr(buffer, "_JOINED", sizes[0])
        patch.setattr(buffer, "MARKED", 100 if seed % 2 else 0)
        with CommunityIndex.build(source, folder / "files", config=config, vertices=more) as made:
            reports.append(made.read_report)
    assert files(folder / "files") == files(folder / "memory")
    assert reports[0] == reports[1]
    assert not (folder / "files.work").exists()


def some_pairs(count: int = 300) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (rng.random((count, 2)) ** 2 * 50).astype(np.int64)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_build_that_was_killed_goes_on(tmp_path, monkeypatch, over_files, kind):
    """At every note that a build writes, before it and after it."""
    source = write(tmp_path / "edges.parquet", some_pairs(), "small")
    config = CommunityConfig(kind=kind, permutations=16, bands=8, rows=2)
    monkeypatch.setattr(engine, "ROWS_PER_TASK", 20)
    monkeypatch.setattr(large, "IndexBuild", partial(IndexBuild, bands_per_task=3))
    CommunityIndex.build(source, tmp_path / "whole", config=config).close()
    wanted = files(tmp_path / "whole")
    write_json = work.FolderStorage.write_json
    noted: list[str] = []

    def ends_at(number: int, after: bool):
        left = [number]

        def note(storage, name, value):
            left[0] -= 1
            if left[0] == 0 and not after:
                raise Killed
            write_json(storage, name, value)
            noted.append(name)
            if left[0] == 0:
                raise Killed

        return note

    number, done = 0, False
    while not done:
        number += 1
        for after in (False, True):
            target = tmp_path / "resumed"
            for folder in (target, tmp_path / "resumed.work"):
                shutil.rmtree(folder, ignore_errors=True)
            noted.clear()
            with monkeypatch.context() as patch:
                patch.setattr(work.FolderStorage, "write_json", ends_at(number, after))
                try:
                    CommunityIndex.build(source, target, config=config).close()
                    done = True
                except Killed:
                    pass
            before = set(noted)
            noted.clear()
            if not done:
                with monkeypatch.context() as patch:
                    patch.setattr(work.FolderStorage, "write_json", ends_at(-1, True))
                    CommunityIndex.build(source, target, config=config).close()
                assert not before & set(noted)  # what was noted is not done again
            assert files(target) == wanted
    assert number > 10


def test_after_a_start_of_the_machine_a_build_begins_again(tmp_path, monkeypatch, over_files):
    source = write(tmp_path / "edges.parquet", some_pairs(), "small")
    with monkeypatch.context() as patch:
        patch.setattr(IndexBuild, "sort_bands", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            CommunityIndex.build(source, tmp_path / "a")
    (tmp_path / "a.work" / "index" / "signatures.npy").write_bytes(b"torn")
    monkeypatch.setattr(large, "_machine", lambda: "another start")
    CommunityIndex.build(source, tmp_path / "a").close()
    CommunityIndex.build(source, tmp_path / "b").close()
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_other_parameters_do_not_go_on(tmp_path, monkeypatch, over_files):
    source = write(tmp_path / "edges.parquet", some_pairs(), "small")
    with monkeypatch.context() as patch:
        patch.setattr(IndexBuild, "sort_bands", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            CommunityIndex.build(source, tmp_path / "a")
    other = CommunityConfig(permutations=64, bands=32)
    with pytest.raises(ParametersDiffer, match="an unfinished job with config"):
        CommunityIndex.build(source, tmp_path / "a", config=other)
    CommunityIndex.build(source, tmp_path / "a", config=other, force=True).close()
    assert not (tmp_path / "a.work").exists()


def test_bad_edges_leave_no_work(tmp_path, over_files):
    (tmp_path / "loops.txt").write_text("1 1\n2 2\n")
    with pytest.raises(EmptyGraph, match="2 self-loops and no other edge"):
        CommunityIndex.build(tmp_path / "loops.txt", tmp_path / "a")
    (tmp_path / "mixed.txt").write_text("1 2\n3 -4\n")
    with pytest.raises(InvalidGraph, match="negative id"):
        CommunityIndex.build(tmp_path / "mixed.txt", tmp_path / "a")
    (tmp_path / "none.txt").write_text("# nothing\n")
    with pytest.raises(EmptyGraph, match="contains no edges"):
        CommunityIndex.build(tmp_path / "none.txt", tmp_path / "a")
    assert not (tmp_path / "a.work").exists()
