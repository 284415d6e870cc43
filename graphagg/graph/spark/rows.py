"""The rows of a graph by Spark: what `read_graph` gives in process, as arrays of a job.

Stages, each of which ends on disk, so that a job that was killed goes on:

1. `edges`: read, checked, in Parquet.
2. `vertices`: distinct ids, sorted by range; an id's number counts the ids before it.
3. `pairs`: both ids of each edge replaced by their numbers.
4. `sets`, and `holders` of a graph that is not undirected: pairs sorted by range of (row, column).
   A range may end inside a row, so that one hub's neighbors spread over several tasks. Each task
   drops repeats and writes a block; then tasks copy the blocks to their places.

The arrays: ids `vertices` and, two-mode, `elements`; compressed rows `sets` and `holders`, its
transpose, each with `.indptr`, `.indices` and, with weights, `.data`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import offsets
from graphagg.errors import EmptyGraph, InvalidGraph
from graphagg.execution.blocks import Blocks
from graphagg.execution.runner import Stats
from graphagg.graph.adjacency import add_up, check_sums
from graphagg.graph.graph import ReadReport
from graphagg.graph.kinds import GraphKind
from graphagg.graph.spark.edges import EdgeInput
from graphagg.graph.spark.numbering import Numbering, number_ids, write_ids
from graphagg.spark.job import SparkJob
from graphagg.spark.tasks import write_blocks

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

ENTRIES_PER_TASK = 2_000_000
"""Entries of compressed rows that a task holds; about 100 bytes each."""
VERTICES, ELEMENTS = "vertices", "elements"
SETS, HOLDERS = "sets", "holders"


def graph_stages(kind: GraphKind) -> tuple[str, ...]:
    """The names of the stages, in their order."""
    rows = (SETS,) if kind == "undirected" else (SETS, HOLDERS)
    return ("edges", VERTICES, "pairs", *rows)


@dataclass(frozen=True)
class GraphRows:
    """The stages that read a graph.

    Attributes:
        job: runs them, and holds the arrays.
        source: the edges.
        kind: of the graph.
        per_task: entries of compressed rows that one task holds.
        exact: keep weights in float64, and refuse sums that float64 cannot hold; else float32.
        inward: directed: `sets` are the in-neighbors.
    """

    job: SparkJob
    source: EdgeInput
    kind: GraphKind
    per_task: int = ENTRIES_PER_TASK
    exact: bool = False
    inward: bool = False

    def write(self) -> ReadReport:
        """Run the stages.

        Raises:
            InvalidGraph, EmptyGraph, UnreadableFile: about the edges.
        """
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
        job = self.job
        sources, targets = frame.selectExpr("src AS id"), frame.selectExpr("dst AS id")
        frames = {VERTICES: sources.union(targets)}
        if self.kind == "two-mode":
            frames = {VERTICES: sources, ELEMENTS: targets}

        def number() -> list[dict[str, Any]]:
            numberings = [
                number_ids(ids, job.blocks, name, partitions) for name, ids in frames.items()
            ]
            for numbering in numberings:
                write_ids(job, numbering, job.arrays)
            return [numbering.to_json() for numbering in numberings]

        noted = [Numbering.from_json(job.blocks, note) for note in job.stage(VERTICES, number)]
        return noted[0], noted[-1]

    def _pairs(self, frame: DataFrame, rows: Numbering, columns: Numbering) -> DataFrame:
        """Columns `row` and `col`, dense numbers; undirected: each pair both ways."""
        spark = self.job.spark
        left = rows.frame(spark).selectExpr("id AS src", "number AS row")
        right = columns.frame(spark).selectExpr("id AS dst", "number AS col")
        pairs = frame.join(left, "src").join(right, "dst").select("row", "col", *_weight(frame))
        if self.kind != "two-mode":
            pairs = pairs.filter("row <> col")
        return pairs.unionByName(_transposed(pairs)) if self.kind == "undirected" else pairs

    def _write_rows(self, pairs: DataFrame, name: str, total: int, partitions: int) -> int | None:
        """Write `total` compressed rows. Returns: the repeats, or None where there is no pair."""
        job, arrays, weighted = self.job, self.job.arrays, bool(_weight(pairs))
        dtype = np.float64 if self.exact else np.float32

        def sort() -> list[Stats]:
            ordered = pairs.repartitionByRange(partitions, "row", "col")
            return write_blocks(
                ordered.sortWithinPartitions("row", "col", *_weight(pairs)),
                partial(_save_block, job.blocks, name, self.exact),
            )

        def make() -> int | None:
            stats = job.note(f"{name}.blocks", sort)
            if not stats:
                return None
            starts = offsets([each["entries"] for each in stats]).tolist()
            next_rows = [*(each["first"] for each in stats[1:]), total]
            arrays.create(f"{name}.indptr", np.int64, (total + 1,))
            arrays.create(f"{name}.indices", np.int32, (starts[-1],))
            if weighted:
                arrays.create(f"{name}.data", dtype, (starts[-1],))

            def copy(i: int) -> None:
                block = partial(arrays.blocks.load, name, stats[i]["block"])
                rows = block("rows")
                arrays.write(f"{name}.indices", starts[i], block("columns"))
                if weighted:
                    arrays.write(f"{name}.data", starts[i], block("weights"))
                # The ends of the rows up to the first row of the next block, whose task writes
                # its own. A row without entries ends where the row before it does.
                ends = starts[i] + offsets(block("lengths"))
                span = np.arange(rows[0], next_rows[i])
                row_ends = ends[np.searchsorted(rows, span, side="right")]
                arrays.write(f"{name}.indptr", int(rows[0]) + 1, row_ends)

            job.run(len(stats), copy)
            return int(sum(each["repeats"] for each in stats))

        repeats: int | None = job.stage(name, make)
        return repeats


def _weight(frame: DataFrame) -> tuple[str, ...]:
    """The column of weights, if there is one."""
    return ("weight",) if "weight" in frame.columns else ()


def _transposed(pairs: DataFrame) -> DataFrame:
    return pairs.selectExpr("col AS row", "row AS col", *_weight(pairs))


def _save_block(blocks: Blocks, name: str, exact: bool, block: int, table: pa.Table) -> Stats:
    """Write one range of sorted pairs, without repeats; their weights are added up."""
    row, column = (table.column(c).to_numpy() for c in ("row", "col"))
    distinct = np.ones(len(row), dtype=np.bool_)
    distinct[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1])
    columns = column[distinct].astype(np.int32)
    rows, lengths = np.unique(row[distinct], return_counts=True)
    arrays = {}
    if "weight" in table.column_names:
        weights, positions = table.column("weight").to_numpy(), np.cumsum(distinct) - 1
        if exact:
            arrays["weights"] = np.zeros(len(columns))
            add_up(positions, weights.astype(np.float32), arrays["weights"])
            check_sums(arrays["weights"], "the edges")
        else:  # as `rows_from_pairs`: in float64, the smallest first
            arrays["weights"] = np.bincount(positions, weights).astype(np.float32)
    blocks.save(name, block, rows=rows, lengths=lengths, columns=columns, **arrays)
    repeats = len(row) - len(columns)
    return {"first": int(rows[0]), "entries": len(columns), "repeats": repeats}
