"""Results as DataFrames are those of one process, question by question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.errors import ArtifactBusy, InvalidParameter
from graphagg.rag import PassageIndex
from graphagg.spark.answers import _OPENED, opened
from tests.spark.test_communities import hub_pairs
from tests.spark.test_passages import Fakes, passages

pytestmark = pytest.mark.spark
QUESTIONS = ["Where did Ada write notes?", "Which river is the Thames?", "Mercury"]


@pytest.fixture(scope="module")
def embedding(tmp_path_factory: pytest.TempPathFactory) -> Any:
    config = EmbeddingConfig(kind="two-mode", dim=4, pieces=2, dtype="float16")
    pairs = [(f"a{a}", b) for a, b in hub_pairs(1, 60, 40)]
    folder = tmp_path_factory.mktemp("embedding") / "emb"
    with NodeEmbedding.build(pairs, folder, config=config) as index:
        yield index


def rows(frame: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in frame.collect()]


def test_vectors(spark: Any, embedding: Any) -> None:
    for side in ("from", "to"):
        ids, vectors = embedding.vectors_of(side)
        found = embedding.to_spark(spark, side=side, vectors_per_task=17).collect()
        assert [row["vertex"] for row in found] == list(ids)
        assert np.array_equal(np.array([row["vector"] for row in found], np.float32), vectors)


def test_neighbors_of_a_column(spark: Any, embedding: Any) -> None:
    asked = [embedding.vertices[i] for i in (3, 0, 5)]
    frame = spark.createDataFrame([(v, i) for i, v in enumerate(asked)], "set long, place long")
    options: dict[str, Any] = {"side": "from", "target_side": "to"}
    found = embedding.neighbors_on_spark(frame, "set", k=4, **options)
    wanted = [
        (vertex, place, rank, near.id, near.score)
        for place, vertex in enumerate(asked)
        for rank, near in enumerate(embedding.neighbors(vertex, 4, **options), start=1)
    ]
    names = ("set", "place", "rank", "neighbor", "score")
    assert found.columns == [*names, "reason"] and rows(found, *names) == wanted


def test_communities_of_a_column(spark: Any, tmp_path: Path) -> None:
    """Of single seeds, or of arrays of them; unknown ones have a reason."""
    config = CommunityConfig(permutations=16, bands=8, rows=2)
    with CommunityIndex.build(hub_pairs(2), tmp_path / "comm", config=config) as index:
        seeds = [[int(v) for v in index.vertices[i : i + 2]] for i in (7, 30)]
        frame = spark.createDataFrame([(s,) for s in seeds], "seeds array<long>").coalesce(1)
        found = index.query_on_spark(frame, k=5, method="jaccard")
        wanted = [
            (many, rank, member.id, member.score)
            for many in seeds
            for rank, member in enumerate(index.query(many, 5, method="jaccard").members, start=1)
        ]
        assert rows(found, "seeds", "rank", "member", "score") == wanted
        strange = spark.createDataFrame([(10**9,), (seeds[0][0],)], "v long").coalesce(1)
        told = index.query_on_spark(strange, "v", k=3).collect()
        assert [row["v"] for row in told if row["rank"] is None] == [10**9]
        assert "1000000000 is not in the graph" in told[0]["reason"]
        assert [row["rank"] for row in told[1:]] == [1, 2, 3]


def test_passages_of_a_column(spark: Any, tmp_path: Path) -> None:
    models = Fakes().load()
    given: dict[str, Any] = {"encoder": models.encoder, "extractor": models.extractor}
    with PassageIndex.build(passages(30), tmp_path / "idx", **given) as index:
        frame = spark.createDataFrame([(q,) for q in QUESTIONS], "question string").coalesce(1)
        found = index.retrieve_on_spark(frame, k=3)
        wanted = [
            (question, rank, hit.passage.id, hit.score, hit.passage.title, hit.passage.text)
            for question, hits in zip(QUESTIONS, index.retrieve_batch(QUESTIONS, 3), strict=True)
            for rank, hit in enumerate(hits, start=1)
        ]
        names = ("question", "rank", "passage", "score", "title", "text")
        assert rows(found, *names) == wanted


def test_the_answers_are_of_the_version_that_was_asked(tmp_path: Path) -> None:
    """A worker keeps the version that it opened; one that begins later may not find it."""
    with CommunityIndex.build([(1, 2)], tmp_path / "comm") as index:
        asked = (CommunityIndex.open, "test", str(index.directory), index.manifest.data)
        first = opened(*asked)
        index.add([(2, 3)])
        assert opened(*asked) is first
        _OPENED.clear()
        first.close()
        with pytest.raises(ArtifactBusy, match=r"is current.*reopen the index"):
            opened(*asked)
        _OPENED.popitem()[1].close()


def test_what_a_frame_must_hold(spark: Any, embedding: Any) -> None:
    frame = spark.sql("SELECT 1L AS vertex, 2L AS rank")
    with pytest.raises(InvalidParameter, match=r"not 'v'; name the column to read"):
        embedding.neighbors_on_spark(frame, "v")
    with pytest.raises(InvalidParameter, match=r"both have a column 'rank'"):
        embedding.neighbors_on_spark(frame)
    nothing = spark.sql("SELECT CAST(NULL AS LONG) AS vertex")
    (row,) = embedding.neighbors_on_spark(nothing).collect()
    assert (row["rank"], row["reason"]) == (None, "column 'vertex' is null")
