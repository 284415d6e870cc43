"""The Spark build writes the bytes of the in-process build, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.communities.indexing import engine
from graphagg.errors import EmptyGraph, InvalidGraph, UnreadableFile
from graphagg.graph import EdgeReading
from graphagg.spark import SparkOptions
from tests.conftest import DATA
from tests.spark.workers import dying_workers

pytestmark = pytest.mark.spark
ROOT = Path(__file__).parents[2]
COLUMNS = EdgeReading()


def hub_pairs(seed: int, n: int = 300, m: int = 300) -> list[tuple[int, int]]:
    """Random pairs with repeats, self-loops and one vertex that most others meet."""
    rng = np.random.default_rng(seed)
    pairs = np.column_stack([rng.integers(0, n, 400), rng.integers(0, m, 400)])
    pairs[:130, 0] = 7
    pairs[130:140] = pairs[:10]
    pairs[140:150, 1] = pairs[140:150, 0]
    return [tuple(pair) for pair in pairs.tolist()]


def write_text(path: Path, rows: Sequence[tuple[object, ...]]) -> str:
    path.write_text("# a comment\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows))
    return str(path)


def write_parquet(path: Path, pairs: list[tuple[object, object]]) -> str:
    sources, targets = zip(*pairs, strict=True)
    pq.write_table(pa.table({"src": list(sources), "dst": list(targets)}), path)
    return str(path)


def assert_equal_bytes(
    spark: Any,
    edges: str,
    tmp_path: Path,
    config: CommunityConfig,
    items_per_task: int | None = None,
    columns: EdgeReading = COLUMNS,
):
    local = CommunityIndex.build(edges, tmp_path / "local", config=config, columns=columns)
    distributed = CommunityIndex.build(
        edges,
        tmp_path / "spark",
        engine=SparkOptions(spark, items_per_task=items_per_task),
        config=config,
        columns=columns,
    )
    manifests = [(tmp_path / d / "manifest.json").read_bytes() for d in ("local", "spark")]
    assert manifests[0] == manifests[1]
    CommunityIndex.open(tmp_path / "spark", verify=True).close()
    for count in ("edges_read", "edges", "self_loops", "duplicates"):
        assert getattr(local.read_report, count) == getattr(distributed.read_report, count)


@pytest.mark.parametrize(
    "kind",
    [
        "undirected",
        pytest.param("directed-in", marks=pytest.mark.slow),
        pytest.param("two-mode", marks=pytest.mark.slow),
    ],
)
def test_random_graphs(
    spark: Any, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small blocks, so that the hub's row runs over several of them; several tasks sign."""
    monkeypatch.setattr(engine, "ROWS_PER_TASK", 130)
    edges = write_text(tmp_path / "edges.txt", hub_pairs(1))
    config = CommunityConfig(kind=kind, permutations=32, bands=16, rows=2)  # type: ignore[arg-type]
    assert_equal_bytes(spark, edges, tmp_path, config, items_per_task=80)


def test_strings_and_open_sets(spark: Any, tmp_path: Path) -> None:
    pairs = [(f"vertex ä{a}", f"vertex ä{b}") for a, b in hub_pairs(2)]
    edges = write_parquet(tmp_path / "edges.parquet", pairs)
    config = CommunityConfig(kind="directed-out", closed=False, permutations=16, bands=5, rows=3)
    assert_equal_bytes(spark, edges, tmp_path, config, items_per_task=200)


@pytest.mark.slow
def test_dblp(spark: Any, tmp_path: Path) -> None:
    edges = DATA / "communities" / "com_dblp" / "com-dblp.ungraph.txt.gz"
    if not edges.exists():
        pytest.skip(f"{edges} is absent; set GRAPHAGG_DATA to the folder of the data sets")
    assert_equal_bytes(spark, str(edges), tmp_path, CommunityConfig(), items_per_task=300_000)


@pytest.mark.slow
def test_killed_workers_change_nothing(spark: Any, tmp_path: Path) -> None:
    edges = write_text(tmp_path / "edges.txt", hub_pairs(3))
    with dying_workers():
        config = CommunityConfig(permutations=16, bands=8, rows=2)
        assert_equal_bytes(spark, edges, tmp_path, config, items_per_task=80)


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ({"src": [1, -2], "dst": [2, 3]}, InvalidGraph, "negative id -2"),
        ({"src": [1, None], "dst": [2, 3]}, InvalidGraph, "has no id"),
        ({"src": [1], "dst": ["a"]}, InvalidGraph, "expected one; convert"),
        ({"src": pa.array([], pa.int64()), "dst": pa.array([], pa.int64())}, EmptyGraph, "no edge"),
    ],
)
def test_bad_edges(
    spark: Any, tmp_path: Path, table: dict[str, Any], error: type[Exception], message: str
) -> None:
    pq.write_table(pa.table(table), tmp_path / "edges.parquet")
    with pytest.raises(error, match=message):
        CommunityIndex.build(
            str(tmp_path / "edges.parquet"), tmp_path / "out", engine=SparkOptions(spark)
        )
    assert not (tmp_path / "out").exists()


def test_bad_text(spark: Any, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="absent"):
        CommunityIndex.build(
            str(tmp_path / "absent.txt"), tmp_path / "out", engine=SparkOptions(spark)
        )
    edges = write_text(tmp_path / "mixed.txt", [(1, 2), (3, "x")])
    with pytest.raises(InvalidGraph, match="id 'x' among integers"):
        CommunityIndex.build(edges, tmp_path / "out", engine=SparkOptions(spark))
