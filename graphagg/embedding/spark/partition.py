"""The partition of a job, and the state and the loops of `prone.engine.Engine` on Spark.

The matrix as mapped rows, one task that cuts it, pieces by a shuffle. Arrays are files of the job's
folder, or objects where that lies on a store. Tasks map them: of an array of all nodes, a task
reads the rows of its piece's columns and writes a range of its own. The driver reads Gram matrices
and the pieces' ranks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.cut import partition
from graphagg.embedding.partition.pieces import Layout, make_piece, piece_of_entry
from graphagg.embedding.partition.report import PartitionReport
from graphagg.embedding.prone.loops import Loops, Task, save_piece
from graphagg.embedding.prone.sparse import one_thread
from graphagg.embedding.spark.entries import Entries, sorted_blocks
from graphagg.graph.csr import Csr
from graphagg.spark.job import Work
from graphagg.spark.state import Stored
from graphagg.spark.tasks import Stats, run_tasks

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Cut:
    """A partition on disk, as the arrays `parts` and `numbers` of the job, `[N]`.

    Attributes:
        report: how good it is.
        layout: its `order` holds the hubs alone.
        isolated: nodes without an edge.
    """

    report: PartitionReport
    layout: Layout
    isolated: int


def cut(work: Work, entries: Entries, config: EmbeddingConfig, per_task: int) -> Cut:
    """Stages `matrix` and `partition`: cut the matrix in one task.

    METIS holds the matrix in memory, a streaming partition some 60 bytes per node.

    Raises:
        InvalidParameter: more pieces than nodes with an edge.
        PieceTooLarge: a piece is over `max_piece_edges` and cannot be cut further.
    """
    work.stage("matrix", lambda: _write_matrix(work, entries, per_task))
    raw = work.stage("partition", lambda: _partition(work, entries.nodes, config))
    load = work.blocks.load
    layout = Layout(load("layout", 0, "hubs"), load("layout", 0, "starts"))
    isolated = entries.nodes - int(layout.starts[-1])
    return Cut(PartitionReport.from_json(raw), layout, isolated)


def _write_matrix(work: Work, entries: Entries, per_task: int) -> None:
    """The pattern of the entries above 0, as the arrays `indptr` and `indices` of the job."""
    blocks = sorted_blocks(work, entries, per_task)
    load, weighted, nodes = work.blocks.load, entries.weighted, entries.nodes

    def pattern(i: int) -> tuple[Array, Array]:
        row, column = (load("sorted", blocks[i], name) for name in ("row", "col"))
        if not weighted:
            return row, column
        filled = load("sorted", blocks[i], "weight") > 0
        return row[filled], column[filled]

    def size(i: int) -> Stats:
        row, _ = pattern(i)
        return {"entries": len(row), "last": int(row[-1]) if len(row) else -1}

    stats = run_tasks(work.spark, len(blocks), size)
    ends = np.cumsum([s["entries"] for s in stats])
    lasts = np.maximum.accumulate([s["last"] for s in stats])
    files = work.files
    files.create("indptr", np.int64, (nodes + 1,))
    files.create("indices", np.int32, (int(ends[-1]),))

    def write(i: int) -> Stats:
        row, column = pattern(i)
        start = int(ends[i]) - len(row)
        files.write("indices", start, column.astype(np.int32))
        # A row may end in a later block, so a block writes where the rows before its last one
        # end, from the last row of the block before it on.
        first = max(int(lasts[i - 1]), 0) if i else 0
        stop = nodes if i == len(blocks) - 1 else max(int(lasts[i]), first)
        row_ends = start + np.searchsorted(row, np.arange(first, stop), side="right")
        files.write("indptr", first + 1, row_ends)
        return {}

    run_tasks(work.spark, len(blocks), write)


def _partition(work: Work, nodes: int, config: EmbeddingConfig) -> dict[str, Any]:
    """Cut the matrix in one task, which writes the parts and the new numbers of the nodes."""
    folder = state_of(work)

    def run(_: int) -> Stats:
        matrix = Csr(folder.map("indptr"), folder.map("indices"), None, nodes)
        piece_of, report = partition(matrix, config)
        layout = Layout.of(piece_of, report.levels[-1].pieces)
        for name, values in (("parts", piece_of), ("numbers", layout.numbers(nodes))):
            folder.create(name, values.dtype, values.shape)
            folder.write(name, 0, values)
        folder.save("layout", 0, hubs=layout.order[: layout.hubs], starts=layout.starts)
        return {"report": json.dumps(report.to_json()).encode()}

    report: dict[str, Any] = json.loads(run_tasks(work.spark, 1, run)[0]["report"])
    return report


def write_pieces(work: Work, entries: Entries, layout: Layout) -> None:
    """Stage `pieces`: each piece in blocks, by one shuffle of the entries."""
    folder, starts = state_of(work), layout.starts

    def renumber(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        new_numbers = folder.map("numbers")
        for batch in batches:
            row, column = (new_numbers[batch.column(name).to_numpy()] for name in ("row", "col"))
            columns = {
                "piece": pa.array(piece_of_entry(layout, row, column), pa.int32()),
                "row": pa.array(row, pa.int64()),
                "col": pa.array(column, pa.int64()),
                "weight": batch.column("weight"),
            }
            yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    def assemble(table: pa.Table) -> pa.Table:
        import pyarrow as pa

        index = table.column("piece")[0].as_py()
        values = (table.column(name).to_numpy() for name in ("row", "col", "weight"))
        piece = make_piece(index, starts, *values)
        save_piece(folder, piece)
        return pa.table({"piece": [index], "nodes": [piece.whole], "entries": [len(table)]})

    work.phase(
        "pieces",
        lambda: (
            entries.filled.mapInArrow(renumber, "piece int, row long, col long, weight float")
            .groupBy("piece")
            .applyInArrow(assemble, "piece long, nodes long, entries long")
        ),
    )


def state_of(work: Work) -> Stored:
    """The arrays of a job, which a job that goes on may read again."""
    return Stored(work.files, work.blocks, keep=True)


class SparkLoops(Loops):
    """Loops whose steps are Spark tasks; finished stages are noted in the job's folder."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def stage(self, name: str, make: Callable[[], None]) -> None:
        """Run `make`, unless the job has finished it."""
        self.work.stage(name, make)

    def each(self, count: int, task: Task) -> None:
        """Run `task(i)` for i below `count`."""

        def alone(i: int) -> Stats:
            with one_thread():
                task(i)
            return {}

        run_tasks(self.work.spark, count, alone)

    def total(
        self, name: str, count: int, task: Callable[[int], Sequence[Array]]
    ) -> Iterator[Array]:
        """Add up the arrays that `task(i)` gives: one task per array, which reads one at a time."""
        blocks = self.work.blocks

        def share(i: int) -> Stats:
            with one_thread():
                arrays = task(i)
            for j, array in enumerate(arrays):
                blocks.save(f"{name}.{j}", i, part=array)
            return {"arrays": len(arrays)}

        def add(j: int) -> Stats:
            total = blocks.load(f"{name}.{j}", 0, "part")
            for i in range(1, count):
                total = total + blocks.map(f"{name}.{j}", i, "part")
            blocks.save(name, j, total=total)
            return {}

        def make() -> int:
            arrays: int = run_tasks(self.work.spark, count, share)[0]["arrays"]
            run_tasks(self.work.spark, arrays, add)
            return arrays

        arrays = self.work.stage(name, make)
        return (blocks.load(name, j, "total") for j in range(arrays))
