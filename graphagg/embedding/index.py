"""`NodeEmbedding`: an embedding on disk, with queries and additions.

The files of an index of kind `embedding`, for n vertices (two-mode: n sets and m elements):

    vertices | vertices.utf8, .offsets     ids ascending; a vertex's number is its position
    elements | elements.utf8, .offsets     two-mode only
    vectors                                [n, d] float32 or float16, not normalized
    vectors.to                             directed: [n, d] as targets; two-mode: [m, d] elements
    sources, sources.to                    same shapes; `add` computes new vectors from them
    parts                                  [N] int32 piece of each node; -1 split, -2 no edge
    partition.json                         the partition report
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from graphagg.arrays import Array
from graphagg.checks import integer, one_of
from graphagg.embedding.build import KIND, build_here
from graphagg.embedding.config import EmbeddingConfig, EmbeddingOptions, Side
from graphagg.embedding.growth import grow, shrink
from graphagg.embedding.partition.report import PartitionReport
from graphagg.embedding.results import Neighbor, Neighbors
from graphagg.embedding.snapshot import EmbeddingSnapshot, unit_rows
from graphagg.embedding.spark.frames import VECTORS_PER_TASK, neighbors_frame, vectors_frame
from graphagg.embedding.spark.write import build_by_spark
from graphagg.errors import ArtifactBusy, InvalidParameter
from graphagg.graph.graph import ReadReport
from graphagg.graph.ids import VertexId, VertexIds, id_list
from graphagg.graph.reading.load import read_graph
from graphagg.graph.reading.settings import EdgeReading, config_with
from graphagg.nearest.search import library
from graphagg.progress import Progress, silent
from graphagg.spark.build import Engine, SparkOptions
from graphagg.spark.sources import refuse
from graphagg.store import Artifact, Publication
from graphagg.store.changes import ChangeReport
from graphagg.store.index import Index
from graphagg.store.reading import content_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_CONFIG = EmbeddingConfig()
_COLUMNS = EdgeReading()


class NodeEmbedding(Index[EmbeddingSnapshot]):
    """Memory-mapped vectors of the vertices of a graph.

    Use `build` or `open`. An object keeps reading the version that it opened until `reopen` or
    `add`, even if another process publishes a newer version.

    Examples:
        >>> from tempfile import mkdtemp
        >>> from graphagg.embedding import NodeEmbedding
        >>> edges = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e")]
        >>> embedding = NodeEmbedding.build(edges, mkdtemp(), dim=4)
        >>> len(embedding), embedding.vectors.shape
        (5, (5, 4))
        >>> NodeEmbedding.open(embedding.directory).vertices[0]
        'a'
        >>> bool((embedding.vector("a") == embedding.vectors[0]).all()), embedding.find("b")
        (True, 1)
        >>> ids, vectors = embedding.vectors_of("from")
        >>> vectors.shape == embedding.normalized().shape
        True
        >>> embedding.to_spark(spark).show()  # doctest: +SKIP
        >>> embedding.neighbors_on_spark(spark.table("users")).show()  # doctest: +SKIP
        >>> near = embedding.neighbors("a", 2)
        >>> [neighbor.id for neighbor in near], near.to_arrow().column_names
        (['b', 'c'], ['rank', 'vertex', 'score'])
        >>> embedding.add([("f", "a"), ("f", "b")]).added
        1
        >>> len(embedding), bool(embedding.vector("f").any())
        (6, True)
        >>> embedding.delete_vertices("f").removed, len(embedding)
        (1, 5)

    Attributes:
        read_report: counts of the edges read, if this object built the index; else None.
    """

    KIND = KIND
    read_report: ReadReport | None = None

    def _read(self, artifact: Artifact, before: EmbeddingSnapshot | None) -> EmbeddingSnapshot:
        return EmbeddingSnapshot(artifact)

    @property
    def snapshot(self) -> EmbeddingSnapshot:
        """The memory-mapped arrays of the opened version."""
        return self._version

    @property
    def config(self) -> EmbeddingConfig:
        """Parameters of the build."""
        return self._version.config

    @property
    def vertices(self) -> VertexIds:
        """Ids of the vertices (two-mode: sets), in the order of `vectors`."""
        return self._version.vertices

    @property
    def targets(self) -> VertexIds:
        """Ids in the order of `target_vectors`: `vertices`, or elements of a two-mode graph."""
        return self._version.targets

    @property
    def vectors(self) -> Array:
        """Vectors `[n, d]`, not normalized; directed: the vectors of vertices as sources."""
        return self._version.vectors

    @property
    def target_vectors(self) -> Array:
        """Vectors `[n, d]` of targets (directed) or elements (two-mode); else `vectors`."""
        return self._version.target_vectors

    @property
    def piece_of_node(self) -> Array:
        """Piece of each node, `[N]` int32; -1: split, -2: without an edge, -3: added later."""
        return self._version.piece_of_node

    @classmethod
    def build(
        cls,
        edges: Any,
        directory: str | Path,
        *,
        config: EmbeddingConfig = _CONFIG,
        columns: EdgeReading = _COLUMNS,
        vertices: Iterable[VertexId] = (),
        engine: Engine | None = None,
        progress: Progress = silent,
        force: bool = False,
        **fields: Unpack[EmbeddingOptions],
    ) -> NodeEmbedding:
        """Embed a graph, write the index and open it.

        If the directory has an index of the same graph and parameters, nothing is done unless
        `force`. The old index stays in place until the new one is complete.

        Args:
            edges: anything that `graphagg.graph.load_weighted` accepts; for Spark a DataFrame,
                `table:NAME`, or Parquet or text: files, folders or patterns that Spark can read.
            directory: directory of the index; it is created if missing.
            config: parameters.
            columns: options for reading edges, such as `WeightedReading(weight="calls")`.
            vertices: additional vertices, even without an edge; not with Spark.
            engine: "local", "spark", or a `graphagg.spark.SparkOptions`. None: Spark for a
                DataFrame or a table.
            progress: called with stage, done, total.
            force: build even if nothing changed, or over an unfinished Spark job.
            fields: fields of `EmbeddingConfig`, such as `dim=64`; they override `config`.

        Raises:
            InvalidGraph, EmptyGraph, UnreadableFile: the edges are invalid.
            InvalidParameter, PieceTooLarge: the parameters do not fit the graph.
            ArtifactBusy, ArtifactError, WriteFailed: the directory is in use or cannot be written.
            ParametersDiffer, JobFailed: a Spark job failed; the same call continues it.
        """
        config, reading = config_with(config, fields), columns.with_weights()
        ids = id_list("vertices", vertices)
        if (options := SparkOptions.from_engine(engine, edges)) is not None:
            refuse(vertices=tuple(ids))
            report = build_by_spark(options, edges, directory, config, reading, progress, force)
        else:
            report = build_here(edges, directory, config, reading, ids, progress, force)
        index = cls.open(directory)
        index.read_report = report
        return index

    @property
    def partition_report(self) -> PartitionReport:
        """Quality of the partition, level by level."""
        path = self._version.artifact.path("partition.json")
        with content_of(path):
            return PartitionReport.from_json(json.loads(path.read_text(encoding="utf-8")))

    def __len__(self) -> int:
        return len(self.vertices)

    def normalized(self, side: Side = "from") -> Array:
        """Return vectors scaled to length 1, float32; zeros for a vertex without an edge."""
        return unit_rows(self.vectors_of(side)[1])

    def vector(self, vertex: VertexId, side: Side = "from") -> Array:
        """Return the vector of a vertex, `[d]`; `UnknownVertex` lists the closest ids."""
        ids, vectors = self.vectors_of(side)
        return np.asarray(vectors[ids.known(vertex)])

    def find(self, vertex: VertexId, side: Side = "from") -> int:
        """Return the dense number of a vertex; `UnknownVertex` lists the closest ids."""
        return self.vectors_of(side)[0].known(vertex)

    def neighbors(
        self,
        vertex: VertexId,
        k: int = 10,
        *,
        side: Side = "from",
        target_side: Side | None = None,
        normalized: bool = True,
    ) -> Neighbors:
        """Find the vertices whose vectors are nearest to the vector of a vertex, using FAISS.

        Args:
            vertex: id of the vertex.
            k: number of neighbors.
            side: directed and two-mode: the side of the vertex's vector.
            target_side: the side of the neighbors' vectors. None: as `side`. With `side` "from" and
                `target_side` "to", results are the likeliest edge targets (or elements of a set).
            normalized: rank by cosine; else by dot product.

        Raises:
            UnknownVertex: the vertex does not exist.
            InvalidParameter: `k` is under 1, or the vertex has no edge.
            CorruptArtifact: a stored vector is not finite.
            MissingExtra: FAISS is not installed.
        """
        version = self._version  # another thread may reopen the index
        target_side = side if target_side is None else target_side
        ids, vectors = version.vectors_of(side)
        others, _ = version.vectors_of(target_side)
        integer("k", k, 1)
        row = ids.known(vertex)
        query = version.finite(np.asarray(vectors[row], dtype=np.float32))
        if not query.any():
            raise InvalidParameter(
                f"{vertex!r} has no edge, so its vector is zero; give a vertex with an edge"
            )
        if normalized:
            query = query / np.linalg.norm(query)
        without = row if ids is others else None  # exclude the vertex itself
        nearest = version.searcher(target_side, normalized).search(query, k, without)
        return Neighbors(Neighbor(others[i], score) for i, score in nearest)

    def to_spark(
        self, spark: SparkSession, *, side: Side = "from", vectors_per_task: int = VECTORS_PER_TASK
    ) -> DataFrame:
        """Return a DataFrame with columns `vertex` and `vector` (`array<float>`, not normalized).

        Tasks read the index from the same path, or from a store.

        Args:
            spark: the session.
            side: directed and two-mode: the side of the vectors.
            vectors_per_task: number of vectors per task.
        """
        one_of("side", side, ("from", "to"))
        return vectors_frame(spark, self, side, integer("vectors_per_task", vectors_per_task, 1))

    def neighbors_on_spark(
        self,
        frame: DataFrame,
        column: str = "vertex",
        k: int = 10,
        *,
        side: Side = "from",
        target_side: Side | None = None,
        normalized: bool = True,
    ) -> DataFrame:
        """Find `neighbors` of a column of vertices; return a lazy DataFrame, one row per neighbor.

        Each worker opens the index once, from the same path or from a store.

        Args:
            frame: the vertices; columns `rank` (from 1), `neighbor`, `score` and `reason` are
                added. A vertex without a vector gets one row with only a reason.
            column: name of the column of vertices.
            k: neighbors per vertex.
            side: as for `neighbors`.
            target_side: as for `neighbors`.
            normalized: as for `neighbors`.

        Raises:
            InvalidParameter: a column is missing or would be overwritten, or `k` is under 1.
            MissingExtra: FAISS is not installed.
        """
        integer("k", k, 1)
        library("embedding")  # raises its errors before Spark runs
        options = {"side": side, "target_side": target_side, "normalized": normalized}
        return neighbors_frame(frame, self, column, k, options)

    def vectors_of(self, side: Side) -> tuple[VertexIds, Array]:
        """Return ids and vectors of one side: sources of edges (sets), or targets (elements)."""
        return self._version.vectors_of(side)

    def add(
        self, edges: Any, *, columns: EdgeReading = _COLUMNS, progress: Progress = silent
    ) -> ChangeReport:
        """Compute vectors of new vertices from their neighbors; existing vectors do not change.

        Args:
            edges: edges of the new vertices, to existing vertices and to each other.
            columns: as for `build`.
            progress: called with stage, done, total.

        Returns:
            Counts of vertices; `details` has `vertices_without_vector` (new vertices with no edge
            to a vertex with a vector), `edges_used` and `edges_ignored` (between old vertices).

        Raises:
            GraphAggError: the errors of `build`.
            ArtifactBusy: the index was rebuilt for another kind of graph since it was opened.
        """
        if columns.ids == "auto" and not self.vertices.is_integer:
            columns = replace(columns, ids="string")
        reading = columns.with_weights()
        graph, weights = read_graph(edges, self.config.kind, reading)
        progress("edges", graph.edges, graph.edges)
        with self._changing_same_kind() as (publication, newest):
            report = grow(newest.artifact, publication, graph, weights)
        progress("vectors", report.added, report.added)
        return report

    def delete_vertices(
        self, vertices: VertexId | Iterable[VertexId], *, progress: Progress = silent
    ) -> ChangeReport:
        """Remove one or more vertices and their vectors; other vectors do not change.

        Deleting added vertices restores the earlier vectors. Edges cannot be deleted: an embedding
        does not store edges, and every edge influences all vectors.

        Args:
            vertices: ids of vertices; two-mode: of sets.
            progress: called with stage, done, total.

        Raises:
            UnknownVertex: a vertex does not exist; nothing was changed.
            InvalidParameter: no vertex would remain.
        """
        ids = id_list("vertices", vertices)
        with self._changing_same_kind() as (publication, newest):
            rows = np.array([newest.vertices.known(vertex) for vertex in ids], dtype=np.int64)
            report = shrink(newest.artifact, publication, rows)
        progress("vectors", report.removed, report.removed)
        return report

    @contextmanager
    def _changing_same_kind(self) -> Iterator[tuple[Publication, EmbeddingSnapshot]]:
        """Call `_changing`, and raise `ArtifactBusy` if the kind of graph changed."""
        with self._changing() as (publication, newest):
            if newest.config.kind != self.config.kind:
                raise ArtifactBusy(
                    f"{self.directory}: the index was built again, as {newest.config.kind}, since "
                    "it was opened; open it again"
                )
            yield publication, newest
