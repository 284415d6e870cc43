"""Builds that read a graph: of a community index, and of an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Annotated, Any, ClassVar

from graphagg.cli.builds.build import Build, RunOptions
from graphagg.cli.output.console import Built
from graphagg.communities.config import GRAPH_KIND, CommunityConfig
from graphagg.embedding.config import EmbeddingConfig
from graphagg.errors import InvalidParameter
from graphagg.graph.reading import settings
from graphagg.progress import Progress
from graphagg.spark.build import SparkOptions
from graphagg.spark.sources import seen_path

BUNDLED = "bundled:"
"""Prefix of the name of a graph that is part of networkx."""


@dataclass(frozen=True)
class GraphBuild(Build):
    """A build that reads a graph.

    Attributes:
        edges: files, folders or patterns in quotes: text (.gz), CSV, Parquet, GML; Spark: Parquet
            or text on any path.
        parameters: configuration of the index.
        reading: how edges are read.
        spark_module: module of the Spark build, with `stages`.
    """

    spark_module: ClassVar[str]

    edges: list[str] = field(metadata={"argument": True})
    parameters: Any = None
    reading: Any = None

    def built(self, index: Any) -> Built:
        """The result, with counts of the edges read."""
        read = index.read_report
        details = {"read": read.to_json() if read else {}}
        return Built.of(index.manifest, details=details, notes=read.notes() if read else ())

    def read_as(self) -> Any:
        """Options for reading edges."""
        return self.reading

    def stages(self) -> tuple[str, ...]:
        """Names of the stages on Spark, in order."""
        return tuple(import_module(self.spark_module).stages(self.parameters))

    def job(self) -> dict[str, Any]:
        """Input and parameters, which identify the job."""
        from graphagg.graph.spark.edges import EdgeInput

        return EdgeInput.of(self.edges, self.read_as()).job(self.parameters)

    def check(self, by_spark: bool) -> None:
        """Read the first edges of local files, to check columns and types."""
        if self.edges[0].startswith(BUNDLED) or any(seen_path(path) is None for path in self.edges):
            return
        from graphagg.graph.reading.load import check_edges

        kind = self.parameters.kind
        check_edges(list(self.edges), GRAPH_KIND.get(kind, kind), self.read_as())

    def build(self, run: RunOptions, progress: Progress, engine: SparkOptions | None) -> Built:
        """Build in this process, or with Spark."""
        if engine is not None and self.edges[0].startswith(BUNDLED):
            raise InvalidParameter(
                f"{self.edges[0]} is not a file that Spark can read; build it with --engine local"
            )
        with self.index_class.build(
            find_edges(self.edges), run.out, config=self.parameters, engine=engine or "local",
            progress=progress, force=run.force, columns=self.reading,
        ) as index:  # fmt: skip
            return self.built(index)


def find_edges(paths: Sequence[str]) -> Any:
    """Paths, or a bundled graph."""
    if not paths[0].startswith(BUNDLED):
        return list(paths)
    from graphagg.graph import bundled_graph

    return bundled_graph(paths[0].removeprefix(BUNDLED))


# --- communities ---------------------------------------------------------------------------------


def community_config(*, similarity: float | None = None, **values: Any) -> CommunityConfig:
    """Choose bands and rows by `similarity`, if it is given.

    Options:
        similarity: choose bands and rows for this Jaccard similarity.
    """
    if similarity is not None:
        from graphagg.minhash.bands import choose_bands

        if (values["bands"], values["rows"]) != (CommunityConfig.bands, CommunityConfig.rows):
            raise InvalidParameter("--similarity chooses bands and rows; give it or them, not both")
        values["bands"], values["rows"] = choose_bands(values["permutations"], similarity)
    return CommunityConfig(**values)


@dataclass(frozen=True)
class CommunitiesBuild(GraphBuild):
    """Index a graph; an old index stays until the new one is complete.

    Attributes:
        entries_per_task: entries of compressed rows that a Spark task holds, 100 bytes each.
            None: 2,000,000.
    """

    name: ClassVar[str] = "communities"
    kind: ClassVar[str] = "communities"
    package: ClassVar[str] = "communities.CommunityIndex"
    task_size: ClassVar[str] = "entries_per_task"
    spark_module: ClassVar[str] = "graphagg.communities.indexing.spark"

    parameters: Annotated[CommunityConfig, community_config, "Index"] = field(
        default_factory=CommunityConfig
    )
    reading: settings.NeededWeights = field(default_factory=settings.NeededWeights)
    entries_per_task: int | None = field(default=None, metadata={"panel": "How it runs"})

    def read_as(self) -> settings.EdgeReading:
        """Options for reading edges, with weights if the index needs them."""
        return settings.indexed_reading(self.parameters.weights, self.reading)


# --- embedding -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class EmbeddingBuild(GraphBuild):
    """Embed a graph; an old index stays until the new one is complete."""

    name: ClassVar[str] = "embed"
    kind: ClassVar[str] = "embedding"
    package: ClassVar[str] = "embedding.NodeEmbedding"
    spark_module: ClassVar[str] = "graphagg.embedding.spark.write"

    parameters: Annotated[EmbeddingConfig, "Embedding"] = field(default_factory=EmbeddingConfig)
    reading: settings.WeightedReading = field(default_factory=settings.WeightedReading)

    def built(self, index: Any) -> Built:
        """The result, with the quality of the partition."""
        report, read = index.partition_report.to_json(), index.read_report
        notes = read.notes() if read else []
        width = index.vectors.shape[1]
        if width < self.parameters.dim:
            notes.append(f"dim: {width}, because the graph has no more directions")
        details = {"dim": width, "read": read.to_json() if read else {}, "partition": report}
        last = report["levels"][-1]
        notes.append(
            f"partition by {report['partitioner']}: {last['pieces']} pieces, {last['cut']:.1%} of "
            f"the edges cut, {report['hubs']} nodes split"
        )
        return Built.of(index.manifest, details=details, notes=notes)
