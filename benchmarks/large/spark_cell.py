"""One build by Spark: `python -m benchmarks.large.spark_cell JOB EDGES OUT RESULT [KIND]`.

Two cores of this machine (`local[2]`), pieces of the default size. CPU is that of the JVM and of
all Python processes together, by a control group where one can be made
(`benchmarks.scaling.processes`); an empty job comes first and is not counted.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.large.cell import save
from benchmarks.scaling.processes import meter

_SETTINGS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.memory": "3g",
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
    "spark.driver.maxResultSize": "32m",
}


def main() -> None:
    job, edges, out, result = sys.argv[1:5]
    kind = sys.argv[5] if len(sys.argv) > 5 else "undirected"
    from graphagg.spark.session import create_session

    scratch = Path(f"{out}.spark")
    local = {"spark.local.dir": str(scratch), "spark.sql.warehouse.dir": str(scratch / "tables")}
    with meter() as used:
        spark = create_session("large graphs", "local[2]", _SETTINGS | local)
        spark.sparkContext.setLogLevel("ERROR")
        spark.range(10).repartition(2).mapInPandas(lambda frames: frames, "id long").count()

        def cpu() -> float:
            return used.cpu() + time.process_time()

        stages: dict[str, float] = {}
        wall, start = time.monotonic(), cpu()

        def progress(stage: str, done: int, total: int) -> None:
            stages[stage] = round(cpu() - start, 2)

        with build(job, spark, edges, Path(out), kind, progress) as index:
            figures = {
                "cpu": cpu() - start,
                "wall": time.monotonic() - wall,
                "peak": 0,
                "bytes": sum(entry.bytes for entry in index.manifest.files.values()),
                "counts": dict(index.manifest.counts),
                "cpu_at_the_end_of": stages,
                "meter": used.name,
            }
        spark.stop()
    save(result, figures)


def build(job: str, spark: Any, edges: str, out: Path, kind: str, progress: Any) -> Any:
    if job == "communities-spark":
        from graphagg.communities import IndexConfig
        from graphagg.communities.spark import build_with_spark

        config: Any = IndexConfig(kind=kind)
        return build_with_spark(spark, edges, out, config=config, progress=progress)
    from graphagg.embedding import EmbeddingConfig
    from graphagg.embedding.spark_build import build_with_spark as embed_with_spark

    return embed_with_spark(spark, edges, out, config=EmbeddingConfig(kind=kind), progress=progress)


if __name__ == "__main__":
    main()
