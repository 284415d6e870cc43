"""What the three Spark jobs share: options, the session, and what they print."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Literal

from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.spark import Stage, build_with_spark, run_until
from graphagg.errors import GraphAggError
from graphagg.spark import create_session

Job = Literal["prepare", "partition", "embed"]


def main(job: Job, description: str | None) -> int:
    """Run a job with the options of the command line; the exit code."""
    given = _parser(description).parse_args()
    try:
        config = EmbeddingConfig(
            dim=given.dim,
            pieces=given.pieces,
            max_piece_edges=given.max_piece_edges,
            partitioner=given.partitioner,
            propagate=given.propagate,
            kind=given.kind,
            dtype=given.dtype,
            random_state=given.random_state,
        )
        spark = create_session(f"graphagg {job}")
        print(json.dumps(_run(job, spark, given, config), indent=1))
        spark.stop()
    except GraphAggError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


def _run(job: Job, spark: Any, given: argparse.Namespace, config: EmbeddingConfig) -> Any:
    options: dict[str, Any] = {
        "config": config,
        "ids": given.ids,
        "weighted": given.weighted,
        "progress": _say,
        "force": given.force,
    }
    if job == "embed":
        index = build_with_spark(spark, given.edges, given.out, **options)
        return {**index.manifest.counts, "partition": index.report.to_json()}
    stage: Stage = "entries" if job == "prepare" else "partition"
    return run_until(spark, given.edges, given.out, stage, **options)


def _say(stage: str, done: int, total: int) -> None:
    print(f"{stage}: {done} of {total}", file=sys.stderr, flush=True)


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--edges", required=True, help="Parquet with src, dst (and weight), or text (.gz)")
    add("--out", required=True, help="index directory that all executors share")
    add("--dim", type=int, default=128)
    add("--pieces", type=int)
    add("--max-piece-edges", type=int)
    add("--partitioner", default="auto", help="auto, metis or propagation")
    add("--propagate", type=int, default=1)
    add("--kind", default="undirected", help="undirected, directed or two-mode")
    add("--dtype", default="float32", help="float32 or float16")
    add("--random-state", type=int, default=0)
    add("--ids", default="auto", help="auto, integer or string")
    add("--weighted", action=argparse.BooleanOptionalAction, default=True)
    add("--force", action="store_true")
    return parser
