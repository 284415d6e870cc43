"""The jobs `prepare_graph`, `partition` and `embed`: each goes on where the one before ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer

from graphagg.cli.jobs.graph_sizes import GraphSize, embedding_sizes
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
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.index import KIND
from graphagg.embedding.spark.build import build_with_spark, job_of, run_until, stages
from graphagg.embedding.spark.entries import Source

Name = Literal["prepare_graph", "partition", "embed"]
_UNTIL: dict[Name, Literal["entries", "partition"]] = {
    "prepare_graph": "entries",
    "partition": "partition",
}
_LINES = {
    "prepare_graph": "{nodes:,} nodes, {edges:,} edges, {entries:,} entries",
    "partition": "{pieces:,} pieces by {partitioner}, {cut:.3g} of the edges cut",
    "embed": "{vertices:,} vertices, {edges:,} edges, {pieces:,} pieces",
}


def command(name: Name) -> Callable[..., None]:
    """The command of one of the three jobs; all have the same options."""

    def job(
        edges: Edges,
        out: Out,
        dim: Annotated[int, typer.Option(help="Length of a vector.")] = 128,
        pieces: Annotated[int | None, typer.Option(help="How many pieces.")] = None,
        max_piece_edges: Annotated[
            int | None,
            typer.Option(help="Matrix entries (an edge has two) a piece holds.  [5000000]"),
        ] = None,
        partitioner: Annotated[str, typer.Option(help="auto, metis or streaming.")] = "auto",
        propagate: Annotated[int, typer.Option(help="Passes of spectral propagation, 0 to 2.")] = 1,
        kind: Annotated[str, typer.Option(help="undirected, directed or two-mode.")] = "undirected",
        dtype: Annotated[str, typer.Option(help="float32 or float16.")] = "float32",
        random_state: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
        ids: Ids = "auto",
        weighted: Annotated[
            bool, typer.Option(help="Use the weights where edges carry any.")
        ] = True,
        vertices: Vertices = None,
        force: Force = False,
        dry_run: DryRun = False,
        log_level: Level = LogLevel.info,
        json: Json = False,
        master: Master = None,
        remote: Remote = None,
        config: Config = None,
    ) -> None:
        common = Common(out, force, dry_run, log_level, json, master, remote)
        settings = EmbeddingConfig(
            dim=dim, pieces=pieces, max_piece_edges=max_piece_edges,
            partitioner=partitioner,  # type: ignore[arg-type]  # checked there
            propagate=propagate,
            kind=kind,  # type: ignore[arg-type]
            dtype=dtype,  # type: ignore[arg-type]
            random_state=random_state,
        )  # fmt: skip
        source = Source(edges, ids, None, weighted)  # type: ignore[arg-type]
        _run(name, source, settings, common, vertices)

    job.__doc__ = {
        "prepare_graph": "Read and number a graph, and stop; `partition` or `embed` goes on.",
        "partition": "Cut a graph into pieces, and stop; `embed` goes on.",
        "embed": "Embed a graph; the same input and parameters again are no work.",
    }[name]
    return job


def _run(
    name: Name,
    source: Source,
    settings: EmbeddingConfig,
    common: Common,
    vertices: int | None,
) -> None:
    until = _UNTIL.get(name)
    own = stages(settings, until)

    def plan() -> Plan:
        given = measure(source.edges)
        size = GraphSize.of(given, vertices)
        tasks, expected = embedding_sizes(size, settings, own)
        return make_plan(name, common.out, KIND, job_of(source, settings), given, tasks, expected)

    def build(spark: Any, progress: Any) -> dict[str, Any]:
        options: dict[str, Any] = {
            "config": settings,
            "ids": source.ids,
            "weighted": source.weighted,
            "progress": progress,
            "force": common.force,
        }
        if until is not None:
            return run_until(spark, source.edges, common.out, until, **options)
        with build_with_spark(spark, source.edges, common.out, **options) as index:
            return {**index.manifest.counts, "partition": index.report.to_json()}

    def line(made: dict[str, Any]) -> str:
        return _LINES[name].format(**made | dict((made.get("levels") or [{}])[-1]))

    run(Job(name, own, plan, build, line), common)
