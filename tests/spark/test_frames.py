"""A Spark DataFrame or table builds the bytes that its rows give in one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.embedding import NodeEmbedding
from graphagg.errors import GraphAggError, InvalidGraph, InvalidParameter, InvalidPassage
from graphagg.graph.reading.batches import ReadCounts
from graphagg.graph.reading.load import open_edges
from graphagg.graph.reading.settings import WeightedReading
from graphagg.graph.spark.edges import EdgeInput, read_edges
from graphagg.rag import PassageIndex
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.spark.records import PassageInput, read_records
from graphagg.spark import SparkOptions
from graphagg.spark.session import named_errors
from graphagg.store.manifest import read_manifest
from tests.spark.test_communities import hub_pairs
from tests.spark.test_passages import Fakes, files, passages
from tests.spark.workers import Killed, killing

CALLS = WeightedReading(weight="calls")

pytestmark = pytest.mark.spark
SMALL = CommunityConfig("two-mode", permutations=16, bands=4, rows=2)


def calls(seed: int) -> pa.Table:
    """Edges with repeats, weights, and columns that are no edges."""
    sources, targets = zip(*hub_pairs(seed), strict=True)
    weights = np.random.default_rng(seed).integers(1, 5, len(sources)).astype(np.float64)
    year = [2020 + source % 3 for source in sources]
    columns = {"year": year, "Follower": [f"ä{s}" for s in sources], "calls": weights.tolist()}
    return pa.table(columns | {"page": [f"p {t}" for t in targets]})


def settings(spark: Any) -> dict[str, str]:
    return {row["key"]: row["value"] for row in spark.sql("SET").collect()}


def in_process(edges: Any, **reading: Any) -> list[tuple[Any, ...]]:
    """Sources, targets and weights as the readers of one process give them."""
    counts, given = ReadCounts(), WeightedReading(**reading)
    source, _ = open_edges(edges, "two-mode", given, counts)
    columns: list[list[Any]] = [[], [], []]
    for batch in source.batches:
        for column, values in zip(
            columns,
            (batch.targets, batch.sources, batch.weights),
            strict=True,  # set, element
        ):
            column += [1.0] * len(batch.sources) if values is None else values.tolist()
    return sorted(zip(*columns, strict=True))


def on_spark(spark: Any, edges: Any, **reading: Any) -> list[tuple[Any, ...]]:
    frame, _ = read_edges(spark, EdgeInput.of(edges, WeightedReading(**reading)), "undirected")
    return sorted((*row, 1.0)[:3] for row in frame.collect())


def test_the_same_edges(spark: Any, tmp_path: Path) -> None:
    """Of a frame, a table, and files in partitions of Hive, by the names that one process knows.

    What follows on the edges is the same of any input: `test_communities.py` compares it.
    """
    table, before = calls(1), settings(spark)
    frame = spark.createDataFrame(table).repartition(3)
    frame.createOrReplaceTempView("calls")
    assert on_spark(spark, frame, weight="calls") == in_process(table, weight="calls")
    turned = {"source": "page", "target": "Follower"}
    assert on_spark(spark, "table:calls", **turned) == in_process(table, **turned)
    pq.write_to_dataset(table, tmp_path / "edges", partition_cols=["year"])
    parts = [str(tmp_path / "edges" / "year=202[01]"), str(tmp_path / "edges" / "year=2022")]
    wanted = in_process(str(tmp_path / "edges"))
    assert on_spark(spark, str(tmp_path / "edges")) == on_spark(spark, parts) == wanted
    assert wanted == in_process(table)
    assert settings(spark) == before


def assert_same_manifest(tmp_path: Path, one: str, other: str) -> None:
    manifests = [(tmp_path / name / "manifest.json").read_bytes() for name in (one, other)]
    assert manifests[0] == manifests[1]


def test_communities_of_a_frame_and_of_a_table(spark: Any, tmp_path: Path) -> None:
    """By the same rule of names as in one process; the session is left as it was."""
    table, before = calls(1), settings(spark)
    frame = spark.createDataFrame(table).repartition(3)
    CommunityIndex.build(table, tmp_path / "local", config=SMALL).close()
    with CommunityIndex.build(frame, tmp_path / "frame", config=SMALL) as index:
        assert index.read_report is not None and index.read_report.edges_read == table.num_rows
        assert (
            index.read_report.columns == "element 'Follower', set 'page'; not used: 'year', 'calls'"
        )
    assert_same_manifest(tmp_path, "local", "frame")
    frame.createOrReplaceTempView("calls")
    with pytest.raises(Killed):  # the edges are compared above
        CommunityIndex.build(
            "table:calls",
            tmp_path / "table",
            engine=SparkOptions(spark),
            config=SMALL,
            progress=killing([], "edges"),
        )
    assert settings(spark) == before and spark.range(2).count() == 2
    assert not (tmp_path / "frame.work").exists()


@pytest.mark.slow
def test_passages_of_a_frame_with_columns_of_other_names(spark: Any, tmp_path: Path) -> None:
    records = [
        {"key": record["id"], "body": record["text"], "title": record.get("title", ""), "year": i}
        for i, record in enumerate(passages(30))
    ]
    models, columns = Fakes().load(), RowConfig("key", "body")
    given: dict[str, Any] = {"encoder": models.encoder, "extractor": models.extractor}
    table = pa.Table.from_pylist(records)
    PassageIndex.build(table, tmp_path / "local", columns=columns, **given).close()
    frame = spark.createDataFrame(table)
    with PassageIndex.build(frame, tmp_path / "frame", columns=columns, **given) as index:
        assert index[records[3]["key"]].metadata == {"year": 3}
    assert files(tmp_path / "frame") == files(tmp_path / "local")
    one, other = (read_manifest(tmp_path / name).to_json() for name in ("local", "frame"))
    assert one == other


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("1L AS src, 2L AS who", "no known pair of names"),
        ("1L AS src, CAST(NULL AS LONG) AS dst", "column dst holds nulls"),
        ("1L AS src, 2L AS dst, 3L AS SRC", "occurs 2 times"),
        ("1L AS src, 2.5 AS dst", "column dst is decimal"),
        ("1.5D AS src, 2L AS dst", "column src is double"),
        ("1L AS src, X'01' AS dst", "column dst is binary"),
        ("array(1L) AS src, 2L AS dst", "column src is array<bigint>"),
        ("1L AS src, 2L AS dst, array(1L) AS weight", "column weight is array.*expected numbers"),
    ],
)
def test_a_frame_that_holds_no_edges(spark: Any, query: str, message: str) -> None:
    given = EdgeInput.of(spark.sql(f"SELECT {query}"), WeightedReading())
    with pytest.raises(InvalidGraph, match=message), named_errors():
        read_edges(spark, given, "undirected")[0].collect()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("'a' AS id, 'b' AS body", r"lack \['text'\].*text_column"),
        ("CAST(NULL AS STRING) AS id, 'b' AS text", "the DataFrame: id is missing"),
    ],
)
def test_a_frame_that_holds_no_passages(spark: Any, query: str, message: str) -> None:
    frame = spark.sql(f"SELECT {query}")
    given = PassageInput.from_source(frame, RowConfig())
    with pytest.raises(InvalidPassage, match=message), named_errors():
        read_records(spark, given, frame, None).collect()


def test_a_map_is_metadata(spark: Any) -> None:
    frame = spark.sql("SELECT 7 AS id, 'b' AS text, map('lang', 'de') AS metadata, 2020 AS year")
    given = PassageInput.from_source(frame, RowConfig())
    (row,) = read_records(spark, given, frame, None).collect()
    passage = json.loads(bytes(row["record"]))
    assert (passage["id"], passage["metadata"]) == ("7", {"lang": "de", "year": 2020})


def test_what_only_one_process_takes(spark: Any, tmp_path: Path) -> None:
    frame = spark.sql("SELECT 1L AS src, 2L AS dst")
    with pytest.raises(InvalidParameter, match="not support `vertices`"):
        CommunityIndex.build(frame, tmp_path / "out", vertices=[3])
    with pytest.raises(InvalidParameter, match="not support `vertices`"):
        NodeEmbedding.build(frame, tmp_path / "out", vertices=[3])


@pytest.mark.slow
def test_an_unfinished_job_of_another_frame_is_begun_anew(spark: Any, tmp_path: Path) -> None:
    """Nothing tells one DataFrame from another of the same columns."""

    def die(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    frames = [spark.sql(f"SELECT 1L AS src, {target}L AS dst") for target in (2, 7)]
    config = CommunityConfig(permutations=4, bands=2, rows=2)
    with pytest.raises(KeyboardInterrupt):
        CommunityIndex.build(frames[0], tmp_path / "out", config=config, progress=die)
    assert (tmp_path / "out.work" / "edges.json").exists()
    with pytest.raises(GraphAggError, match="unfinished job with config"):
        CommunityIndex.build(frames[1], tmp_path / "out", config=SMALL)
    with CommunityIndex.build(frames[1], tmp_path / "out", config=config) as index:
        assert list(index.vertices) == [1, 7]
