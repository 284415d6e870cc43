"""The matrix of a graph, its partition and its pieces, as stages of a Spark job.

Tasks make ranges of the matrix's rows from the mapped rows of the graph
(`graphagg.graph.spark.rows`); one task cuts the matrix; then a task per piece gathers its rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.cut import partition
from graphagg.embedding.partition.pieces import PieceLayout, cut_piece, save_piece
from graphagg.embedding.partition.report import PartitionReport
from graphagg.embedding.prone.network import NetworkMatrix, RowBlock, check_graph, row_blocks
from graphagg.execution.arrays import FileArrays
from graphagg.execution.runner import Stats
from graphagg.execution.task_arrays import TaskArrays
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.ids import VertexIds
from graphagg.graph.kinds import GraphKind
from graphagg.graph.spark.rows import ELEMENTS, HOLDERS, SETS, VERTICES
from graphagg.spark.job import SparkJob

MATRIX = "matrix"
PARTS, NUMBERS, ORDER, STARTS = "parts", "numbers", "order", "starts"


def mapped_graph(arrays: FileArrays, kind: GraphKind, report: ReadReport) -> Graph:
    """The graph that `GraphRows` wrote."""
    rows = columns = VertexIds.read(VERTICES, arrays.map, arrays.exists)
    if kind == "two-mode":
        columns = VertexIds.read(ELEMENTS, arrays.map, arrays.exists)
    adjacency = Csr.read(SETS, arrays.map, len(columns))
    return Graph(kind, rows, columns, adjacency, report)


def write_matrix(job: SparkJob, graph: Graph, weighted: bool, per_task: int) -> NetworkMatrix:
    """Stage `matrix`: write the rows of the matrix, about `per_task` entries in a task."""
    check_graph(graph)
    arrays, kind = job.arrays, graph.kind
    tasks = [
        (block, low, high)
        for block, rows in enumerate(_blocks(arrays, kind, weighted))
        for low, high in pairwise(_cuts(rows.source.indptr, per_task))
    ]
    of_tasks = TaskArrays(arrays.blocks, MATRIX)
    names = [f"{MATRIX}.{part}" for part in ("indptr", "indices", "data")]

    def write(i: int) -> Stats:
        block, low, high = tasks[i]
        rows = _blocks(arrays, kind, weighted)[block].rows(low, high)
        values = (rows.indptr, rows.indices, rows.entries)
        return of_tasks.save(i, dict(zip(names, values, strict=True)))

    def join() -> None:
        of_tasks.join(job, stats, arrays, names, {names[0]: names[1]})

    stats = job.run(len(tasks), write, MATRIX)
    job.note(f"{MATRIX}.made", join)
    matrix = Csr.read(MATRIX, arrays.map, len(arrays.map(names[0])) - 1, weighted=True)
    return NetworkMatrix(graph, matrix, weighted)


def _blocks(arrays: FileArrays, kind: GraphKind, weighted: bool) -> list[RowBlock]:
    forward = Csr.read(SETS, arrays.map, 0, weighted=weighted)
    backward = forward
    if kind != "undirected":
        backward = Csr.read(HOLDERS, arrays.map, 0, weighted=weighted)
    return row_blocks(kind, forward, backward)


def _cuts(indptr: Array, per_task: int) -> list[int]:
    """First rows of ranges of about `per_task` entries, and the number of rows."""
    starts = np.searchsorted(indptr, np.arange(0, int(indptr[-1]), per_task))
    cuts: list[int] = np.unique([0, *starts, len(indptr) - 1]).tolist()
    return cuts


@dataclass(frozen=True)
class MatrixPartition:
    """A partition on disk, as the arrays `parts` and `numbers` of the job, `[N]`.

    `isolated` counts the nodes without an edge.
    """

    report: PartitionReport
    layout: PieceLayout
    isolated: int


def write_pieces(job: SparkJob, config: EmbeddingConfig) -> MatrixPartition:
    """Stages `partition` and `pieces`.

    METIS holds the matrix in memory, a streaming partition some 60 bytes per node. Raises as
    `graphagg.embedding.partition.cut.partition`.
    """
    arrays = job.arrays
    nodes = len(arrays.map(f"{MATRIX}.indptr")) - 1

    def cut(_: int) -> Stats:
        piece_of, report = partition(Csr.read(MATRIX, arrays.map, nodes), config)
        layout = PieceLayout.from_parts(piece_of, report.levels[-1].pieces)
        arrays.write_whole(
            {
                PARTS: piece_of,
                NUMBERS: layout.numbers(nodes),
                ORDER: layout.order,
                STARTS: layout.starts,
            }
        )
        return {"report": json.dumps(report.to_json()).encode()}

    raw: Any = job.stage("partition", lambda: json.loads(job.run(1, cut)[0]["report"]))
    layout = _layout(arrays)

    def gather(i: int) -> None:
        matrix = Csr.read(MATRIX, arrays.map, nodes, weighted=True)
        save_piece(arrays, cut_piece(matrix, _layout(arrays), arrays.map(NUMBERS), i))

    job.run(layout.pieces, gather, "pieces")
    isolated = nodes - int(layout.starts[-1])
    return MatrixPartition(PartitionReport.from_json(raw), layout, isolated)


def _layout(arrays: FileArrays) -> PieceLayout:
    return PieceLayout(arrays.map(ORDER), arrays.map(STARTS))
