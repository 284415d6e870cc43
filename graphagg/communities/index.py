"""`CommunityIndex`: build, open, ask and change an index of communities."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Ints
from graphagg.checks import integer
from graphagg.communities.answer.answer import answer
from graphagg.communities.answer.results import Community
from graphagg.communities.build import (
    KIND,
    build_index,
)
from graphagg.communities.changes import (
    ChangeReport,
    report_change,
    without_edges,
    without_vertices,
)
from graphagg.communities.config import (
    GRAPH_KIND,
    IndexConfig,
    Method,
    Plan,
    QueryConfig,
    check_method,
    check_plan,
)
from graphagg.communities.large import build_large, is_large
from graphagg.communities.opened import Opened, index_hashes
from graphagg.communities.query.ranking import Ranking
from graphagg.communities.segment.adding import SHARE, add_segment, is_segmented
from graphagg.communities.segment.compaction import compact
from graphagg.communities.spark.frames import communities_frame
from graphagg.errors import (
    ArtifactBusy,
    EmptyGraph,
    InvalidParameter,
    MissingExtra,
)
from graphagg.graph.graph import Graph, ReadReport, union_graphs
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.graph.large.load import Source
from graphagg.graph.reading.load import check_vertices, load_graph
from graphagg.graph.reading.settings import Reading, ReadingOptions
from graphagg.graph.spark.edges import EdgeInput
from graphagg.minhash.signatures import minima
from graphagg.progress import Progress, silent
from graphagg.spark.sources import is_of_spark, refuse, session_of
from graphagg.store import Artifact, write_artifact
from graphagg.store.artifact import is_current
from graphagg.store.index import Index

if TYPE_CHECKING:
    import datasketch
    from pyspark.sql import DataFrame

StrPath = str | os.PathLike[str]

_DEFAULT = QueryConfig()


@dataclass(frozen=True)
class _Version:
    """One version: its folder, and the arrays that queries and answers read."""

    artifact: Artifact
    opened: Opened


class CommunityIndex(Index[_Version]):
    """An index of a graph's neighborhoods, opened from its directory.

    Use `CommunityIndex.build` or `CommunityIndex.open`. Queries may run in several threads. The
    index keeps the version it opened, also while another process publishes a newer one; its own
    changes (`add_edges` and the like) go on from the newest version, publish one and move to it.

    Attributes:
        report: counts of the edges that were read, where this object built the index; else None.
    """

    KIND = KIND
    report: ReadReport | None = None

    def _read(self, artifact: Artifact, before: _Version | None) -> _Version:
        return _Version(artifact, Opened.read(artifact))

    @property
    def opened(self) -> Opened:
        """The mapped arrays of the opened version."""
        return self._version.opened

    @property
    def config(self) -> IndexConfig:
        """The kind of graph, and the parameters."""
        return self.opened.config

    @property
    def vertices(self) -> VertexIds:
        """Ids of the vertices; the dense number of a vertex is its position."""
        return self.opened.vertices

    @property
    def elements(self) -> VertexIds:
        """Ids of what the sets hold: elements (two-mode), else the vertices themselves."""
        return self.opened.elements

    @classmethod
    def build(
        cls,
        edges: Any,
        directory: StrPath,
        *,
        config: IndexConfig | None = None,
        vertices: Iterable[VertexId] = (),
        progress: Progress = silent,
        force: bool = False,
        **reading: Unpack[ReadingOptions],
    ) -> CommunityIndex:
        """Index a graph into `directory` and open it.

        Where the directory holds an index of the same graph with the same parameters, nothing is
        done unless `force`. Until the new index is complete, and if anything fails, the old one
        stays. Files of 256 MiB and more are indexed in little memory, over files in
        `<directory>.work`: a build of them that was killed goes on where it is called again.

        Args:
            edges: anything that `graphagg.graph.load_graph` takes; a Spark DataFrame, or
                `table:NAME` of the active session: then Spark builds, as `build_with_spark`.
            directory: where the index goes; made if it is not there.
            config: the kind of graph, and the parameters; default `IndexConfig()`.
            vertices: vertices that are there even without an edge.
            progress: called with stage, done, total.
            force: build also where nothing changed.
            reading: the fields of `graphagg.graph.Reading`, for instance `source="from_user"`.

        Raises:
            InvalidGraph, EmptyGraph, UnreadableFile: about the edges.
            ArtifactBusy, ArtifactError, WriteFailed: about the directory.
        """
        config = config or IndexConfig()
        kind = GRAPH_KIND[config.kind]
        if is_of_spark(edges):
            refuse(vertices=tuple(vertices))
            from graphagg.communities.spark.write import write_with_spark
            from graphagg.spark.build import SparkBuild

            given = EdgeInput.of(edges, Reading(**reading))
            spark_build = SparkBuild.of(session_of(edges), directory, None, progress, force)
            return cls._opened(directory, write_with_spark(spark_build, given, config))
        with write_artifact(directory) as published:
            if is_large(edges):
                known = list(check_vertices(vertices))
                source = Source(edges, kind, Reading(**reading), known)
                report = build_large(published, source, config, progress, force)
            else:
                graph = load_graph(edges, kind, vertices=vertices, **reading)
                report = graph.report
                progress("edges", graph.edges, graph.edges)
                if force or not is_current(
                    directory, KIND, {"graph": graph.digest()}, config.to_json()
                ):
                    built = build_index(graph, config, progress=progress)
                    built.save(published.writer)
                    published.publish(built.manifest())
        return cls._opened(directory, report)

    @classmethod
    def _opened(cls, directory: StrPath, report: ReadReport) -> CommunityIndex:
        index = cls.open(directory)
        index.report = report
        return index

    @classmethod
    def merge(
        cls, shards: Sequence[StrPath], directory: StrPath, *, progress: Progress = silent
    ) -> CommunityIndex:
        """Merge indices that were built apart with the same parameters; equal to one build.

        Raises:
            InvalidParameter: fewer than one shard, or shards of different parameters.
        """
        if not shards:
            raise InvalidParameter("no index to merge, wanted at least one")
        parts = [cls.open(shard) for shard in shards]
        try:
            for shard, part in zip(shards, parts, strict=True):
                if part.config != parts[0].config:
                    raise InvalidParameter(
                        f"{shard} was built with {part.config}, {shards[0]} with "
                        f"{parts[0].config}; build them with the same parameters"
                    )
            with write_artifact(directory) as published:
                graph = union_graphs([part.graph() for part in parts])
                known = [part.opened for part in parts]
                built = build_index(graph, parts[0].config, known, progress)
                built.save(published.writer)
                published.publish(built.manifest())
        finally:
            for part in parts:
                part.close()
        return cls.open(directory)

    def __len__(self) -> int:
        return len(self.vertices)

    # --- asking --------------------------------------------------------------------------------

    def query(
        self,
        seeds: Sequence[VertexId],
        k: int | None = 50,
        *,
        method: Method = "fused",
        plan: Plan = "auto",
        config: QueryConfig = _DEFAULT,
    ) -> Community:
        """Find the community of some vertices.

        Args:
            seeds: vertices as the user wrote them; repeats count once.
            k: how many members besides the seeds. None: a sweep cut chooses, among the first
                `config.sweep_limit`, the prefix of least conductance (not for two-mode graphs).
            method: `fused`, `minhash`, `jaccard`, `agglomerative`, `pagerank` or `containment`.
            plan: how candidates are found: `auto`, `exact`, `lsh` or `scan`.
            config: budgets and constants.

        Raises:
            InvalidSeeds: there are none, or none has a neighbor.
            UnknownVertex: a seed is not in the graph; the closest ids are named.
            InvalidParameter: `k`, `method` or `plan`.
        """
        opened = self.opened  # of one version, also if another thread changes the index meanwhile
        numbers = opened.find_seeds(seeds)
        if k is None and opened.config.kind == "two-mode":
            raise InvalidParameter("a two-mode graph has no sweep cut (all edges leave); give k")
        limit = config.sweep_limit if k is None else min(integer("k", k, 1), len(opened.vertices))
        ranking = opened.expander.rank(
            numbers, limit, check_method(method), check_plan(plan), config
        )
        return answer(opened, numbers, ranking, k, limit, method, config)

    def query_on_spark(
        self,
        frame: DataFrame,
        column: str = "seeds",
        k: int | None = 50,
        *,
        method: Method = "fused",
        plan: Plan = "auto",
        config: QueryConfig = _DEFAULT,
        skip_unknown: bool = False,
    ) -> DataFrame:
        """`query` for a column of seeds: a row a member, as a lazy DataFrame.

        Each worker opens the index once. The executors see its directory by the same path, or it
        is one of a store.

        Args:
            frame: its columns are kept; `rank` (from 1), `member` and `score` come after them.
            column: of the seeds: a vertex a row, or an array of them.
            k: as for `query`.
            method: as for `query`.
            plan: as for `query`.
            config: as for `query`.
            skip_unknown: leave out rows of unknown seeds, or of none, in place of an error.
        """
        options = {"k": k, "method": check_method(method), "plan": check_plan(plan)}
        return communities_frame(frame, self, column, skip_unknown, options | {"config": config})

    def rank(
        self,
        seeds: Ints,
        k: int,
        *,
        method: Method = "fused",
        plan: Plan = "auto",
        config: QueryConfig = _DEFAULT,
    ) -> Ranking:
        """Score vertices by dense numbers, without reasons; for `query` and the evaluation.

        Args:
            seeds: `[s]` distinct dense numbers, as `find_seeds` gives them.
            k: how many members are wanted.
            method: see `query`.
            plan: see `query`.
            config: see `query`.
        """
        return self.opened.expander.rank(seeds, k, check_method(method), check_plan(plan), config)

    def find_seeds(self, seeds: Sequence[VertexId]) -> Ints:
        """The dense numbers of seeds, without repeats; raises as `query` does."""
        return self.opened.find_seeds(seeds)

    def find(self, vertex: VertexId) -> int:
        """The dense number of a vertex; `UnknownVertex` names the closest ids."""
        return self.opened.find(vertex)

    def signature(self, vertex: VertexId) -> datasketch.MinHash:
        """The vertex's signature as a datasketch MinHash with the same values.

        Integer ids below 2^32 are hashed as `hashfunc=int` would, strings as datasketch's default
        hashes their UTF-8.

        Raises:
            MissingExtra: datasketch is not installed.
        """
        try:
            import datasketch
        except ImportError:
            raise MissingExtra("datasketch", "communities") from None
        options: dict[str, Any] = {"hashfunc": int} if self.elements.is_integer else {}
        return datasketch.MinHash(
            num_perm=self.config.permutations,
            seed=self.config.hash_seed,
            hashvalues=self.signature_values(vertex),
            scheme="affine32",
            **options,
        )

    def signature_values(self, vertex: VertexId) -> npt.NDArray[np.uint32]:
        """The 32-bit minima of a vertex's set, `[K]`, computed from its row."""
        opened, row = self.opened, np.array([self.find(vertex)])
        hashes = index_hashes(opened.vertices, opened.elements, opened.config)
        values: npt.NDArray[np.uint32] = minima(opened.hoods.sets, hashes, row)[0]
        return values

    def graph(self) -> Graph:
        """The graph that the index was built from."""
        return self.opened.graph()

    # --- changing ------------------------------------------------------------------------------

    def add_edges(
        self,
        edges: Any,
        *,
        vertices: Iterable[VertexId] = (),
        progress: Progress = silent,
        **reading: Unpack[ReadingOptions],
    ) -> ChangeReport:
        """Add edges, and the vertices they name; equal to a build of the larger graph.

        To an index of four million entries and more they are added as a segment, which lies beside
        its rows: every query answers as an index that was built anew. Its bytes are those of a
        build after `compact`, which follows by itself where a quarter of the vertices was touched.

        Raises:
            GraphAggError: what `build` raises.
            ArtifactBusy: the index was built again with other parameters since it was opened.
        """
        more = self._read_edges(edges, vertices, reading)
        if not is_segmented(self.opened):
            return self._change(lambda graph: (union_graphs([graph, more]), 0), progress)
        with self._changing() as (publication, newest):
            self._check_unchanged(newest)
            report = add_segment(publication, newest.opened, more, progress)
        if self.pending > SHARE * len(self):
            self.compact(progress=progress)
        return report

    @property
    def pending(self) -> int:
        """Vertices whose sketches wait for `compact`."""
        return 0 if self.opened.pending is None else len(self.opened.pending.touched)

    def compact(self, *, progress: Progress = silent) -> None:
        """Make the index, to which edges were added, what a build writes, byte for byte.

        It goes over files in `<directory>.work`; one that was killed goes on where it is called
        again. Without a segment there is nothing to do.

        Raises:
            ArtifactBusy, ArtifactError, WriteFailed: about the directory.
        """
        with self._changing() as (publication, newest):
            if newest.opened.pending is not None:
                compact(publication, newest.opened, progress)

    def remove_edges(
        self,
        edges: Any,
        *,
        progress: Progress = silent,
        **reading: Unpack[ReadingOptions],
    ) -> ChangeReport:
        """Remove edges; their vertices stay. Edges that are not there are counted."""
        gone = self._read_edges(edges, (), reading)
        return self._change(lambda graph: without_edges(graph, gone), progress)

    def remove_vertices(
        self, vertices: Sequence[VertexId], *, progress: Progress = silent
    ) -> ChangeReport:
        """Remove vertices with their edges; `UnknownVertex` if one is not there."""
        if isinstance(vertices, str | bytes) or not hasattr(vertices, "__iter__"):
            raise InvalidParameter(f"vertices are {vertices!r}, wanted a list of vertices")
        return self._change(
            lambda graph: (without_vertices(graph, [graph.rows.known(v) for v in vertices]), 0),
            progress,
        )

    def _read_edges(
        self, edges: Any, vertices: Iterable[VertexId], reading: ReadingOptions
    ) -> Graph:
        # The index knows the type of ids; only a two-mode graph may have both.
        if reading.get("ids", "auto") == "auto" and not (
            self.vertices.is_integer or self.elements.is_integer
        ):
            reading = {**reading, "ids": "string"}
        kind = GRAPH_KIND[self.config.kind]
        graph = load_graph(edges, kind, vertices=vertices, allow_empty=True, **reading)
        if not len(graph.rows):
            raise EmptyGraph("the change names no edge and no vertex, wanted one at least")
        return graph

    def _change(
        self, change: Callable[[Graph], tuple[Graph, int]], progress: Progress
    ) -> ChangeReport:
        with self._changing() as (publication, newest):
            self._check_unchanged(newest)
            before = newest.opened.graph()
            after, not_found = change(before)
            built = build_index(after, self.config, [newest.opened], progress)
            built.save(publication.writer)
            publication.publish(built.manifest())
        return report_change(before, after, built.recomputed, not_found)

    def _check_unchanged(self, newest: _Version) -> None:
        if newest.opened.config != self.config:
            raise ArtifactBusy(
                f"{self.directory}: the index was built again with other parameters since it "
                "was opened; open it again"
            )
