"""All jobs: `graphagg job NAME`, `python -m graphagg.jobs.NAME`, `jobs/NAME.py`.

Only the file of the job that runs is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer

from graphagg.cli.builds.build import Build
from graphagg.cli.builds.run import job_command, run_alone

JOBS = {
    "communities": ("graphs.CommunitiesBuild", "--edges edges.parquet --out idx"),
    "embed": ("graphs.EmbeddingBuild", "--edges edges.parquet --out idx"),
    "passages": ("passages.PassagesBuild", "--passages passages.jsonl --out idx"),
    "query_communities": (
        "queries.CommunityQueries", "--index comm --seeds seeds.parquet --out members.parquet",
    ),
    "neighbors": (
        "queries.NeighborQueries", "--index emb --vertices users.parquet --out near.parquet",
    ),
    "retrieve": ("queries.Retrieval", "--index idx --questions questions.csv --out hits.parquet"),
}  # fmt: skip
"""By name, the class of a job, and an example of its options."""


def job(name: str) -> Callable[..., None]:
    """The job of a name, for typer."""
    module, _, kind = JOBS[name][0].partition(".")
    file: Any = import_module(f"graphagg.cli.builds.{module}")
    job_class = getattr(file, kind)
    if issubclass(job_class, Build):
        return job_command(job_class)
    command: Callable[..., None] = file.answering_command(job_class)
    return command


def main(name: str) -> None:
    """Run a job with the arguments of this process; never returns."""
    run_alone(name, job(name))


def __getattr__(name: str) -> typer.Typer:
    """`app` with all jobs, made at its first use."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    app = typer.Typer(help="Jobs of Spark, as spark-submit runs them.", no_args_is_help=True)
    for each, (_, example) in JOBS.items():
        app.command(each, epilog=f"Example: graphagg job {each} {example}")(job(each))
    return app
