"""The build of an embedding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from rich.table import Table

from graphagg.checks import bytes_of
from graphagg.cli.builds.build import RunOptions
from graphagg.cli.builds.graphs import GraphBuild
from graphagg.cli.output.console import Built
from graphagg.embedding.config import EmbeddingConfig
from graphagg.errors import InvalidParameter
from graphagg.graph.kinds import GraphKind
from graphagg.graph.reading.settings import WeightedReading
from graphagg.progress import Progress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LEVEL = (
    "pieces", "cut", "edge_balance", "vertex_balance", "border", "copies", "largest",
)  # fmt: skip


def embedding_config(
    directed: Annotated[
        bool, typer.Option("--directed", help="The same as --kind directed.")
    ] = False,
    two_mode: Annotated[
        bool,
        typer.Option("--two-mode", help="The same as --kind two-mode."),
    ] = False,
    **values: Any,
) -> EmbeddingConfig:
    """The parameters; `directed` and `two_mode` are short for a kind."""
    if directed and two_mode:
        raise InvalidParameter("--directed and --two-mode exclude each other; give one of them")
    if directed or two_mode:
        kind = "directed" if directed else "two-mode"
        if values["kind"] not in ("undirected", kind):
            raise InvalidParameter(f"--{kind} and --kind {values['kind']} exclude each other")
        values["kind"] = kind
    return EmbeddingConfig(**values)


@dataclass(frozen=True)
class EmbeddingBuild(GraphBuild):
    """Embed a graph; an index that is there stays until the new one is complete.

    Attributes:
        memory: memory limit of the build, such as 8GiB; chooses the size of pieces and the cut
            where other options leave them open. None: as configured.
    """

    name: ClassVar[str] = "embed"
    table: ClassVar[str] = "embed"
    kind: ClassVar[str] = "embedding"
    local_only: ClassVar[tuple[str, ...]] = ("memory",)

    parameters: Annotated[EmbeddingConfig, embedding_config, "Embedding"] = field(
        default_factory=EmbeddingConfig
    )
    reading: WeightedReading = field(default_factory=WeightedReading)
    memory: str | None = field(default=None, metadata={"panel": "How it runs"})

    def __post_init__(self) -> None:
        if self.memory is not None:
            bytes_of("memory", self.memory)

    def local_options(self) -> dict[str, Any]:
        """Arguments that only the build in this process takes."""
        return {"memory": self.memory}

    def by_spark(self, spark: SparkSession, run: RunOptions, progress: Progress) -> Built:
        """Build by Spark, or go on with an unfinished job."""
        if self.memory is not None:
            raise InvalidParameter(
                "--memory is of --engine local; with Spark a task holds a piece: give "
                "--max-piece-edges"
            )
        return super().by_spark(spark, run, progress)

    def graph_kind(self) -> GraphKind:
        """The kind of graph that is embedded."""
        return self.parameters.kind

    def index_class(self) -> Any:
        """The class of the index."""
        from graphagg.embedding import NodeEmbedding

        return NodeEmbedding

    def stages(self) -> tuple[str, ...]:
        """The stages of the job."""
        from graphagg.embedding.spark.write import stages

        return stages(self.parameters)

    def job(self) -> dict[str, Any]:
        """Identity of the job: its input and parameters."""
        from graphagg.embedding.spark.write import job_of
        from graphagg.graph.spark.edges import EdgeInput

        return job_of(EdgeInput.of(self.edges, self.reading), self.parameters)

    def built(self, index: Any) -> Built:
        """The result, with the quality of the partition."""
        report, read = index.partition_report.to_json(), index.read_report
        notes = read.notes() if read else []
        width = index.vectors.shape[1]
        if width < self.parameters.dim:
            notes.append(f"dim: {width}, for the graph has no more directions")
        return Built.of(
            index.manifest,
            details={"dim": width, "read": read.to_json() if read else {}, "partition": report},
            notes=notes,
            table=_partition_table(report),
        )


def _partition_table(report: dict[str, Any]) -> Table:
    title = f"partition by {report['partitioner']}, {report['hubs']} nodes split"
    names = [name.replace("_", " ") for name in _LEVEL]
    table = Table("level", *names, title=title, title_justify="left", box=None, pad_edge=False)
    for rank, level in enumerate(report["levels"], start=1):
        shares = (f"{level[name]:.3f}" for name in _LEVEL[1:])
        table.add_row(str(rank), str(level["pieces"]), *shares)
    return table
