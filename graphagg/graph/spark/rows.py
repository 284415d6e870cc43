"""Spark stages from edges to the compressed rows of a graph, as `read_graph` in process.

Stages, each of which ends on disk, so that a job that was killed goes on:

1. `edges`: read, checked, in Parquet.
2. `vertices`: distinct ids, sorted by range; an id's number counts the ids before it.
3. `pairs`: both ids of each edge replaced by their numbers: integers by search in the mapped ids,
   strings by joins.
4. `sets`, and `holders` of a graph that is not undirected: pairs sorted by range of (row, column).
   A range may end inside a row, so that one hub's neighbors spread over several tasks. Each task
   drops repeats and writes a block; then the blocks are concatenated. One task writes where rows
   end, in 16 bytes per row.

The arrays: ids `vertices` and, two-mode, `elements`; compressed rows `sets` and `holders`, its
transpose, each with `.indptr`, `.indices` and, with weights, `.data`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from graphagg.arrays import offsets
from graphagg.errors import EmptyGraph, InvalidGraph
from graphagg.execution.runner import Stats
from graphagg.execution.task_arrays import TaskArrays
from graphagg.graph.adjacency import check_sums, merge_repeats, pair_keys, pairs_of
from graphagg.graph.graph import ReadReport
from graphagg.graph.kinds import GraphKind
from graphagg.graph.spark.edges import EdgeInput
from graphagg.graph.spark.numbering import Numbering, numbered
from graphagg.spark.job import SparkJob
from graphagg.spark.tasks import write_blocks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ENTRIES_PER_TASK = 2_000_000
"""Entries of compressed rows that a task holds; about 100 bytes each."""
VERTICES, ELEMENTS = "vertices", "elements"
SETS, HOLDERS = "sets", "holders"
_MAPPED = 1 << 28
"""Integer ids that an executor maps, in 8 bytes each, to number edges without a join."""
_ROWS, _LENGTHS = "rows", "lengths"


def graph_stages(kind: GraphKind) -> tuple[str, ...]:
    """The names of the stages, in their order."""
    rows = (SETS,) if kind == "undirected" else (SETS, HOLDERS)
    return ("edges", VERTICES, "pairs", *rows)


@dataclass(frozen=True)
class GraphRows:
    """The stages that read a graph."""

    job: SparkJob  # runs them, and holds the arrays
    source: EdgeInput  # the edges
    kind: GraphKind  # of the graph
    per_task: int = ENTRIES_PER_TASK  # entries of compressed rows that one task holds
    # keep weights in float64, and refuse sums that float64 cannot hold; else float32
    exact: bool = False
    inward: bool = False  # directed: `sets` are the in-neighbors

    def write(self) -> ReadReport:
        """Run the stages, or those that an earlier job left; only rows and ids stay."""
        report = ReadReport(**self.job.note("graph", lambda: asdict(self._write())))
        self.job.forget("edges", "pairs", SETS, HOLDERS, VERTICES, ELEMENTS)
        return report

    def _write(self) -> ReadReport:
        job, kind = self.job, self.kind
        frame, count = self._read()
        partitions = math.ceil(count / self.per_task)
        rows, columns = self._number(frame, partitions)
        loops = 0 if kind == "two-mode" else job.note("self_loops", frame.filter("src = dst").count)
        pairs = job.phase("pairs", lambda: self._pairs(frame, rows, columns))
        first, second = (_transposed(pairs), pairs) if self.inward else (pairs, _transposed(pairs))
        repeats = self._write_rows(first, SETS, rows.total, partitions)
        if repeats is None:
            raise EmptyGraph(
                f"{self.source}: {loops:,} self-loops and no edge, wanted at least one edge"
            )
        if kind != "undirected":
            self._write_rows(second, HOLDERS, columns.total, partitions)
        each = 2 if kind == "undirected" else 1  # entries of an edge
        return ReadReport(
            edges_read=count,
            edges=len(job.arrays.map(f"{SETS}.indices")) // each,
            self_loops=loops,
            duplicates=repeats // each,
            **self.source.counts(job),
        )

    def _read(self) -> tuple[DataFrame, int]:
        """Columns `src` and `dst` (two-mode: set and element), perhaps `weight`; and a count."""
        frame = self.source.frame(self.job, self.kind)
        count = self.job.note("read", frame.count)
        if count == 0:
            raise EmptyGraph(f"{self.source}: no edge in it, wanted at least one; check the path")
        if self.kind == "two-mode":  # an edge is (element, set)
            return frame.selectExpr("dst AS src", "src AS dst", *_weight(frame)), count
        ids = dict(frame.select("src", "dst").dtypes)
        if len(set(ids.values())) > 1:
            raise InvalidGraph(
                f"{self.source}: columns are {ids}, wanted one type of id; convert one"
            )
        return frame, count

    def _number(self, frame: DataFrame, partitions: int) -> tuple[Numbering, Numbering]:
        """Number the ids of rows and of columns, which are the same unless two-mode."""
        sources, targets = frame.selectExpr("src AS id"), frame.selectExpr("dst AS id")
        frames = {VERTICES: sources.union(targets)}
        if self.kind == "two-mode":
            frames = {VERTICES: sources, ELEMENTS: targets}
        numberings = numbered(self.job, frames, partitions)
        return numberings[0], numberings[-1]

    def _pairs(self, frame: DataFrame, rows: Numbering, columns: Numbering) -> DataFrame:
        """Columns `row` and `col`, dense numbers; undirected: each pair both ways."""
        spark, ends = self.job.spark, (rows, columns)
        if all(each.is_integer and each.total <= _MAPPED for each in ends):
            pairs = self._looked_up(frame, [each.blocks.stage for each in ends])
        else:
            left, right = (each.frame(spark) for each in ends)
            pairs = frame.join(left.toDF("src", "row"), "src").join(right.toDF("dst", "col"), "dst")
        if self.kind != "two-mode":
            pairs = pairs.filter("row <> col")
        if self.kind == "undirected":  # in one pass
            both = "inline(array(struct(row, col{0}), struct(col AS row, row AS col{0})))"
            return pairs.selectExpr(both.format(", weight" * len(_weight(frame))))
        return pairs.select("row", "col", *_weight(frame))

    def _looked_up(self, frame: DataFrame, names: list[str]) -> DataFrame:
        """The pairs by the mapped ids: no row is sent anywhere."""
        arrays, weights = self.job.arrays, _weight(frame)

        def number(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                ends = [
                    np.searchsorted(arrays.map(n), batch.column(i)) for i, n in enumerate(names)
                ]
                columns = [pa.array(end.astype(np.int32)) for end in ends]
                yield pa.record_batch(columns + batch.columns[2:], ["row", "col", *weights])

        return frame.mapInArrow(number, "row int, col int" + ", weight double" * len(weights))

    def _write_rows(self, pairs: DataFrame, name: str, total: int, partitions: int) -> int | None:
        """Write `total` compressed rows. Returns: the repeats, or None where there is no pair."""
        job, arrays, of_tasks = self.job, self.job.arrays, TaskArrays(self.job.blocks, name)
        ordered = pairs.repartitionByRange(partitions, "row", "col")
        ordered = ordered.sortWithinPartitions("row", "col", *_weight(pairs))
        save = partial(_save_block, of_tasks, self.exact)

        def make() -> int | None:
            stats = job.note(f"{name}.blocks", lambda: write_blocks(ordered, save))
            if not stats:
                return None

            def ends(_: int) -> None:
                # A row may end in a later block than it begins in: lengths are added up.
                lengths = np.zeros(total, np.int64)
                for each in stats:
                    rows, counts = (of_tasks.array(each["block"], n) for n in (_ROWS, _LENGTHS))
                    lengths[rows] += counts
                arrays.write_whole({f"{name}.indptr": offsets(lengths)})

            job.run(1, ends)
            parts = ("indices", "data") if _weight(pairs) else ("indices",)
            of_tasks.join(job, stats, arrays, [f"{name}.{part}" for part in parts])
            return int(sum(each["repeats"] for each in stats))

        repeats: int | None = job.stage(name, make)
        return repeats


def _weight(frame: DataFrame) -> tuple[str, ...]:
    """The column of weights, if there is one."""
    return ("weight",) if "weight" in frame.columns else ()


def _transposed(pairs: DataFrame) -> DataFrame:
    return pairs.selectExpr("col AS row", "row AS col", *_weight(pairs))


def _save_block(of_tasks: TaskArrays, exact: bool, block: int, table: pa.Table) -> Stats:
    """Write one range of sorted pairs, without repeats; their weights are added up."""
    pairs = pair_keys(*(table.column(c).to_numpy() for c in ("row", "col")))
    weights = table.column("weight").to_numpy() if "weight" in table.column_names else None
    if weights is not None and exact:
        weights = weights.astype(np.float32)
    keys, sums = merge_repeats(pairs, weights, exact=exact)
    rows, columns = pairs_of(keys)
    distinct_rows, lengths = np.unique(rows, return_counts=True)
    arrays = {_ROWS: distinct_rows, _LENGTHS: lengths, f"{of_tasks.stage}.indices": columns}
    if sums is not None:
        if exact:
            check_sums(sums, "the edges")
        arrays[f"{of_tasks.stage}.data"] = sums if exact else sums.astype(np.float32)
    return of_tasks.save(block, arrays, repeats=len(pairs) - len(keys))
