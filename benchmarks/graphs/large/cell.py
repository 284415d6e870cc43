"""A build in a fresh process: `python -m benchmarks.graphs.large.cell JOB EDGES OUT RESULT`.

Before the clock starts, kernels are compiled on a small graph, or an empty Spark job runs. The
peak is `VmHWM`, which counts the pages of mapped files while they are mapped. Spark jobs use two
cores of this machine (`local[2]`) and pieces of the default size. Their CPU is the sum over the JVM
and all Python processes, measured with a control group if one can be created.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.graphs.communities import SKETCH, rows_of
from benchmarks.graphs.large.asking import queries
from benchmarks.measure import cost, resident
from benchmarks.peers import PEERS
from benchmarks.scaling.processes import meter

_WARM_UP = 2_000  # edges
_SPARK = {
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.memory": "3g",
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
    "spark.driver.maxResultSize": "32m",
}


def main() -> None:
    job, edges, out, result = sys.argv[1:5]
    kind = sys.argv[5] if len(sys.argv) > 5 else "undirected"
    if job in PEERS:
        save(result, peer(job, edges, kind))
    elif job.endswith("-spark"):
        by_spark(job.removesuffix("-spark"), edges, Path(out), result, kind)
    else:
        source: Any = np.load(edges) if edges.endswith(".npy") else edges
        pairs = np.random.default_rng(0).integers(0, 500, (_WARM_UP, 2))
        built(job, pairs, Path(f"{out}.warm"), kind).close()
        measured(lambda **given: built(job, source, Path(out), kind, **given), result, job)


def built(job: str, edges: Any, out: Path, kind: Any, spark: Any = None, **given: Any) -> Any:
    """Build the index of a job, in this process or with Spark."""
    from graphagg.spark import SparkOptions

    engine = None if spark is None else SparkOptions(spark)
    if job == "communities":
        from graphagg.communities import CommunityConfig, CommunityIndex

        return CommunityIndex.build(
            edges, out, config=CommunityConfig(kind=kind), engine=engine, **given
        )
    from graphagg.embedding import EmbeddingConfig, NodeEmbedding

    return NodeEmbedding.build(
        edges, out, config=EmbeddingConfig(kind=kind), engine=engine, **given
    )


def measured(
    build: Callable[..., Any], result: str, job: str, clock: Callable[[], float] = time.process_time
) -> None:
    """Run a build, save its cost, and then the times of its queries."""
    stages: dict[str, float] = {}
    wall, start = time.monotonic(), clock()

    def progress(stage: str, done: int, total: int) -> None:
        stages[stage] = round(clock() - start, 2)

    with build(progress=progress) as index:
        figures = {
            "cpu": clock() - start,
            "wall": time.monotonic() - wall,
            "peak": resident("VmHWM") if clock is time.process_time else 0,
            "bytes": sum(entry.bytes for entry in index.manifest.files.values()),
            "counts": dict(index.manifest.counts),
            "cpu_at_the_end_of": stages,
        }
        save(result, figures)  # saved even if the queries are interrupted
        if job == "communities" and clock is time.process_time:
            save(result, figures | {"queries": queries(index)})


def by_spark(job: str, edges: str, out: Path, result: str, kind: str) -> None:
    """Measure a build with Spark, after an empty job."""
    from graphagg.spark.session import create_session

    scratch = Path(f"{out}.spark")
    local = {"spark.local.dir": str(scratch), "spark.sql.warehouse.dir": str(scratch / "tables")}
    with meter() as used:
        spark = create_session("large graphs", "local[2]", _SPARK | local)
        spark.sparkContext.setLogLevel("ERROR")
        spark.range(10).repartition(2).mapInPandas(lambda frames: frames, "id long").count()
        build = lambda **given: built(job, edges, out, kind, spark, **given)  # noqa: E731
        measured(build, result, job, lambda: used.cpu() + time.process_time())
        spark.stop()


def save(result: str, figures: dict[str, Any]) -> None:
    partial = Path(f"{result}.part")
    partial.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, result)


def peer(job: str, edges: str, kind: str) -> dict[str, Any]:
    """Measure a peer's index of the same neighborhoods, built from lists in memory (not timed)."""
    from graphagg.graph import load_graph

    graph = load_graph(edges, kind)
    rows = rows_of(graph)
    spent = cost(lambda: PEERS[job](*rows, *SKETCH))
    return {
        "cpu": spent.cpu,
        "wall": spent.wall,
        "peak": resident("VmHWM"),
        "bytes": 0,  # nothing is written
        "counts": {"edges": graph.edges, "vertices": len(graph.rows)},
    }


if __name__ == "__main__":
    main()
