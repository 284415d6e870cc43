"""The Spark engine gives the vectors of the in-process one, whatever happens on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.embedding.spark.write import stages
from graphagg.errors import (
    EmptyGraph,
    InvalidGraph,
    InvalidParameter,
    ParametersDiffer,
    PieceTooLarge,
)
from graphagg.progress import Progress
from graphagg.spark import SparkOptions
from graphagg.spark.job import SparkJob
from tests.spark.test_communities import write_text
from tests.spark.workers import Killed, killing
from tests.unit.embedding.graphs import communities

pytestmark = pytest.mark.spark
ROOT = Path(__file__).parents[2]
SMALL = EmbeddingConfig(dim=8, pieces=4)


def assert_same(
    spark: Any, edges: str, tmp_path: Path, config: EmbeddingConfig, progress: Progress
) -> NodeEmbedding:
    """Both engines run one text: every file of the index is the same to the byte."""
    local = NodeEmbedding.build(edges, tmp_path / "local", config=config)
    engine = SparkOptions(spark)
    other = NodeEmbedding.build(
        edges, tmp_path / "spark", engine=engine, config=config, progress=progress
    )
    NodeEmbedding.open(tmp_path / "spark", verify=True).close()
    for name in ("piece_of_node", "vectors", "target_vectors"):
        np.testing.assert_array_equal(getattr(local, name), getattr(other, name))
    assert list(local.vertices) == list(other.vertices)
    assert local.partition_report == other.partition_report
    manifests = [(tmp_path / name / "manifest.json").read_bytes() for name in ("local", "spark")]
    assert manifests[0] == manifests[1]
    assert not (tmp_path / "spark.work").exists()
    return other


def test_weighted_two_mode_with_a_hub_by_streaming(spark: Any, tmp_path: Path) -> None:
    """Files that no later stage reads are removed; METIS is that of the job that is killed."""
    seen: dict[str, set[str]] = {}

    def look(stage: str, done: int, total: int) -> None:
        names = {p.name for p in (tmp_path / "spark.work").rglob("*") if p.is_file()}
        seen[stage] = {name for name in names if not name.endswith(".json")}

    rng = np.random.default_rng(0)
    pairs = [(f"e{v}", f"s{u}") for u, v in communities(150, 5)]
    pairs += [("everywhere", f"s{u}") for u in range(150)]
    rows = [(a, b, round(float(rng.random()) + 0.1, 3)) for a, b in pairs + pairs[:40]]
    edges = write_text(tmp_path / "edges.txt", rows)
    config = EmbeddingConfig(
        dim=8, pieces=7, kind="two-mode", max_piece_edges=256, partitioner="streaming"
    )
    found = assert_same(spark, edges, tmp_path, config, look)
    report = found.partition_report
    assert (report.partitioner, len(report.levels)) == ("streaming", 2) and report.hubs >= 1
    assert "weights" in found.manifest.inputs
    assert any(name.endswith(".parquet") for name in seen["sets"])
    assert not any(name.endswith(".parquet") for name in seen["partition"])
    assert "matrix.indices.npy" in seen["pieces"] and "matrix.indices.npy" not in seen["leaves"]
    assert any(name.startswith("leaf.") for name in seen["start"])
    assert not any(name.startswith(("leaf.", "log.", "start.")) for name in seen["pass1.9"])
    assert {"pass1.8.npy", "pass1.9.npy"} <= seen["vectors"]
    assert not {"pass1.start.npy", "pass1.7.npy"} & seen["vectors"]
    assert "pass1.8.npy" in seen["sources"] and "pass1.9.npy" not in seen["sources"]


def test_a_job_killed_between_phases_goes_on(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = write_text(tmp_path / "edges.txt", communities(300, 8))
    ran: list[str] = []
    for after in ("vertices", "partition", "leaves", "start", "pass1.2", "vectors"):
        with pytest.raises(Killed):
            engine, progress = SparkOptions(spark), killing(ran, after)
            NodeEmbedding.build(
                edges, tmp_path / "b", engine=engine, config=SMALL, progress=progress
            )
        assert not (tmp_path / "b" / "manifest.json").exists()
    with pytest.raises(ParametersDiffer, match=r"unfinished job with config.*`force=True`"):
        other = EmbeddingConfig(dim=4, pieces=4)
        NodeEmbedding.build(edges, tmp_path / "b", engine=SparkOptions(spark), config=other)
    NodeEmbedding.build(
        edges, tmp_path / "b", engine=SparkOptions(spark), config=SMALL, progress=killing(ran)
    ).close()
    assert {*stages(SMALL)} <= {*ran}
    assert len(ran) == len({*ran}), "each runs once"
    NodeEmbedding.build(edges, tmp_path / "a", config=SMALL).close()
    manifests = [(tmp_path / name / "manifest.json").read_bytes() for name in "ab"]
    assert manifests[0] == manifests[1]
    assert not (tmp_path / "b.work").exists()
    ran.clear()
    NodeEmbedding.build(
        edges, tmp_path / "b", engine=SparkOptions(spark), config=SMALL, progress=killing(ran)
    ).close()
    assert "leaves" not in ran, "the same again is no work"


def test_a_changed_input_is_not_gone_on_with(spark: Any, tmp_path: Path) -> None:
    work = SparkJob(spark, tmp_path / "x.work", lambda *_: None)
    work.claim({"source": ["a", 1]})
    work.claim({"source": ["a", 2]})  # no stage is finished: nothing is lost
    work.note("cut", lambda: 1)
    work.claim({"source": ["a", 2]})
    with pytest.raises(ParametersDiffer, match="source"):
        work.claim({"source": ["a", 3]})


@pytest.mark.parametrize(
    ("rows", "config", "error", "message"),
    [
        ([], SMALL, EmptyGraph, "no edge"),
        ([(1, 1)], SMALL, EmptyGraph, "self-loops and no other edge"),
        ([(1, -2)], SMALL, InvalidGraph, "negative id -2"),
        ([(1, 2, 1.0), (2, 3, -1.0)], SMALL, InvalidGraph, "has the weight -1.0"),
        pytest.param(
            [(1, 2, 1.0), (2, 3, "nan")],
            SMALL,
            InvalidGraph,
            "has the weight nan",
            marks=pytest.mark.slow,
        ),
        ([(1, 2, 1.0), (2, 3, "x")], SMALL, InvalidGraph, "weight 'x' beside numbers"),
        pytest.param(
            [(1, 2), (2, 3)],
            SMALL,
            InvalidParameter,
            "pieces is 4, but only 3 vertices",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            [(u, v) for u in range(12) for v in range(u)],
            EmbeddingConfig(dim=2, pieces=12, max_piece_edges=8),
            PieceTooLarge,
            "has 11 entries, expected at most 8",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_bad_input(
    spark: Any,
    tmp_path: Path,
    rows: list[tuple[object, ...]],
    config: EmbeddingConfig,
    error: type[Exception],
    message: str,
) -> None:
    edges = write_text(tmp_path / "edges.txt", rows)
    with pytest.raises(error, match=message):
        NodeEmbedding.build(edges, tmp_path / "out", engine=SparkOptions(spark), config=config)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.work").exists()
