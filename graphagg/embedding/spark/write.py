"""Builds an embedding with Spark; the vectors equal those of a build in one process.

Each stage writes its result to disk, so that a killed job resumes after the last finished stage:

1. `edges` to `holders`: the rows of the graph (`graphagg.graph.spark.rows`).
2. `matrix`: the matrix of the network; tasks compute ranges of its rows from the graph's rows.
3. `partition`, `pieces`, the stages of `prone.factorization`, and `vectors` and `sources`, the
   arrays of the index (`graphagg.embedding.build`). One task cuts the matrix; each later task holds
   one piece with its halo, or a range of 50,000 nodes.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.build import KIND, embed_matrix, inputs_of, peak_bytes
from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig
from graphagg.embedding.prone.network import NetworkMatrix, RowBlock, check_graph, row_blocks
from graphagg.embedding.prone.propagation import STEPS
from graphagg.execution.arrays import FileArrays, TaskArrays
from graphagg.execution.runner import Stats
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.ids import VertexIds
from graphagg.graph.kinds import GraphKind
from graphagg.graph.reading.settings import WeightedReading
from graphagg.graph.spark.edges import EdgeInput
from graphagg.graph.spark.rows import ELEMENTS, HOLDERS, SETS, VERTICES, GraphRows, graph_stages
from graphagg.progress import Progress
from graphagg.spark.build import SparkOptions
from graphagg.spark.job import SparkJob
from graphagg.store import Publication
from graphagg.store.artifact import is_current

MATRIX = "matrix"
_PARTS, _OF_HOLDERS = (
    tuple(f"{name}.{part}" for part in ("indptr", "indices", "data")) for name in (MATRIX, HOLDERS)
)
_READ = (*_PARTS, *_OF_HOLDERS, f"{SETS}.data")
"""Arrays that are not read after the pieces are written."""
_IDS = [f"{name}{part}" for name in (VERTICES, ELEMENTS) for part in ("", ".utf8", ".offsets")]
_log = logging.getLogger("graphagg.jobs")


def build_by_spark(
    options: SparkOptions, edges: Any, directory: str | Path, config: EmbeddingConfig,
    reading: WeightedReading, progress: Progress, force: bool,
) -> ReadReport:  # fmt: skip
    """Embed a graph and publish the index, unless it already exists."""
    source = EdgeInput.of(edges, reading)
    per_task = config.max_piece_edges or MAX_PIECE_EDGES

    def write(job: SparkJob, publication: Publication) -> dict[str, Any]:
        report = GraphRows(job, source, config.kind, per_task).write()
        arrays, graph = job.arrays, mapped_graph(job.arrays, config.kind, report)

        def digests() -> dict[str, str]:
            return inputs_of(write_matrix(job, graph, arrays.exists(f"{SETS}.data"), per_task))

        inputs = job.note("digests", digests)
        job.forget(MATRIX)
        if not force and is_current(publication.location, KIND, inputs, config.to_json()):
            return report.to_json()
        nodes = len(graph.rows) + (len(graph.columns) if config.kind != "undirected" else 0)

        def matrix() -> Csr:
            return Csr.read(MATRIX, arrays.map, nodes, weighted=True)

        need = peak_bytes(nodes, len(graph.adjacency.indices), config) / 2**30
        _log.info("disk at the peak: at least %.1f GiB of vectors and pieces", need)
        built = embed_matrix(matrix, arrays, job, config, drop=_READ)
        arrays.gather(publication.writer, _IDS)
        built.publish(publication, arrays, graph, inputs)
        return report.to_json()

    report_json = options.publish(
        KIND, source.job(config), source, directory, write,
        stages=stages(config), progress=progress, force=force,
    )  # fmt: skip
    return ReadReport(**report_json)


def stages(config: EmbeddingConfig) -> tuple[str, ...]:
    """Return the stages of a job that are known before it starts, in order."""
    passes = [f"pass{p}.{s}" for p in range(1, config.propagate + 1) for s in range(STEPS)]
    return (
        *graph_stages(config.kind), MATRIX, "partition", "pieces", "strength", "arrived",
        "leaves", "start", "refined", *passes, "vectors", "sources",
    )  # fmt: skip


def mapped_graph(arrays: FileArrays, kind: GraphKind, report: ReadReport) -> Graph:
    """Memory-map the graph that `GraphRows` wrote."""
    rows = columns = VertexIds.read(VERTICES, arrays.map, arrays.exists)
    if kind == "two-mode":
        columns = VertexIds.read(ELEMENTS, arrays.map, arrays.exists)
    return Graph(kind, rows, columns, Csr.read(SETS, arrays.map, len(columns)), report)


def write_matrix(job: SparkJob, graph: Graph, weighted: bool, per_task: int) -> NetworkMatrix:
    """Run stage `matrix`: write the rows of the matrix, about `per_task` entries per task."""
    check_graph(graph)
    arrays, kind = job.arrays, graph.kind
    tasks = [
        (block, low, high)
        for block, rows in enumerate(_blocks(arrays, kind, weighted))
        for low, high in pairwise(_cuts(rows.source.indptr, per_task))
    ]
    of_tasks = TaskArrays(arrays.blocks, MATRIX)

    def write(i: int) -> Stats:
        block, low, high = tasks[i]
        rows = _blocks(arrays, kind, weighted)[block].rows(low, high)
        values = (rows.indptr, rows.indices, rows.entries)
        return of_tasks.save(i, dict(zip(_PARTS, values, strict=True)))

    def join() -> None:
        of_tasks.join(job, stats, arrays, _PARTS, {_PARTS[0]: _PARTS[1]})

    stats = job.run(len(tasks), write, MATRIX)
    job.note(f"{MATRIX}.made", join)
    matrix = Csr.read(MATRIX, arrays.map, len(arrays.map(_PARTS[0])) - 1, weighted=True)
    return NetworkMatrix(graph, matrix, weighted)


def _blocks(arrays: FileArrays, kind: GraphKind, weighted: bool) -> list[RowBlock]:
    forward = Csr.read(SETS, arrays.map, 0, weighted=weighted)
    backward = forward
    if kind != "undirected":
        backward = Csr.read(HOLDERS, arrays.map, 0, weighted=weighted)
    return row_blocks(kind, forward, backward)


def _cuts(indptr: Array, per_task: int) -> list[int]:
    """Return the first rows of ranges of about `per_task` entries, then the number of rows."""
    starts = np.searchsorted(indptr, np.arange(0, int(indptr[-1]), per_task))
    cuts: list[int] = np.unique([0, *starts, len(indptr) - 1]).tolist()
    return cuts
