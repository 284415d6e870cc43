"""Jobs that exchange through a store give the bytes of one process, and go on after a kill."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphagg.communities import CommunityIndex
from graphagg.errors import JobFailed
from graphagg.execution.blocks import MemoryBlocks
from graphagg.rag import PassageIndex
from graphagg.spark import SparkOptions
from graphagg.spark.job import SparkJob
from graphagg.spark.storage import store_of
from graphagg.spark.store_arrays import StoreArrays
from graphagg.store import ArtifactWriter
from tests.spark.stores import store_in
from tests.spark.test_communities import hub_pairs, write_text
from tests.spark.test_jobs import SMALL, build
from tests.spark.test_passages import fakes, files, in_process, lines, passages
from tests.spark.workers import Killed, killing

pytestmark = pytest.mark.spark


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHAGG_CACHE", str(tmp_path / "cache"))


def test_communities_go_on_after_a_kill(spark: Any, tmp_path: Path) -> None:
    edges, store = write_text(tmp_path / "edges.txt", hub_pairs(5)), store_in(tmp_path / "store")
    ran: list[str] = []
    with pytest.raises(Killed):
        build(spark, edges, store / "out", killing(ran, "sets"))
    assert not list((tmp_path / "store").glob("out/manifest*"))
    again = build(spark, edges, store / "out", killing(ran))
    with again, CommunityIndex.build(edges, tmp_path / "local", config=SMALL) as local:
        assert again.manifest.to_json() == local.manifest.to_json()
    assert ran == ["edges", "vertices", "sets", "holders", "signatures", "bands"]
    assert store_of(store).listed("out.work") == {}
    ran.clear()
    build(spark, edges, store / "out", killing(ran)).close()
    assert ran == [], "the same again is no work"


@pytest.mark.slow
def test_passages(spark: Any, tmp_path: Path) -> None:
    records, store = passages(40), store_in(tmp_path / "store")
    (tmp_path / "p.jsonl").write_text(lines(records), encoding="utf-8")
    in_process(records, tmp_path / "local").close()
    PassageIndex.build(
        str(tmp_path / "p.jsonl"),
        store / "idx",
        engine=SparkOptions(spark, items_per_task=13),
        **fakes(),
    )
    with PassageIndex.open(store / "idx") as index:
        assert files(index.directory) == files(tmp_path / "local")


def test_ranges_of_an_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any order, also twice; what nobody wrote is 0, as in a preallocated file."""
    monkeypatch.setenv("LOCAL_DIRS", str(tmp_path))  # of copies
    array = StoreArrays(store_in(tmp_path / "store"), "run", MemoryBlocks())
    array.create("a", np.float32, (7, 2))
    rows = np.arange(14, dtype=np.float32).reshape(7, 2)
    for start, end in ((5, 7), (0, 2), (0, 2), (2, 2)):
        array.write("a", start, rows[start:end])
    rows[2:5] = 0
    np.testing.assert_array_equal(array.map("a"), rows)
    array.create("empty", np.int64, (0,))
    assert len(array.map("empty")) == 0 and array.exists("empty") and not array.exists("b")


def test_arrays_of_a_store_are_dropped_and_gathered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_DIRS", str(tmp_path))  # of copies
    arrays = StoreArrays(store_in(tmp_path / "store"), "run", MemoryBlocks())
    for name in ("ranges", "dropped"):
        arrays.create(name, np.int64, (3,))
        arrays.write(name, 0, np.arange(3))
    arrays.write_whole({"whole": np.ones(2), "gone": np.ones(1)})
    assert arrays.map("dropped").sum() == 3
    for name in ("dropped", "gone"):
        arrays.drop(name)
        assert not arrays.exists(name)
    (tmp_path / "store" / "dropped").rmdir()  # a store has no empty folders
    (tmp_path / "new").mkdir()
    arrays.gather(ArtifactWriter(tmp_path / "new"))
    found = {path.name: np.load(path).tolist() for path in (tmp_path / "new").iterdir()}
    assert found == {"ranges.npy": [0, 1, 2], "whole.npy": [1, 1]}


def test_the_later_of_two_runs_wins(spark: Any, tmp_path: Path) -> None:
    """A run that wakes up late writes and removes nothing, also after the other has ended."""
    place = store_in(tmp_path / "store") / "x.work"
    first, second = (SparkJob(spark, place, lambda *_: None) for _ in range(2))
    first.claim({"source": ["a", 1]})
    assert first.phase("edges", lambda: spark.range(3)).count() == 3
    stale = pickle.loads(pickle.dumps(first.blocks))
    second.claim({"source": ["a", 1]})
    assert second.phase("edges", lambda: spark.range(9)).count() == 3, "it goes on"
    for last_word in (second.remove, lambda: None):
        for late in (
            lambda: first.phase("pairs", lambda: spark.range(5)),
            lambda: first.note("read", lambda: 5),
            lambda: stale.save("cut", 0, rows=np.arange(3)),
            first.remove,
        ):
            with pytest.raises(JobFailed, match="submitted again"):
                late()
        assert not second.storage.has("pairs.json") and not second.storage.has("read.json")
        last_word()
    second.claim({"source": ["a", 1]}, force=True)
    assert second.phase("edges", lambda: spark.range(9)).count() == 9, "from the beginning"
