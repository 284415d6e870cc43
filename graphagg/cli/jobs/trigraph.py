"""The job `trigraph`: an index of passages."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from graphagg.cli.jobs.log import LogLevel
from graphagg.cli.jobs.options import (
    Common,
    Config,
    DryRun,
    Force,
    Json,
    Level,
    Master,
    Out,
    Remote,
)
from graphagg.cli.jobs.passage_sizes import passage_sizes
from graphagg.cli.jobs.plan import Plan, make_plan
from graphagg.cli.jobs.run import Job, run
from graphagg.cli.jobs.sizes import measure
from graphagg.rag.spark.build import PASSAGES_A_TASK, build_with_spark, job_of
from graphagg.rag.spark.stages import STAGES, NamedModels, loaded
from graphagg.rag.version.publish import KIND

_SUFFIXES = (".jsonl", ".parquet", ".pq", ".txt", ".md")


def trigraph(
    passages: Annotated[
        str, typer.Option(help="JSONL (.gz), Parquet or a folder of texts, on any Hadoop path.")
    ],
    out: Out,
    encoder: Annotated[
        str | None, typer.Option(help="A sentence-transformers model that every worker can load.")
    ] = None,
    extractor: Annotated[str | None, typer.Option(help="A spaCy pipeline, or blank:CODE.")] = None,
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    passages_a_task: Annotated[
        int, typer.Option(min=1, help="Passages that a task annotates and encodes.")
    ] = PASSAGES_A_TASK,
    force: Force = False,
    dry_run: DryRun = False,
    log_level: Level = LogLevel.info,
    json: Json = False,
    master: Master = None,
    remote: Remote = None,
    config: Config = None,
) -> None:
    """Build a passage index; the same passages and models again are no work."""
    common = Common(out, force, dry_run, log_level, json, master, remote)
    models = NamedModels(encoder, extractor, dtype)  # type: ignore[arg-type]  # checked there

    def plan() -> Plan:
        source = measure(passages, _SUFFIXES)
        here = loaded(models)
        tasks, expected = passage_sizes(source, here.encoder.dimension, passages_a_task)
        return make_plan("trigraph", out, KIND, job_of(passages, here), source, tasks, expected)

    def build(spark: Any, progress: Any) -> dict[str, Any]:
        with build_with_spark(
            spark, passages, out, models=models, passages_a_task=passages_a_task,
            progress=progress, force=force,
        ) as index:  # fmt: skip
            return dict(index.manifest.counts)

    run(Job("trigraph", STAGES, plan, build, _line), common)


def _line(made: dict[str, Any]) -> str:
    return "{passages:,} passages, {entities:,} entities".format(**made)
