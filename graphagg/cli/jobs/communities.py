"""The job `communities`: an index of communities from edges."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from graphagg.cli.jobs.graph_sizes import GraphSize, community_sizes
from graphagg.cli.jobs.log import LogLevel
from graphagg.cli.jobs.options import (
    Common,
    Config,
    DryRun,
    Edges,
    Force,
    Ids,
    Json,
    Level,
    Master,
    Out,
    Remote,
    Vertices,
)
from graphagg.cli.jobs.plan import Plan, make_plan
from graphagg.cli.jobs.run import Job, run
from graphagg.cli.jobs.sizes import measure
from graphagg.communities import IndexConfig
from graphagg.communities.build import KIND
from graphagg.communities.spark import ENTRIES_A_BLOCK, build_with_spark, job_of, stages


def communities(
    edges: Edges,
    out: Out,
    kind: Annotated[
        str, typer.Option(help="undirected, directed-in, directed-out or two-mode.")
    ] = "undirected",
    closed: Annotated[
        bool | None,
        typer.Option(
            "--closed/--no-closed", help="Does a vertex belong to its own set?  [yes, but two-mode]"
        ),
    ] = None,
    permutations: Annotated[int, typer.Option(help="Slots of a signature.")] = 128,
    bands: Annotated[int, typer.Option(help="LSH bands.")] = 64,
    rows: Annotated[int, typer.Option(help="Slots a band.")] = 2,
    ids: Ids = "auto",
    entries_a_block: Annotated[
        int, typer.Option(min=1, help="Entries of the matrix that a task holds; 100 bytes each.")
    ] = ENTRIES_A_BLOCK,
    vertices: Vertices = None,
    force: Force = False,
    dry_run: DryRun = False,
    log_level: Level = LogLevel.info,
    json: Json = False,
    master: Master = None,
    remote: Remote = None,
    config: Config = None,
) -> None:
    """Build an index of communities; the same input and parameters again are no work."""
    common = Common(out, force, dry_run, log_level, json, master, remote)
    settings = IndexConfig(kind, closed, permutations, bands, rows)  # type: ignore[arg-type]  # checked there

    def plan() -> Plan:
        source = measure(edges)
        size = GraphSize.of(source, vertices)
        tasks, expected = community_sizes(size, settings, entries_a_block)
        job = job_of(edges, ids, None, settings)  # type: ignore[arg-type]  # checked there
        return make_plan("communities", out, KIND, job, source, tasks, expected)

    def build(spark: Any, progress: Any) -> dict[str, Any]:
        with build_with_spark(
            spark, edges, out, config=settings, ids=ids, entries_a_block=entries_a_block,  # type: ignore[arg-type]
            progress=progress, force=force,
        ) as index:  # fmt: skip
            read = index.report.to_json() if index.report else {}
            return {**index.manifest.counts, "read": read}

    run(Job("communities", stages(settings), plan, build, _line), common)


def _line(made: dict[str, Any]) -> str:
    return "{vertices:,} vertices, {edges:,} edges".format(**made)
