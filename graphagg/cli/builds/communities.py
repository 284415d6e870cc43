"""The build of a community index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import typer

from graphagg.cli.builds.graphs import GraphBuild
from graphagg.cli.output.console import Built
from graphagg.communities.config import GRAPH_KIND, CommunityConfig
from graphagg.errors import InvalidParameter
from graphagg.graph.kinds import GraphKind
from graphagg.graph.reading.settings import NeededWeights, Reading, indexed_reading


def index_config(
    similarity: Annotated[
        float | None, typer.Option(help="Choose bands and rows for this Jaccard similarity.")
    ] = None,
    **values: Any,
) -> CommunityConfig:
    """The parameters; `similarity` chooses bands and rows."""
    if similarity is not None:
        from graphagg.minhash.bands import choose_bands

        if (values["bands"], values["rows"]) != (CommunityConfig.bands, CommunityConfig.rows):
            raise InvalidParameter("--similarity chooses bands and rows; give it or them, not both")
        values["bands"], values["rows"] = choose_bands(values["permutations"], similarity)
    return CommunityConfig(**values)


@dataclass(frozen=True)
class CommunitiesBuild(GraphBuild):
    """Index a graph; an index that is there stays until the new one is complete.

    Attributes:
        entries_per_task: entries of compressed rows that a Spark task holds, 100 bytes each.
            None: 2,000,000.
    """

    name: ClassVar[str] = "communities"
    table: ClassVar[str] = "communities"
    kind: ClassVar[str] = "communities"

    # Options: the fields of `CommunityConfig` and the parameters of `index_config`.
    parameters: Annotated[CommunityConfig, index_config, "Index"] = field(
        default_factory=CommunityConfig
    )
    reading: NeededWeights = field(default_factory=NeededWeights)
    entries_per_task: int | None = field(default=None, metadata={"panel": "How it runs", "min": 1})

    def read_as(self) -> Reading:
        """The options of reading, for an index with weights or without."""
        return indexed_reading(self.parameters.weights, vars(self.reading))

    def graph_kind(self) -> GraphKind:
        """The kind of graph of the kind of index."""
        return GRAPH_KIND[self.parameters.kind]

    def index_class(self) -> Any:
        """The class of the index."""
        from graphagg.communities import CommunityIndex

        return CommunityIndex

    def stages(self) -> tuple[str, ...]:
        """The stages of the job."""
        from graphagg.communities.indexing.spark import stages

        return stages(self.parameters)

    def job(self) -> dict[str, Any]:
        """Identity of the job: its input and parameters."""
        from graphagg.communities.indexing.spark import job_of
        from graphagg.graph.spark.edges import EdgeInput

        return job_of(EdgeInput.of(self.edges, self.read_as()), self.parameters)

    def task_size(self) -> int | None:
        """Entries that a task of Spark holds; None: the default."""
        return self.entries_per_task

    def built(self, index: Any) -> Built:
        """The result, with what was left out on reading."""
        read = index.read_report
        details = {"read": read.to_json() if read else {}}
        return Built.of(index.manifest, details=details, notes=read.notes() if read else ())
