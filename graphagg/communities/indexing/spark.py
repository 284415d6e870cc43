"""The community index by Spark, byte for byte what `CommunityIndex.build` writes.

Stages, each of which ends on disk in `<directory>.work`, so that a job that was killed goes on:

1. `edges`: read, checked, in Parquet.
2. `vertices`: ids, distinct, sorted by range, numbered by counting the ids of the ranges before;
   and the hash of each.
3. `pairs`: both ids of each edge exchanged for their numbers.
4. `sets` (and `holders`): pairs sorted by range of (row, column). A range may end inside a row, so
   that one hub's neighbors can be spread over several tasks. Each task drops repeats and writes its
   block; then tasks write the blocks to their places in the compressed rows.
5. The stages of the engine: a task signs a range of rows, or sorts one LSH band from the mapped
   signatures in 28 bytes per vertex.

Where tasks exchange arrays is described in `graphagg.spark.job`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.communities.config import GRAPH_KIND, CommunityConfig
from graphagg.communities.indexing.engine import KIND, Engine
from graphagg.communities.snapshot import IndexGraph
from graphagg.errors import EmptyGraph, InvalidGraph
from graphagg.graph.adjacency import add_up, check_sums
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.spark.edges import EdgeInput
from graphagg.graph.spark.numbering import Numbering, number_ids, write_ids
from graphagg.minhash.signatures import Hashes, HashFamily, mix
from graphagg.spark.blocks import Blocks
from graphagg.spark.build import SparkBuild
from graphagg.spark.job import Work
from graphagg.spark.state import Stored
from graphagg.spark.tasks import Stats, run_tasks, write_blocks
from graphagg.store import Publication

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

ENTRIES_PER_BLOCK = 2_000_000
"""Entries of compressed rows that a task holds; about 100 bytes each."""
_HASHES = "hashes"


def write_with_spark(
    spark_build: SparkBuild,
    source: EdgeInput,
    config: CommunityConfig,
    *,
    entries_per_block: int = ENTRIES_PER_BLOCK,
) -> ReadReport:
    """Index a graph by Spark; see `CommunityIndex.build`."""

    def write(work: Work, publication: Publication) -> dict[str, Any]:
        state = Stored(work.files, work.blocks)
        family = HashFamily(config.permutations, config.hash_seed)
        graph = _GraphStages(work, config, state, entries_per_block).run(source)

        def hashes() -> Hashes:
            return Hashes.of(state.map(_HASHES), config.closed, family)

        engine = Engine(config, state, SparkLoops(work, state), hashes)
        engine.publish(publication, graph, force=spark_build.force)
        return graph.report.to_json()

    return ReadReport(
        **spark_build.publish(KIND, job_of(source, config), source, write, stages(config))
    )


def job_of(source: EdgeInput, config: CommunityConfig) -> dict[str, Any]:
    """Identity of a job: its input and parameters."""
    return {"source": source.identity(), "config": config.to_json()}


def stages(config: CommunityConfig) -> tuple[str, ...]:
    """The stages of a job, in their order."""
    rows = ("sets",) if config.kind == "undirected" else ("sets", "holders")
    weights = ("weights",) if config.weights else ()
    return ("edges", "vertices", "pairs", *rows, *weights, "signatures", "bands")


# --- loops -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SparkLoops:
    """Steps that are Spark tasks; a stage that is done is noted in the job's folder."""

    work: Work
    state: Stored
    bands_per_step: int = 1

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """A small result: read if it was noted before, else made and noted."""
        return self.work.note(name, make)

    def each(self, name: str, count: int, step: Callable[[int], Stats]) -> list[Stats]:
        """Run a task per step, unless the job has finished this stage."""
        done: list[Stats] = self.work.stage(name, lambda: run_tasks(self.work.spark, count, step))
        return done

    def join(
        self, name: str, array: str, dtype: Any, count: int,
        step: Callable[[int], tuple[Stats, Array]],
    ) -> list[Stats]:  # fmt: skip
        """Run a task per step, and one that copies what it gave to its place."""
        blocks, state, spark = self.work.blocks, self.state, self.work.spark

        def save(i: int) -> Stats:
            stats, values = step(i)
            blocks.save(name, i, values=values)
            return {**stats, "length": len(values)}

        def make() -> list[Stats]:
            stats = run_tasks(spark, count, save)
            starts = offsets([each["length"] for each in stats]).tolist()
            state.create(array, dtype, (starts[-1],))

            def copy(i: int) -> Stats:
                state.write(array, starts[i], blocks.load(name, i, "values"))
                return {}

            run_tasks(spark, count, copy)
            return stats

        done: list[Stats] = self.work.stage(name, make)
        return done


