"""`CommunityIndex`: build, open, query and change a community index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from graphagg.arrays import Ints
from graphagg.checks import integer
from graphagg.communities.answer.results import Community, answer
from graphagg.communities.config import (
    GRAPH_KIND,
    CommunityConfig,
    CommunityOptions,
    Method,
    check_method,
)
from graphagg.communities.query.vertex_ranking import VertexRanking
from graphagg.communities.snapshot import CommunitySnapshot, IndexGraph
from graphagg.errors import ArtifactBusy, EmptyGraph, InvalidSeeds, UnknownVertex
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.ids import VertexId, VertexIds, id_list
from graphagg.graph.reading.settings import EdgeReading, config_with
from graphagg.progress import Progress, silent
from graphagg.store import Artifact, Publication
from graphagg.store.changes import ChangeReport
from graphagg.store.index import Index

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from graphagg.spark.build import Engine

StrPath = str | os.PathLike[str]

_CONFIG = CommunityConfig()
_COLUMNS = EdgeReading()


class CommunityIndex(Index[CommunitySnapshot]):
    """An index of a graph's neighborhoods, opened from its directory.

    Use `CommunityIndex.build` or `CommunityIndex.open`. Queries are thread-safe. The index keeps
    the version that it opened, even if another process publishes a newer one; changes such as
    `add` start from the newest version.

    Attributes:
        read_report: counts of the edges read, if this object built the index; else None.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> edges = [("ann", "bob"), ("bob", "cat"), ("cat", "ann"), ("cat", "dan")]
        >>> folder = TemporaryDirectory()
        >>> with CommunityIndex.build(edges, folder.name) as index:
        ...     [member.id for member in index.query(["ann"], k=2).members]
        ['bob', 'cat']
        >>> with CommunityIndex.open(folder.name) as index:
        ...     len(index), index.manifest.counts["edges"]
        (4, 4)
        >>> index = CommunityIndex.open(folder.name)
        >>> index.find("bob"), index.find_seeds(["bob", "bob"]), index.graph().edges
        (1, array([1]), 4)
        >>> index.rank(index.find_seeds(["ann"]), 2, method="jaccard").vertices.tolist()
        [0, 1, 2, 3]
        >>> index.query_on_spark(spark.table("questions")).show()  # doctest: +SKIP
    """

    KIND = "communities"
    read_report: ReadReport | None = None

    def _read(self, artifact: Artifact, before: CommunitySnapshot | None) -> CommunitySnapshot:
        return CommunitySnapshot.open(artifact)

    @property
    def snapshot(self) -> CommunitySnapshot:
        """The mapped arrays of the opened version."""
        return self._version

    @property
    def config(self) -> CommunityConfig:
        """The kind of graph, and the parameters."""
        return self.snapshot.config

    @property
    def vertices(self) -> VertexIds:
        """Ids of the vertices; the number of a vertex is its position."""
        return self.snapshot.vertices

    @property
    def elements(self) -> VertexIds:
        """Ids of the set members: the elements of a two-mode graph, otherwise the vertices."""
        return self.snapshot.elements

    @classmethod
    def build(
        cls,
        edges: Any,
        directory: StrPath,
        *,
        config: CommunityConfig = _CONFIG,
        columns: EdgeReading = _COLUMNS,
        vertices: Iterable[VertexId] = (),
        engine: Engine | None = None,
        progress: Progress = silent,
        force: bool = False,
        **fields: Unpack[CommunityOptions],
    ) -> CommunityIndex:
        """Index a graph into `directory` and open it.

        If the directory has an index of the same graph and parameters, it is not built again unless
        `force`. The old index stays until the new one is complete. Input files of 256 MiB and more
        are indexed in little memory, with intermediate files in `<directory>.work`; if the build is
        killed, the next one resumes from these files.

        Args:
            edges: anything that `graphagg.graph.load_graph` accepts. With Spark: a DataFrame,
                `table:NAME`, or paths of Parquet or text files, folders or patterns.
            directory: directory of the index; it is created if it does not exist.
            config: the kind of graph, and parameters.
            columns: how edges are read, such as `EdgeReading(source="from_user")`.
            vertices: additional vertices, even without an edge; not with Spark.
            engine: "local", "spark", or a `graphagg.spark.SparkOptions`. None: Spark for a
                DataFrame or a table. Both write the same bytes.
            progress: called with stage, done, total.
            force: build even if nothing changed, and discard an unfinished job.
            fields: fields of `CommunityConfig`, such as `permutations=64`; they override `config`.

        Raises:
            InvalidGraph, EmptyGraph, UnreadableFile: the edges are invalid.
            ArtifactBusy, ArtifactError, WriteFailed: the directory is in use or cannot be written.
            ParametersDiffer, JobFailed: a Spark job failed; the same call resumes it.

        Examples:
            >>> from tempfile import TemporaryDirectory
            >>> folder, follows = TemporaryDirectory(), [(1, 2), (3, 2), (3, 1)]
            >>> index = CommunityIndex.build(follows, folder.name, kind="directed-in")
            >>> index.read_report.edges, list(index.vertices)
            (3, [1, 2, 3])
        """
        from graphagg.spark.build import SparkOptions
        from graphagg.spark.sources import refuse

        if "kind" in fields:  # the default of `closed` depends on it
            fields.setdefault("closed", None)
        config = config_with(config, fields)
        reading = columns.unweighted()
        ids = id_list("vertices", vertices)
        if (options := SparkOptions.from_engine(engine, edges)) is not None:
            refuse(vertices=tuple(ids))
            from graphagg.communities.indexing.spark import build_by_spark

            report = build_by_spark(options, edges, directory, config, reading, progress, force)
        else:
            from graphagg.communities.indexing.files import build_here

            report = build_here(edges, directory, config, reading, ids, progress, force)
        index = cls.open(directory)
        index.read_report = report
        return index

    def __len__(self) -> int:
        return len(self.vertices)

    def query(
        self, seeds: VertexId | Iterable[VertexId], k: int = 50, *, method: Method = "fused"
    ) -> Community:
        """Find the community of some vertices.

        Args:
            seeds: ids of vertices, or one id; repeats count once.
            k: number of members besides the seeds.
            method: `fused`, `minhash`, `jaccard`, `agglomerative` or `pagerank`.

        Raises:
            InvalidSeeds: there are no seeds, or none has a neighbor.
            UnknownVertex: a seed is not in the graph; the error lists similar ids.
            InvalidParameter: `k` or `method` is invalid.

        Examples:
            >>> from tempfile import TemporaryDirectory
            >>> folder = TemporaryDirectory()
            >>> index = CommunityIndex.build([(1, 2), (1, 3), (2, 3), (3, 4)], folder.name)
            >>> index.query([1, 2], k=1, method="jaccard").members[0].explain()
            '3 shared with 1 (adjacent); 3 shared with 2 (adjacent)'
        """
        snapshot = self.snapshot  # another thread may change the index
        vertices = snapshot.find_seeds(seeds)
        k = min(integer("k", k, 1), len(snapshot.vertices))
        ranking = snapshot.expander.rank(vertices, k, check_method(method))
        return answer(snapshot, vertices, ranking, k, method)

    def query_on_spark(
        self, frame: DataFrame, column: str = "seeds", k: int = 50, *, method: Method = "fused"
    ) -> DataFrame:
        """Run `query` for a column of seeds: one row per member, as a lazy DataFrame.

        Each worker opens the index once, from the same path or from a store.

        Args:
            frame: the seeds; columns `rank` (from 1), `member`, `score` and `reason` are added. A
                row with unknown or missing seeds yields one row that has only a reason.
            column: name of the column of seeds: one vertex per row, or an array of vertices.
            k: as for `query`.
            method: as for `query`.
        """
        from graphagg.spark.answers import answered, one_by_one, worker_index

        check_method(method)
        fields = {"member": "long" if self.vertices.is_integer else "string", "score": "double"}

        def answers_of(index: Any, questions: list[Any]) -> Any:
            def members(seeds: Any) -> list[tuple[VertexId, float]]:
                community = index.query(seeds, k, method=method)
                return [(member.id, member.score) for member in community.members]

            return one_by_one(members, questions, (UnknownVertex, InvalidSeeds))

        return answered(frame, column, fields, worker_index(self), answers_of)

    def rank(self, rows: Ints, k: int, *, method: Method = "fused") -> VertexRanking:
        """Score vertices for seeds given by their numbers, without reasons.

        Args:
            rows: `[s]` distinct numbers of the seeds, from `find_seeds`.
            k: number of members.
            method: as for `query`.
        """
        return self.snapshot.expander.rank(rows, k, check_method(method))

    def find_seeds(self, seeds: VertexId | Iterable[VertexId]) -> Ints:
        """Return the distinct numbers of seeds; raises the same errors as `query`."""
        return self.snapshot.find_seeds(seeds)

    def find(self, vertex: VertexId) -> int:
        """Return the number of a vertex; the error `UnknownVertex` lists similar ids."""
        return self.snapshot.find(vertex)

    def graph(self) -> Graph:
        """Return the graph that the index was built from, after a check of its values."""
        self.artifact.check_values()
        return self.snapshot.graph()

    def add(
        self,
        edges: Any,
        *,
        columns: EdgeReading = _COLUMNS,
        vertices: Iterable[VertexId] = (),
        progress: Progress = silent,
    ) -> ChangeReport:
        """Add edges and their vertices; the result equals an index of the larger graph.

        Raises:
            GraphAggError: the same errors as `build`.
            ArtifactBusy: the index was rebuilt with other parameters after it was opened.

        Examples:
            >>> from tempfile import TemporaryDirectory
            >>> folder = TemporaryDirectory()
            >>> index = CommunityIndex.build([(1, 2), (2, 3)], folder.name)
            >>> report = index.add([(3, 4), (1, 2)])
            >>> report.added, report.details["vertices_added"], index.manifest.counts["edges"]
            (1, 1, 3)
        """
        from graphagg.communities.indexing.changes import GraphChange, apply

        more = self._read_edges(edges, vertices, columns)
        with self._change_same_parameters() as (publication, before):
            change = GraphChange.adding(before, IndexGraph.of(more, before.config))
            return apply(publication, before, change, progress)

    def delete(
        self, edges: Any, *, columns: EdgeReading = _COLUMNS, progress: Progress = silent
    ) -> ChangeReport:
        """Remove edges; vertices stay. The report counts the edges that were not found.

        Examples:
            >>> from tempfile import TemporaryDirectory
            >>> folder = TemporaryDirectory()
            >>> index = CommunityIndex.build([(1, 2), (2, 3)], folder.name)
            >>> report = index.delete([(2, 3), (1, 3)])
            >>> report.removed, report.details["not_found"], len(index)
            (1, 1, 3)
        """
        from graphagg.communities.indexing.changes import GraphChange, apply

        removed = self._read_edges(edges, (), columns)
        with self._change_same_parameters() as (publication, before):
            return apply(publication, before, GraphChange.removing_edges(before, removed), progress)

    def delete_vertices(
        self, vertices: VertexId | Iterable[VertexId], *, progress: Progress = silent
    ) -> ChangeReport:
        """Remove one or more vertices with their edges; raises `UnknownVertex`.

        Examples:
            >>> from tempfile import TemporaryDirectory
            >>> folder = TemporaryDirectory()
            >>> index = CommunityIndex.build([(1, 2), (2, 3)], folder.name)
            >>> index.delete_vertices([1]).removed, list(index.vertices)
            (1, [2, 3])
        """
        from graphagg.communities.indexing.changes import GraphChange, apply

        ids = id_list("vertices", vertices)
        with self._change_same_parameters() as (publication, before):
            rows = [before.find(vertex) for vertex in ids]
            return apply(publication, before, GraphChange.removing_vertices(before, rows), progress)

    def _read_edges(self, edges: Any, vertices: Iterable[VertexId], columns: EdgeReading) -> Graph:
        from graphagg.graph.reading.load import read_graph

        # Use the type of ids in the index; only a two-mode graph can have both types.
        if columns.ids == "auto" and not (self.vertices.is_integer or self.elements.is_integer):
            columns = replace(columns, ids="string")
        kind, options = GRAPH_KIND[self.config.kind], columns.unweighted()
        graph, _ = read_graph(edges, kind, options, vertices=vertices, allow_empty=True)
        if not len(graph.rows):
            raise EmptyGraph("the change has no edges and no vertices; give at least one")
        return graph

    @contextmanager
    def _change_same_parameters(self) -> Iterator[tuple[Publication, CommunitySnapshot]]:
        """Context manager: `_changing`, but raise `ArtifactBusy` if the parameters changed."""
        with self._changing() as (publication, newest):
            if newest.config != self.config:
                raise ArtifactBusy(
                    f"{self.directory}: the index was rebuilt with other parameters after it was "
                    "opened; open it again"
                )
            yield publication, newest
