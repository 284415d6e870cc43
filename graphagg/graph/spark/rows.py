"""Spark stages from edges to the compressed rows of a graph, like `read_graph` in one process.

Each stage writes its result to disk, so that a killed job resumes after the last finished stage:

1. `edges`: read and check the edges; write Parquet.
2. `vertices`: sort the distinct ids by range; the number of an id is the count of ids before it.
3. `pairs`, only for strings: replace both ids of each edge with their numbers, using joins. For
   integers, later stages search the memory-mapped ids instead.
4. `sets`, and `holders` unless the graph is undirected: sort pairs by range of (row, column),
   see `sorting`. A range may end inside a row, so that one hub's neighbors spread over several
   tasks. Each task drops repeats and writes a block; then the blocks are concatenated. One task
   writes the ends of the rows, using 16 bytes of memory per row.

The arrays are the ids `vertices` and, two-mode, `elements`; and the compressed rows `sets` and its
transpose `holders`, each with `.indptr`, `.indices` and, with weights, `.data`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphagg.arrays import Array, Ints, offsets
from graphagg.errors import EmptyGraph, InvalidGraph
from graphagg.execution.arrays import TaskArrays
from graphagg.execution.runner import Stats
from graphagg.graph.adjacency import merge_repeats, pair_keys, pairs_of
from graphagg.graph.graph import ReadReport
from graphagg.graph.kinds import GraphKind
from graphagg.graph.spark.edges import EdgeInput
from graphagg.graph.spark.numbering import Numbering, numbered
from graphagg.graph.spark.sorting import SAMPLES, Keyed, sort_keys
from graphagg.spark.job import SparkJob

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ENTRIES_PER_TASK = 2_000_000
"""Number of entries of compressed rows that a task holds; about 100 bytes each."""
VERTICES, ELEMENTS = "vertices", "elements"
SETS, HOLDERS = "sets", "holders"
_ROWS, _LENGTHS = "rows", "lengths"
EndNumbers = Callable[["pa.RecordBatch"], Sequence[Array]]
"""Function from a batch of edges to the dense numbers of their two ends."""


def graph_stages(kind: GraphKind) -> tuple[str, ...]:
    """Return the names of the stages, in order."""
    rows = (SETS,) if kind == "undirected" else (SETS, HOLDERS)
    return ("edges", VERTICES, *rows)


@dataclass(frozen=True)
class GraphRows:
    """The stages that read a graph."""

    job: SparkJob  # runs the stages, and holds the arrays
    source: EdgeInput  # the edges
    kind: GraphKind  # of the graph
    per_task: int = ENTRIES_PER_TASK  # entries of compressed rows that one task holds
    reverse: bool = False  # directed: `sets` are the in-neighbors

    def write(self) -> ReadReport:
        """Run the stages that an earlier job has not finished; keep only rows and ids."""
        report = ReadReport(**self.job.note("graph", lambda: asdict(self._write())))
        self.job.forget("edges", "pairs", SETS, HOLDERS, VERTICES, ELEMENTS)
        return report

    def _write(self) -> ReadReport:
        job, kind = self.job, self.kind
        frame, count = self._read()
        rows, columns = self._number(frame, count)
        loops = 0 if kind == "two-mode" else job.note("self_loops", frame.filter("src = dst").count)
        pairs, numbers = self._pairs(frame, rows, columns)
        steps = (-1, 1) if self.reverse else (1, -1)
        first, second = (partial(_keys_of, kind, numbers, step) for step in steps)
        if not self._write_rows(pairs, first, SETS, rows.total):
            raise EmptyGraph(
                f"{self.source}: {loops:,} self-loops and no other edge, expected another"
            )
        if kind != "undirected":
            self._write_rows(pairs, second, HOLDERS, columns.total)
        each = 2 if kind == "undirected" else 1  # entries of an edge
        edges = len(job.arrays.map(f"{SETS}.indices")) // each
        return ReadReport(
            edges_read=count,
            edges=edges,
            self_loops=loops,
            duplicates=count - loops - edges,
            **self.source.counts(job),
        )

    def _read(self) -> tuple[DataFrame, int]:
        """Return the edges as `src`, `dst` (two-mode: set, element), optional `weight`; a count."""
        frame = self.source.frame(self.job, self.kind)
        count = self.job.note("read", frame.count)
        if count == 0:
            raise EmptyGraph(f"{self.source}: contains no edges; check the path")
        if self.kind == "two-mode":  # an edge is (element, set)
            return frame.selectExpr("dst AS src", "src AS dst", *_weight(frame)), count
        ids = dict(frame.select("src", "dst").dtypes)
        if len(set(ids.values())) > 1:
            raise InvalidGraph(
                f"{self.source}: columns have the types {ids}, expected one; convert a column"
            )
        return frame, count

    def _number(self, frame: DataFrame, count: int) -> tuple[Numbering, Numbering]:
        """Number the ids of rows and of columns; both are the same unless two-mode."""
        frames = {VERTICES: frame.select("src", "dst")}
        if self.kind == "two-mode":
            frames = {VERTICES: frame.select("src"), ELEMENTS: frame.select("dst")}
        numberings = numbered(self.job, frames, self.per_task, count)
        return numberings[0], numberings[-1]

    def _pairs(
        self, frame: DataFrame, rows: Numbering, columns: Numbering
    ) -> tuple[DataFrame, EndNumbers]:
        """Return the edges, and a function that returns the end numbers of a batch of edges."""
        spark, arrays, ends = self.job.spark, self.job.arrays, (rows, columns)
        if rows.is_integer and columns.is_integer:
            names = [each.blocks.stage for each in ends]
            return frame, lambda batch: [
                np.searchsorted(arrays.map(n), batch.column(i)) for i, n in enumerate(names)
            ]

        def join() -> DataFrame:
            left, right = (each.frame(spark) for each in ends)
            pairs = frame.join(left.toDF("src", "row"), "src").join(right.toDF("dst", "col"), "dst")
            return pairs.select("row", "col", *_weight(frame))

        return self.job.phase("pairs", join), lambda batch: [
            batch.column(i).to_numpy() for i in range(2)
        ]

    def _write_rows(self, pairs: DataFrame, keys_of: Any, name: str, total: int) -> bool:
        """Write `total` compressed rows; return whether there is at least one entry."""
        job, arrays, of_tasks = self.job, self.job.arrays, TaskArrays(self.job.blocks, name)
        sample = pairs.sample(min(1.0, SAMPLES / self.per_task), 0)
        save = partial(_save_block, of_tasks)

        def make() -> bool:
            stats = job.note(
                f"{name}.blocks", lambda: sort_keys(pairs, sample, keys_of, self.per_task, save)
            )
            if not stats:
                return False

            def ends(_: int) -> None:
                # A row may span several blocks, so its lengths are summed.
                lengths = np.zeros(total, np.int64)
                for each in stats:
                    rows, counts = (of_tasks.array(each["block"], n) for n in (_ROWS, _LENGTHS))
                    lengths[rows] += counts
                arrays.write_whole({f"{name}.indptr": offsets(lengths)})

            job.run(1, ends)
            parts = ("indices", "data") if _weight(pairs) else ("indices",)
            of_tasks.join(job, stats, arrays, [f"{name}.{part}" for part in parts])
            return True

        return bool(job.stage(name, make))


def _keys_of(kind: GraphKind, numbers: EndNumbers, step: int, batch: pa.RecordBatch) -> Keyed:
    """Return the matrix entries of a batch of edges as keys; `step` -1 is the transpose."""
    rows, columns = numbers(batch)[::step]
    weights = batch.column(2).to_numpy() if batch.num_columns > 2 else None
    if kind != "two-mode":
        is_edge = rows != columns
        rows, columns = rows[is_edge], columns[is_edge]
        weights = None if weights is None else weights[is_edge]
    if kind == "undirected":
        rows, columns = np.concatenate([rows, columns]), np.concatenate([columns, rows])
        weights = None if weights is None else np.tile(weights, 2)
    return pair_keys(rows, columns).view(np.int64), weights


def _weight(frame: DataFrame) -> tuple[str, ...]:
    """Return the name of the weight column, if there is one."""
    return ("weight",) if "weight" in frame.columns else ()


def _save_block(of_tasks: TaskArrays, block: int, keys: Ints, weights: Array | None) -> Stats:
    """Write one range of pairs without repeats; sum the weights of repeated pairs."""
    merged, sums = merge_repeats(keys.view(np.uint64), weights)
    rows, columns = pairs_of(merged)
    distinct_rows, lengths = np.unique(rows, return_counts=True)
    arrays = {_ROWS: distinct_rows, _LENGTHS: lengths, f"{of_tasks.stage}.indices": columns}
    if sums is not None:
        arrays[f"{of_tasks.stage}.data"] = sums.astype(np.float32)
    return of_tasks.save(block, arrays)
