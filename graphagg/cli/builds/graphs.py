"""Builds that read a graph: where edges come from, and how they are read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphagg.cli.builds.build import Build, RunOptions
from graphagg.cli.output.console import Built
from graphagg.errors import InvalidParameter
from graphagg.graph.kinds import GraphKind
from graphagg.graph.reading.settings import Reading
from graphagg.progress import Progress
from graphagg.spark.build import SparkOptions
from graphagg.spark.sources import seen_path

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BUNDLED = "bundled:"
"""A recipe's input that begins so is a graph that comes with networkx, by its name."""


@dataclass(frozen=True)
class GraphBuild(Build):
    """A build that reads a graph.

    Attributes:
        edges: files, folders or patterns in quotes: text (.gz), CSV, Parquet, GML, .mtx
            or JSON; Spark: Parquet or text on any path.
        parameters: what the index is built with.
        reading: how edges are read.
    """

    edges: list[str] = field(metadata={"argument": True})
    parameters: Any = None
    reading: Any = None

    @property
    def source(self) -> list[str]:
        """The edges."""
        return self.edges

    @abstractmethod
    def index_class(self) -> Any:
        """The class of the index, which has `build`."""

    @abstractmethod
    def built(self, index: Any) -> Built:
        """The result, from the opened index."""

    def task_size(self) -> int | None:
        """Entries that a task of Spark holds; None: the default."""
        return None

    def local_options(self) -> dict[str, Any]:
        """Arguments that only the build in this process takes."""
        return {}

    def check(self) -> None:
        """Read the first edges of local files, as Spark will: their columns and types."""
        if all(seen_path(path) is not None for path in self.edges):
            if not self.edges[0].startswith(BUNDLED):
                from graphagg.graph.reading.load import check_edges

                check_edges(list(self.edges), self.graph_kind(), self.read_as())

    def read_as(self) -> Reading:
        """The options of reading, as the index needs them."""
        reading: Reading = self.reading
        return reading

    @abstractmethod
    def graph_kind(self) -> GraphKind:
        """The kind of graph that the edges are read as."""

    def in_process(self, run: RunOptions, progress: Progress) -> Built:
        """Build in this process."""
        edges = find_edges(self.edges)
        options = self.options(run, progress) | self.local_options()
        with self.index_class().build(edges, run.out, **options) as index:
            return self.built(index)

    def by_spark(self, spark: SparkSession, run: RunOptions, progress: Progress) -> Built:
        """Build by Spark, or go on with an unfinished job."""
        if self.edges[0].startswith(BUNDLED):
            raise InvalidParameter(
                f"{self.edges[0]} is a graph that this process makes, and Spark reads files; build "
                "it with --engine local"
            )
        engine = SparkOptions(spark, run.work, self.task_size())
        options = self.options(run, progress)
        with self.index_class().build(self.edges, run.out, engine=engine, **options) as index:
            return self.built(index)

    def options(self, run: RunOptions, progress: Progress) -> dict[str, Any]:
        """Arguments that both engines take."""
        return {
            "config": self.parameters,
            "progress": progress,
            "force": run.force,
            **vars(self.reading),
        }


def find_edges(paths: Sequence[str]) -> Any:
    """Paths, or a bundled graph."""
    if not paths[0].startswith(BUNDLED):
        return list(paths)
    from graphagg.graph import bundled_graph

    return bundled_graph(paths[0].removeprefix(BUNDLED))
