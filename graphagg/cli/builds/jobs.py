"""All builds and jobs: `graphagg job NAME` and, for spark-submit, `jobs/NAME.py`.

Only the file of the job that runs is imported.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Annotated, Any

from graphagg.cli.builds.build import Build, Job
from graphagg.cli.builds.log import say, start_logging
from graphagg.cli.builds.run import run_build, run_job
from graphagg.cli.failures import FAILURES, failure
from graphagg.cli.main import make_app
from graphagg.cli.options import command

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
_BUILDS = {
    "communities": "communities build edges.txt.gz --out comm --kind undirected",
    "embed": "embed build edges.txt.gz --out emb --dim 64 --max-piece-edges 2000000",
    "passages": "rag index articles/ --out idx\n\n"
    "Example: graphagg rag index passages.parquet --out idx --engine spark --master local[4]",
}
"""An example of each build in this process."""


def __getattr__(name: str) -> Any:
    """`build_NAME` and `job_NAME`, the commands of a build in this process and of a job."""
    form, _, job = name.partition("_")
    if form not in ("build", "job") or job not in JOBS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, kind = JOBS[job][0].partition(".")
    file = import_module(f"graphagg.cli.builds.{module}")
    if form == "build":
        settings = {"fixed": {"log_level": "info"}}
        return _command(getattr(file, kind), _BUILDS[job], settings, by_spark=False)
    return job_command(getattr(file, kind), f"job {job} {JOBS[job][1]}")


def job_command(job: type[Job], example: str = "") -> Any:
    """The command of a job of Spark."""
    settings: dict[str, Any] = {"positional": False}
    if issubclass(job, Build):
        settings |= {"fixed": {"engine": "spark"}, "hidden": job.local_only}
    return _command(job, example, settings)


def _command(
    kind: type[Job], example: str, settings: dict[str, Any], *, by_spark: bool = True
) -> Any:
    def function(*, job: Any, run: Any) -> None:
        if not isinstance(job, Build):
            job.start(run)
        elif by_spark:
            run_job(job, run)
        else:
            run_build(job, run)

    function.__annotations__ = {"job": kind, "run": Annotated[kind.options, "How it runs"]}
    about = (kind.__doc__ or "").partition("\n")[0]
    function.__doc__ = f"{about}\n\nExample: graphagg {example}"
    return command(function, table=kind.name, **settings)


def main(name: str) -> None:
    """Run a job with the arguments of this process; never returns."""
    run_alone(name, getattr(sys.modules[__name__], f"job_{name}"))


def run_alone(name: str, job: Any) -> None:
    """Run the command of a job with the arguments of this process; never returns."""
    app = make_app(f"{name}.py")
    app.default(job)
    try:
        app(sys.argv[1:])
    except FAILURES as error:
        message, code = failure(error, app, sys.argv[1:])
        start_logging(name, "error")
        say("%s error: %s", type(error).__name__, message, level=logging.ERROR)
        sys.exit(code)
