"""The build of a community index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
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
        entries_per_block: entries of compressed rows that a Spark task holds, 100 bytes each.
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
    entries_per_block: int | None = field(
        default=None,
        metadata={"panel": "How it runs", "min": 1, "aliases": ("entries_a_block",)},
    )

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

    def engine(self) -> ModuleType:
        """The module of the Spark engine."""
        from graphagg.communities import spark

        return spark

    def job(self) -> dict[str, Any]:
        """Identity of the job: its input and parameters."""
        from graphagg.communities.spark import job_of
        from graphagg.graph.spark.edges import EdgeInput

        return job_of(EdgeInput.of(self.edges, self.read_as()), self.parameters)

    def task_size(self) -> Mapping[str, int]:
        """Entries that a task holds."""
        return {"entries_per_block": self.entries_per_block} if self.entries_per_block else {}

    def built(self, index: Any) -> Built:
        """The result, with what was left out on reading."""
        read = index.read_report
        details = {"read": read.to_json() if read else {}}
        return Built.of(index.manifest, details=details, notes=read.notes() if read else ())
