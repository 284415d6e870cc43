"""`graphagg communities build` and `embed build`: indices of a graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Annotated, Any, ClassVar

from graphagg.cli.builds.build import RUN, RUNS, Build, RunOptions
from graphagg.cli.builds.run import run_build
from graphagg.cli.folders import BUNDLED, READING, find_edges
from graphagg.cli.options import ARGUMENT, FLAT, heading, panel
from graphagg.cli.output.console import Built
from graphagg.communities.config import GRAPH_KIND, CommunityConfig
from graphagg.embedding.config import EmbeddingConfig
from graphagg.errors import InvalidParameter
from graphagg.graph.reading import settings
from graphagg.progress import Progress
from graphagg.spark.build import SparkOptions
from graphagg.spark.sources import seen_path


@dataclass(frozen=True)
class GraphBuild(Build):
    """A build that reads a graph.

    Attributes:
        edges: files, folders or quoted patterns of text (.gz), CSV or Parquet; with Spark, text or
            Parquet on any path.
        parameters: configuration of the index.
        reading: settings for reading edges.
        spark_module: module of the Spark build; has a function `stages`.
    """

    spark_module: ClassVar[str]

    edges: Annotated[list[str], ARGUMENT]
    parameters: Any = None
    reading: Any = None

    @property
    def config(self) -> Any:
        """The configuration of the index."""
        return self.parameters

    def built(self, index: Any) -> Built:
        """Return the result, with counts of the edges read."""
        read = index.read_report
        details = {"read": read.to_json() if read else {}}
        return Built.of(index.manifest, details=details, notes=read.notes() if read else ())

    def stages(self) -> tuple[str, ...]:
        """Return the names of the Spark stages, in order."""
        return tuple(import_module(self.spark_module).stages(self.config))

    def job(self) -> dict[str, Any]:
        """Return the input and the parameters, which identify the job."""
        from graphagg.graph.spark.edges import EdgeInput

        return EdgeInput.of(self.edges, self.reading).job(self.config)

    def check(self) -> None:
        """Read the first edges of local files, to check columns and types."""
        if self.edges[0].startswith(BUNDLED) or any(seen_path(path) is None for path in self.edges):
            return
        from graphagg.graph.reading.load import check_edges

        kind = self.config.kind
        check_edges(list(self.edges), GRAPH_KIND.get(kind, kind), self.reading)

    def build(self, run: RunOptions, progress: Progress, engine: SparkOptions | None) -> Built:
        """Build in this process, or with Spark."""
        if engine is not None and self.edges[0].startswith(BUNDLED):
            raise InvalidParameter(
                f"{self.edges[0]} is not a file that Spark can read; build it with --engine local"
            )
        with self.index_class.build(
            find_edges(self.edges), run.out, config=self.config, engine=engine or "local",
            progress=progress, force=run.force, columns=self.reading,
        ) as index:  # fmt: skip
            return self.built(index)


@dataclass(frozen=True)
class CommunitiesBuild(GraphBuild):
    """Build of a community index.

    Attributes:
        entries_per_task: number of matrix entries per Spark task, 100 bytes each. None: 2,000,000.
    """

    name: ClassVar[str] = "communities"
    package: ClassVar[str] = "communities.CommunityIndex"
    task_size: ClassVar[str] = "entries_per_task"
    spark_module: ClassVar[str] = "graphagg.communities.indexing.spark"

    parameters: Annotated[CommunityConfig, panel("Index")] = field(
        default_factory=CommunityConfig, kw_only=True
    )
    reading: Annotated[settings.EdgeReading, READING] = field(
        default_factory=settings.EdgeReading, kw_only=True
    )
    entries_per_task: Annotated[int | None, heading(RUNS)] = field(default=None, kw_only=True)


@dataclass(frozen=True)
class EmbeddingBuild(GraphBuild):
    """Build of an embedding."""

    name: ClassVar[str] = "embed"
    package: ClassVar[str] = "embedding.NodeEmbedding"
    spark_module: ClassVar[str] = "graphagg.embedding.spark.write"

    parameters: Annotated[EmbeddingConfig, panel("Embedding")] = field(
        default_factory=EmbeddingConfig, kw_only=True
    )
    reading: Annotated[settings.WeightedReading, READING] = field(
        default_factory=settings.WeightedReading, kw_only=True
    )

    def built(self, index: Any) -> Built:
        """Return the result, with the quality of the partition."""
        report, read = index.partition_report.to_json(), index.read_report
        notes = read.notes() if read else []
        width = index.vectors.shape[1]
        if width < self.config.dim:
            notes.append(f"dim: {width}, because the graph has no further dimensions")
        details = {"dim": width, "read": read.to_json() if read else {}, "partition": report}
        last = report["levels"][-1]
        notes.append(
            f"partition by {report['partitioner']}: {last['pieces']} pieces, {last['cut']:.1%} of "
            f"the edges cut, {report['hubs']} nodes split"
        )
        return Built.of(index.manifest, details=details, notes=notes)


def communities(
    build: Annotated[CommunitiesBuild, FLAT], *, run: Annotated[RunOptions, RUN]
) -> None:
    """Index a graph. An existing index is replaced when the new one is complete.

    Example: graphagg communities build edges.txt.gz --out comm --kind undirected
    """
    run_build(build, run)


def embed(build: Annotated[EmbeddingBuild, FLAT], *, run: Annotated[RunOptions, RUN]) -> None:
    """Embed a graph. An existing index is replaced when the new one is complete.

    Example: graphagg embed build edges.txt.gz --out emb --dim 64 --max-piece-edges 2000000
    """
    run_build(build, run)
