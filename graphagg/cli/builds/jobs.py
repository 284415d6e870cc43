"""Every job, by its name: `graphagg job NAME`, `python -m graphagg.jobs.NAME`, `jobs/NAME.py`."""

from __future__ import annotations

from collections.abc import Callable

import typer

from graphagg.cli.builds.build import Build
from graphagg.cli.builds.communities import CommunitiesBuild
from graphagg.cli.builds.embedding import EmbeddingBuild
from graphagg.cli.builds.passages import PassagesBuild
from graphagg.cli.builds.queries import (
    Answering,
    CommunityQueries,
    NeighborQueries,
    Retrieval,
    answering_command,
)
from graphagg.cli.builds.run import job_command, run_alone

BUILDS: tuple[type[Build], ...] = (CommunitiesBuild, EmbeddingBuild, PassagesBuild)
QUERIES: tuple[type[Answering], ...] = (CommunityQueries, NeighborQueries, Retrieval)
JOBS: dict[str, Callable[..., None]] = {
    **{build.name: job_command(build) for build in BUILDS},
    **{kind.name: answering_command(kind) for kind in QUERIES},
}

_EXAMPLES = {
    **dict.fromkeys(("communities", "embed"), "--edges edges.parquet --out idx"),
    "trigraph": "--passages passages.jsonl --out idx",
    "query_communities": "--index comm --seeds seeds.parquet --out members.parquet",
    "neighbors": "--index emb --vertices users.parquet --out near.parquet",
    "retrieve": "--index idx --questions questions.csv --out hits.parquet",
}

app = typer.Typer(help="Jobs of Spark, as spark-submit runs them.", no_args_is_help=True)
for _name, _job in JOBS.items():
    app.command(_name, epilog=f"Example: graphagg job {_name} {_EXAMPLES[_name]}")(_job)


def main(name: str) -> None:
    """Run a job by the command line of this process; never returns."""
    run_alone(name, JOBS[name])
