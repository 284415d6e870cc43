"""Jobs that exchange through a store give the bytes of one process, and go on after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphagg.communities import CommunityIndex
from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.rag import PassageIndex
from graphagg.spark import SparkOptions
from graphagg.spark.storage import store_of
from graphagg.spark.store_arrays import StoreArrays
from tests.spark.stores import store_in
from tests.spark.test_communities import hub_pairs, write_text
from tests.spark.test_jobs import SMALL, build
from tests.spark.test_passages import fakes, files, in_process, lines, passages

pytestmark = pytest.mark.spark


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHAGG_CACHE", str(tmp_path / "cache"))


def test_communities_go_on_after_a_kill(spark: Any, tmp_path: Path) -> None:
    edges, store = write_text(tmp_path / "edges.txt", hub_pairs(5)), store_in(tmp_path / "store")
    ran: list[str] = []

    def die(stage: str, done: int, total: int) -> None:
        ran.append(stage)
        if stage == "sets":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(spark, edges, store / "out", die)
    assert not list((tmp_path / "store").glob("out/manifest*"))
    again = build(spark, edges, store / "out", lambda stage, *_: ran.append(stage))
    with again, CommunityIndex.build(edges, tmp_path / "local", config=SMALL) as local:
        assert again.manifest.to_json() == local.manifest.to_json()
    assert ran == ["edges", "vertices", "pairs", "sets", "holders", "signatures", "bands"]
    assert store_of(store).listed("out.work") == {}
    ran.clear()
    build(spark, edges, store / "out", lambda stage, *_: ran.append(stage)).close()
    assert ran == [], "the same again is no work"


@pytest.mark.slow
def test_an_embedding(spark: Any, tmp_path: Path) -> None:
    pairs = [(a, b) for a, b in hub_pairs(2) if a != b]
    edges, store = write_text(tmp_path / "edges.txt", pairs), store_in(tmp_path / "store")
    config = EmbeddingConfig(dim=8, pieces=3, propagate=1)
    with (
        NodeEmbedding.build(edges, tmp_path / "local", config=config) as one,
        NodeEmbedding.build(
            edges, store / "emb", engine=SparkOptions(spark), config=config
        ) as other,
    ):
        assert one.manifest.inputs == other.manifest.inputs
        np.testing.assert_array_equal(one.parts, other.parts)
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-5)


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


def test_ranges_of_an_array(tmp_path: Path) -> None:
    """In any order, also twice; what nobody wrote is 0, as in a preallocated file."""
    array = StoreArrays(store_in(tmp_path / "store"), "run", tmp_path)
    array.create("a", np.float32, (7, 2))
    rows = np.arange(14, dtype=np.float32).reshape(7, 2)
    for start, end in ((5, 7), (0, 2), (0, 2), (2, 2)):
        array.write("a", start, rows[start:end])
    rows[2:5] = 0
    np.testing.assert_array_equal(array.map("a"), rows)
    array.create("empty", np.int64, (0,))
    assert len(array.map("empty")) == 0 and array.exists("empty") and not array.exists("b")
