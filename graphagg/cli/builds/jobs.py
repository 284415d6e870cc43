"""Every job, by its name: `graphagg job NAME`, `python -m graphagg.jobs.NAME`, `jobs/NAME.py`.

A job loads its own file when it is asked for: an error of its input waits for no other.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

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
"""The class of each job, and an example of its options."""


def job(name: str) -> Callable[..., None]:
    """The job of a name, for typer."""
    module, _, kind = JOBS[name][0].partition(".")
    file = import_module(f"graphagg.cli.builds.{module}")
    asked = getattr(file, kind)
    if issubclass(asked, Build):
        return job_command(asked)
    command: Callable[..., None] = file.answering_command(asked)
    return command


def main(name: str) -> None:
    """Run a job by the command line of this process; never returns."""
    run_alone(name, job(name))


def __getattr__(name: str) -> typer.Typer:
    """`app`, with every job, made when it is asked for."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    app = typer.Typer(help="Jobs of Spark, as spark-submit runs them.", no_args_is_help=True)
    for each, (_, example) in JOBS.items():
        app.command(each, epilog=f"Example: graphagg job {each} {example}")(job(each))
    return app