# --- stages 1 to 4: the graph ---------------------------------------------------------------------


@dataclass(frozen=True)
class _GraphStages:
    """The stages that make ids and rows.

    Attributes:
        work: the finished stages.
        config: the kind of graph, and the parameters.
        state: the arrays.
        entries_per_block: entries of compressed rows that one task holds.
    """

    work: Work
    config: CommunityConfig
    state: Stored
    entries_per_block: int

    @property
    def _weight(self) -> tuple[str, ...]:
        """The column of weights, where they are kept."""
        return ("weight",) if self.config.weights else ()

    def run(self, source: EdgeInput) -> Graph:
        """Write ids, their hashes and rows. Returns: the graph, mapped."""
        work, kind = self.work, self.config.kind
        frame, read = self._read(source)
        partitions = math.ceil(read / self.entries_per_block)
        rows, columns = self._number(frame, partitions)
        loops = 0 if kind == "two-mode" else work.note("loops", frame.filter("src = dst").count)
        pairs = work.phase("pairs", lambda: self._pairs(frame, rows, columns))
        inward = kind == "directed-in"  # the sets are the in-neighbors
        sets, holders = (_transposed(pairs), pairs) if inward else (pairs, _transposed(pairs))
        repeats = self._write_rows(sets, "sets", rows.total, partitions)
        if repeats is None:
            raise EmptyGraph(
                f"{source}: {loops:,} self-loops and no edge, wanted at least one edge"
            )
        if kind != "undirected":
            self._write_rows(holders, "holders", columns.total, partitions)
        each = 2 if kind == "undirected" else 1  # entries of an edge
        stored = IndexGraph.read(self.config, self.state.map, self.state.exists)
        report = ReadReport(
            edges_read=read,
            edges=len(stored.hoods.sets.indices) // each,
            self_loops=loops,
            duplicates=repeats // each,
            **source.counts(work),
        )
        return stored.graph(report)

    def _read(self, source: EdgeInput) -> tuple[DataFrame, int]:
        """Read the edges, columns `src` and `dst` (two-mode: set and element). Returns: a count."""
        frame = source.frame(self.work, GRAPH_KIND[self.config.kind])
        count = self.work.note("read", frame.count)
        if count == 0:
            raise EmptyGraph(f"{source}: no edge in it, wanted at least one; check the path")
        if self.config.kind == "two-mode":  # pairs are (element, set)
            return frame.selectExpr("dst AS src", "src AS dst", *self._weight), count
        ids = dict(frame.select("src", "dst").dtypes)
        if len(set(ids.values())) > 1:
            raise InvalidGraph(f"{source}: columns are {ids}, wanted one type of id; convert one")
        return frame, count

    def _number(self, frame: DataFrame, partitions: int) -> tuple[Numbering, Numbering]:
        """Number the ids of rows and of columns, which are the same unless two-mode."""
        work, state = self.work, self.state
        sources, targets = frame.selectExpr("src AS id"), frame.selectExpr("dst AS id")
        frames = {"vertices": sources.union(targets)}
        if self.config.kind == "two-mode":
            frames = {"vertices": sources, "elements": targets}

        def number() -> list[dict[str, Any]]:
            numberings = [
                number_ids(ids, work.blocks, name, partitions) for name, ids in frames.items()
            ]
            for numbering in numberings:
                write_ids(work.spark, numbering, state, numbering.name)
            hashed = numberings[-1]
            state.create(_HASHES, np.uint32, (hashed.total,))

            def write(i: int) -> Stats:
                state.write(_HASHES, hashed.start(i), mix(hashed.load(i).tokens()))
                return {}

            run_tasks(work.spark, len(hashed.counts), write)
            return [numbering.to_json() for numbering in numberings]

        noted = [Numbering.from_json(work.blocks, n) for n in work.stage("vertices", number)]
        return noted[0], noted[-1]

    def _pairs(self, frame: DataFrame, rows: Numbering, columns: Numbering) -> DataFrame:
        """Columns `row` and `col`, dense numbers; undirected: each pair both ways."""
        spark, kind = self.work.spark, self.config.kind
        left = rows.frame(spark).selectExpr("id AS src", "number AS row")
        right = columns.frame(spark).selectExpr("id AS dst", "number AS col")
        pairs = frame.join(left, "src").join(right, "dst").select("row", "col", *self._weight)
        if kind != "two-mode":
            pairs = pairs.filter("row <> col")
        return pairs.unionByName(_transposed(pairs)) if kind == "undirected" else pairs

    def _write_rows(self, pairs: DataFrame, name: str, total: int, partitions: int) -> int | None:
        """Write `total` compressed rows. Returns: the repeats, or None where there is no pair."""
        work, state, blocks = self.work, self.state, self.work.blocks
        weighted = self.config.weights

        def sort() -> list[Stats]:
            ordered = pairs.repartitionByRange(partitions, "row", "col")
            return write_blocks(
                ordered.sortWithinPartitions("row", "col"), partial(_save_block, blocks, name)
            )

        def make() -> int | None:
            stats = work.note(f"{name}.blocks", sort)
            if not stats:
                return None
            starts = offsets([each["entries"] for each in stats]).tolist()
            next_rows = [*(each["first"] for each in stats[1:]), total]
            state.create(f"{name}.indptr", np.int64, (total + 1,))
            state.create(f"{name}.indices", np.int32, (starts[-1],))
            if weighted:
                state.create(f"{name}.data", np.float64, (starts[-1],))

            def copy(i: int) -> Stats:
                block = partial(blocks.load, name, stats[i]["block"])
                rows = block("rows")
                state.write(f"{name}.indices", starts[i], block("columns"))
                if weighted:
                    state.write(f"{name}.data", starts[i], block("weights"))
                # The ends of the rows up to the first row of the next block, whose task writes
                # its own. A row without entries ends where the row before it does.
                ends = starts[i] + offsets(block("lengths"))
                span = np.arange(rows[0], next_rows[i])
                row_ends = ends[np.searchsorted(rows, span, side="right")]
                state.write(f"{name}.indptr", int(rows[0]) + 1, row_ends)
                return {}

            run_tasks(work.spark, len(stats), copy)
            return int(sum(each["repeats"] for each in stats))

        repeats: int | None = work.stage(name, make)
        return repeats


def _transposed(pairs: DataFrame) -> DataFrame:
    rest = [column for column in pairs.columns if column not in ("row", "col")]
    return pairs.selectExpr("col AS row", "row AS col", *rest)


def _save_block(blocks: Blocks, name: str, block: int, table: pa.Table) -> Stats:
    """Write one range of sorted pairs, without repeats."""
    row, column = (table.column(c).to_numpy() for c in ("row", "col"))
    distinct = np.ones(len(row), dtype=np.bool_)
    distinct[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1])
    columns = column[distinct].astype(np.int32)
    rows, lengths = np.unique(row[distinct], return_counts=True)
    arrays = {}
    if "weight" in table.column_names:
        narrow = table.column("weight").to_numpy().astype(np.float32)
        arrays["weights"] = np.zeros(len(columns))
        add_up(np.cumsum(distinct) - 1, narrow, arrays["weights"])
        check_sums(arrays["weights"], "the edges")
    blocks.save(name, block, rows=rows, lengths=lengths, columns=columns, **arrays)
    repeats = len(row) - len(columns)
    return {"first": int(rows[0]), "entries": len(columns), "repeats": repeats}
