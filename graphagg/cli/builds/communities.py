"""The build of a community index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from graphagg.cli.builds.build import Build, Built, RunOptions
from graphagg.cli.builds.edges import Reading, find_edges
from graphagg.communities.config import IndexConfig
from graphagg.errors import InvalidParameter
from graphagg.progress import Progress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from graphagg.communities import CommunityIndex


def index_config(
    similarity: Annotated[
        float | None, typer.Option(help="Choose bands and rows for this Jaccard similarity.")
    ] = None,
    **values: Any,
) -> IndexConfig:
    """The parameters; `similarity` chooses bands and rows."""
    if similarity is not None:
        from graphagg.communities.similarity.lsh import choose_bands

        if (values["bands"], values["rows"]) != (IndexConfig.bands, IndexConfig.rows):
            raise InvalidParameter("--similarity chooses bands and rows; give it or them, not both")
        values["bands"], values["rows"] = choose_bands(values["permutations"], similarity)
    return IndexConfig(**values)


@dataclass(frozen=True)
class CommunitiesBuild(Build):
    """Index a graph; an index that is there stays until the new one is complete.

    Attributes:
        edges: text (.gz), CSV, Parquet, GML, .jlg or JSON; Spark: Parquet or text on any path.
        entries_a_block: entries of compressed rows that a Spark task holds, 100 bytes each. None:
            2,000,000.
    """

    name: ClassVar[str] = "communities"
    table: ClassVar[str] = "communities"
    kind: ClassVar[str] = "communities"

    edges: str = field(metadata={"argument": True})
    parameters: Annotated[IndexConfig, index_config, "Index"] = field(default_factory=IndexConfig)
    reading: Reading = field(default_factory=Reading)
    entries_a_block: int | None = field(default=None, metadata={"panel": "How it runs", "min": 1})

    @property
    def source(self) -> str:
        """The edges."""
        return self.edges

    def stages(self) -> tuple[str, ...]:
        """The stages of the Spark engine, in their order."""
        from graphagg.communities.spark import stages

        return stages(self.parameters)

    def job(self) -> dict[str, Any]:
        """Identity of the job: its input and parameters."""
        from graphagg.communities.spark import job_of

        return job_of(self.edges, self.reading.ids, self.reading.header, self.parameters)

    def in_process(self, run: RunOptions, progress: Progress) -> Built:
        """Build in this process."""
        from graphagg.communities import CommunityIndex

        with CommunityIndex.build(
            find_edges(self.edges), run.out, **self._options(run, progress)
        ) as index:
            return _built(index)

    def by_spark(self, spark: SparkSession, run: RunOptions, progress: Progress) -> Built:
        """Build by Spark, or go on with an unfinished job."""
        from graphagg.communities.spark import ENTRIES_A_BLOCK, build_with_spark

        entries = self.entries_a_block or ENTRIES_A_BLOCK
        with build_with_spark(
            spark, self.edges, run.out, entries_a_block=entries, **self._options(run, progress)
        ) as index:
            return _built(index)

    def _options(self, run: RunOptions, progress: Progress) -> dict[str, Any]:
        return {
            "config": self.parameters,
            "progress": progress,
            "force": run.force,
            **vars(self.reading),
        }


def _built(index: CommunityIndex) -> Built:
    read = index.report.to_json() if index.report else {}
    notes = [
        f"{name.replace('_', ' ')}: {value}"
        for name, value in read.items()
        if value and name not in ("edges", "edges_read")
    ]
    return Built.of(index.manifest, details={"read": read}, notes=notes)
