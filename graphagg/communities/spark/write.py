"""The community index by Spark, byte for byte what `CommunityIndex.build` writes.

Stages, each of which ends on disk in `<directory>.work`, so that a job that was killed goes on:

1. `edges`: read, checked, in Parquet.
2. `vertices`: ids, distinct, sorted by range, numbered by counting those of the ranges before.
3. `pairs`: both ids of each edge exchanged for their numbers and tokens.
4. `sets` (and `holders`): pairs sorted by range of (row, column). A range may end inside a row, so
   one hub's neighbors can be spread over several tasks. Each task drops repeats, and writes its
   block of the compressed rows and the signatures of the rows that it has whole. Of its first and
   last row, which other tasks may have too, it writes the 32-bit minima; they are merged before
   they are cut to 16 bits, by the task whose range of rows the row begins.
5. `bands`: a task sorts one LSH band from the mapped signatures; 28 bytes a vertex.

The files of the index are joined from the blocks of `vertices`, `sets`, `holders` and `lsh`, again
where a job goes on. What tasks exchange lies where `graphagg.spark.job` says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.communities.build import KIND, index_manifest
from graphagg.communities.config import GRAPH_KIND, IndexConfig, QueryConfig
from graphagg.communities.query.containment import SizePartitions
from graphagg.errors import EmptyGraph, InvalidGraph
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.ids import VertexIds
from graphagg.graph.spark.edges import EdgeInput
from graphagg.graph.spark.numbering import Numbering, number_ids, write_ids
from graphagg.minhash.bands import BucketCounts, build_tables
from graphagg.minhash.signatures import Hashes, HashFamily, minima, signatures, truncate
from graphagg.spark.blocks import AnyBlocks
from graphagg.spark.build import SparkBuild
from graphagg.spark.files import Files
from graphagg.spark.job import AnyWork
from graphagg.spark.task_arrays import ArrayCollector, TaskArrays
from graphagg.spark.tasks import Stats, run_tasks, write_blocks
from graphagg.store import ArtifactWriter, Publication
from graphagg.store.index import is_current
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

ENTRIES_A_BLOCK = 2_000_000
"""Entries of compressed rows that a task holds; about 100 bytes each."""
_ROWS_AT_ONCE = 1 << 16
"""Rows whose signatures a task holds at once."""


def write_with_spark(
    spark_build: SparkBuild,
    source: EdgeInput,
    config: IndexConfig,
    *,
    entries_a_block: int = ENTRIES_A_BLOCK,
) -> ReadReport:
    """Index a graph by Spark; see `build_with_spark`."""

    def write(work: AnyWork, publication: Publication) -> dict[str, Any]:
        files = work.version(publication)
        build = _Build(work, config, files, entries_a_block)
        graph = _write_graph(build, source)
        inputs, directory = {"graph": graph.digest()}, spark_build.directory
        if spark_build.force or not is_current(directory, KIND, inputs, config.to_json()):
            buckets, isolated = _write_bands(build), _write_sizes(build)
            files.gather(publication.writer)
            publication.publish(index_manifest(graph, config, buckets, isolated))
        return graph.report.to_json()

    return ReadReport(**spark_build.publish(KIND, job_of(source, config), source, write))


def job_of(source: EdgeInput, config: IndexConfig) -> dict[str, Any]:
    """What tells one job from another: its input and parameters."""
    return {"source": source.identity(), "config": config.to_json()}


def stages(config: IndexConfig) -> tuple[str, ...]:
    """The stages of a job, in their order."""
    rows = ("sets",) if config.kind == "undirected" else ("sets", "holders")
    return ("edges", "vertices", "pairs", *rows, "bands")


@dataclass(frozen=True)
class _Build:
    """An unfinished job.

    Attributes:
        work: its finished stages.
        config: the kind of graph, and the parameters.
        files: the arrays of the new version.
        entries_a_block: entries of compressed rows that one task holds.
    """

    work: AnyWork
    config: IndexConfig
    files: Files
    entries_a_block: int

    @property
    def two_mode(self) -> bool:
        return self.config.kind == "two-mode"

    def array(self, name: str) -> Array:
        return self.files.map(name)

    def ids(self, name: str) -> VertexIds:
        if self.files.exists(name):
            return VertexIds(self.array(name))
        return VertexIds(StringTable(self.array(f"{name}.utf8"), self.array(f"{name}.offsets")))


# --- stages 1 to 3: edges, vertices, pairs -------------------------------------------------------


def _read(build: _Build, source: EdgeInput) -> tuple[DataFrame, int]:
    """The edges, columns `src` and `dst` (two-mode: element and set turned), and their number."""
    work = build.work
    frame = source.frame(work, GRAPH_KIND[build.config.kind])
    count = work.note("read", frame.count)
    if count == 0:
        raise EmptyGraph(f"{source}: no edge in it, wanted at least one; check the path")
    if build.two_mode:  # pairs are (element, set)
        return frame.selectExpr("dst AS src", "src AS dst"), count
    if len({kind for _, kind in frame.dtypes}) > 1:
        raise InvalidGraph(
            f"{source}: columns are {dict(frame.dtypes)}, wanted one type of id; convert one"
        )
    return frame, count


def _number(build: _Build, frame: DataFrame, partitions: int) -> tuple[Numbering, Numbering]:
    """Number the ids of rows and of columns, which are the same unless two-mode; write them."""
    work = build.work
    sources, targets = frame.selectExpr("src AS id"), frame.selectExpr("dst AS id")
    frames = {"vertices": sources.union(targets)}
    if build.two_mode:
        frames = {"vertices": sources, "elements": targets}

    def number() -> list[dict[str, Any]]:
        return [
            number_ids(ids, work.blocks, name, partitions).to_json() for name, ids in frames.items()
        ]

    numberings = [Numbering.from_json(work.blocks, n) for n in work.stage("vertices", number)]
    for numbering in numberings:
        write_ids(work.spark, numbering, build.files, numbering.name)
    return numberings[0], numberings[-1]


def _pairs(build: _Build, frame: DataFrame, rows: Numbering, columns: Numbering) -> DataFrame:
    """Columns `row`, `col` (dense numbers) and `rmark`, `cmark` (their tokens)."""
    spark, kind = build.work.spark, build.config.kind
    left = rows.frame(spark).selectExpr("id AS src", "number AS row", "token AS rmark")
    right = columns.frame(spark).selectExpr("id AS dst", "number AS col", "token AS cmark")
    pairs = frame.join(left, "src").join(right, "dst").select("row", "col", "rmark", "cmark")
    if kind != "two-mode":
        pairs = pairs.filter("row <> col")
    return pairs.unionByName(_transposed(pairs)) if kind == "undirected" else pairs


def _transposed(pairs: DataFrame) -> DataFrame:
    return pairs.selectExpr("col AS row", "row AS col", "cmark AS rmark", "rmark AS cmark")


# --- stage 4: sets, holders and signatures -------------------------------------------------------


def _write_graph(build: _Build, source: EdgeInput) -> Graph:
    """Write ids, compressed rows and signatures; the graph is mapped from what was written."""
    work, kind = build.work, build.config.kind
    frame, read = _read(build, source)
    partitions = math.ceil(read / build.entries_a_block)
    rows, columns = _number(build, frame, partitions)
    loops = 0 if build.two_mode else work.note("loops", frame.filter("src = dst").count)
    pairs = work.phase("pairs", lambda: _pairs(build, frame, rows, columns))
    inward = kind == "directed-in"  # the sets are the in-neighbors
    sets, holders = (_transposed(pairs), pairs) if inward else (pairs, _transposed(pairs))
    repeats = _write_rows(build, sets, "sets", rows.total, partitions, signed=rows)
    if repeats is None:
        raise EmptyGraph(f"{source}: {loops:,} self-loops and no edge, wanted at least one edge")
    if kind != "undirected":
        _write_rows(build, holders, "holders", columns.total, partitions)
    name = "holders" if inward else "sets"
    indptr, indices = build.array(f"{name}.indptr"), build.array(f"{name}.indices")
    each = 2 if kind == "undirected" else 1  # entries of an edge
    report = ReadReport(
        edges_read=read,
        edges=len(indices) // each,
        self_loops=loops,
        duplicates=repeats // each,
        **source.counts(work),
    )
    row_ids = build.ids("vertices")
    column_ids = build.ids("elements") if build.two_mode else row_ids
    adjacency = Csr(indptr, indices, None, columns.total)
    return Graph(GRAPH_KIND[kind], row_ids, column_ids, adjacency, report)


def _write_rows(
    build: _Build,
    pairs: DataFrame,
    name: str,
    total: int,
    partitions: int,
    signed: Numbering | None = None,
) -> int | None:
    """Write `total` compressed rows; returns the repeats, or None where there is no pair.

    With `signed`, the numbering of the rows, their signatures too.
    """
    blocks, config, files = build.work.blocks, build.config, build.files

    def sort() -> list[Stats]:
        ranges = pairs.repartitionByRange(partitions, "row", "col")
        return write_blocks(ranges.sortWithinPartitions("row", "col"), write)

    def write(number: int, table: pa.Table) -> Stats:
        return _write_block(blocks, name, number, table, config if signed else None)

    stats = build.work.stage(name, sort)
    if not stats:
        return None
    starts = offsets([s["entries"] for s in stats])
    next_rows = [*(s["first"] for s in stats[1:]), total]
    files.create(f"{name}.indptr", np.int64, (total + 1,))
    files.create(f"{name}.indices", np.int32, (int(starts[-1]),))
    if signed:
        files.create("signatures", np.uint16, (total, config.permutations))

    def place(i: int) -> Stats:
        block = partial(blocks.load, name, stats[i]["block"])
        rows, start = block("rows"), int(starts[i])
        files.write(f"{name}.indices", start, block("columns"))
        # The ends of the rows from the block's first to that of the next block, which writes its
        # own. A row without entries ends where the row before it does.
        ends = start + offsets(block("lengths"))
        span = np.arange(rows[0], next_rows[i])
        row_ends = ends[np.searchsorted(rows, span, side="right")]
        files.write(f"{name}.indptr", int(rows[0]) + 1, row_ends)
        if signed:
            known = _signatures_of_block(blocks, name, stats, i)
            low = int(rows[0]) if i else 0
            for first, values in _signatures_between(signed, config, low, next_rows[i]):
                here = (known[0] >= first) & (known[0] < first + len(values))
                values[known[0][here] - first] = known[1][here]
                files.write("signatures", first, values)
        return {}

    run_tasks(build.work.spark, len(stats), place)
    return int(sum(s["repeats"] for s in stats))


def _signatures_of_block(
    blocks: AnyBlocks, name: str, stats: list[Stats], i: int
) -> tuple[Array, Array]:
    """Rows of a block, ascending, and their signatures.

    The block has the last part of its first row, and blocks before it the others. Its own last row
    may go on in the next block, to which it then belongs.
    """
    block = partial(blocks.load, name, stats[i]["block"])
    rows, ends = block("rows"), block("ends")
    first, before = ends[0], i
    while before and stats[before - 1]["last"] == rows[0]:
        before -= 1
        first = np.minimum(first, blocks.load(name, stats[before]["block"], "ends")[1])
    parts = [truncate(first)[None], block("signatures"), truncate(ends[1])[None]]
    return (rows, np.concatenate(parts)) if len(rows) > 1 else (rows, parts[0])


def _signatures_between(
    numbering: Numbering, config: IndexConfig, low: int, high: int
) -> Iterator[tuple[int, Array]]:
    """Rows `low` to `high - 1` in chunks: the first, and signatures of sets with nothing in them.

    That is, with nothing but their vertex, where neighborhoods are closed.
    """
    family = HashFamily(config.permutations, config.hash_seed)
    for i, count in enumerate(numbering.counts):
        start = numbering.start(i)
        begin, end = max(low, start), min(high, start + count)
        tokens = numbering.load(i).tokens() if begin < end else np.zeros(0, np.uint32)
        for first in range(begin, end, _ROWS_AT_ONCE):
            own = tokens[first - start : min(first + _ROWS_AT_ONCE, end) - start]
            empty = Csr(np.zeros(len(own) + 1, np.int64), np.zeros(0, np.int32), None, 0)
            hashes = Hashes.of(own[:0], own if config.closed else None, family)
            yield first, signatures(empty, hashes)


def _write_block(
    blocks: AnyBlocks, name: str, number: int, table: pa.Table, config: IndexConfig | None
) -> Stats:
    """Write one range of sorted pairs; with `config` also the signatures of its rows."""
    row, column = (table.column(c).to_numpy() for c in ("row", "col"))
    distinct = np.ones(len(row), dtype=np.bool_)
    distinct[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1])
    columns = column[distinct].astype(np.int32)
    rows, starts, lengths = np.unique(row[distinct], return_index=True, return_counts=True)
    arrays = {"rows": rows, "lengths": lengths, "columns": columns}
    if config is not None:
        # A column here is the position of an entry, so that its token needs no look-up.
        n = len(columns)
        sets = Csr(offsets(lengths), np.arange(n, dtype=np.int32), None, n)
        tokens = table.column("cmark").to_numpy()[distinct].astype(np.uint32)
        own = table.column("rmark").to_numpy()[distinct][starts].astype(np.uint32)
        family = HashFamily(config.permutations, config.hash_seed)
        hashes = Hashes.of(tokens, own if config.closed else None, family)
        arrays["signatures"] = signatures(sets, hashes, np.arange(1, len(rows) - 1))
        arrays["ends"] = minima(sets, hashes, np.array([0, len(rows) - 1]))
    blocks.save(name, number, **arrays)
    return {
        "first": int(rows[0]),
        "last": int(rows[-1]),
        "entries": len(columns),
        "repeats": len(row) - len(columns),
    }


# --- stage 5: bands, and sizes -------------------------------------------------------------------


def _write_bands(build: _Build) -> BucketCounts:
    """Write the LSH tables, a task a band."""
    config, spark = build.config, build.work.spark
    tasks = TaskArrays(build.work.blocks, "lsh")
    cap = QueryConfig().bucket_cap

    def sort(band: int) -> Stats:
        filled = np.diff(build.array("sets.indptr")) + int(bool(config.closed)) > 0
        sig = build.array("signatures")
        tables, counts = build_tables(sig, filled, range(band, band + 1), config.rows, cap)
        writer = ArrayCollector()
        tables.save(writer, "lsh")
        return tasks.save(band, writer.arrays, largest=counts.largest, over_cap=counts.over_cap)

    stats = build.work.stage("bands", lambda: run_tasks(spark, config.bands, sort))
    names = ("lsh.starts", "lsh.directory", "lsh.ids")
    tasks.join(partial(run_tasks, spark), stats, build.files, names, {"lsh.starts": "lsh.ids"})
    largest, over_cap = max(s["largest"] for s in stats), sum(s["over_cap"] for s in stats)
    return BucketCounts(sum(s["lsh.ids"] for s in stats), largest, over_cap)


def _write_sizes(build: _Build) -> int:
    """Write the size partitions in a task; returns how many sets are empty."""
    config = build.config

    def write(_: int) -> Stats:
        degrees = np.diff(build.array("sets.indptr"))
        partitions = SizePartitions.of(degrees + int(bool(config.closed)), config.partitions)
        with build.files.written() as folder:
            partitions.save(ArtifactWriter(folder), "sizes")
        return {"isolated": int(np.count_nonzero(degrees == 0))}

    return int(run_tasks(build.work.spark, 1, write)[0]["isolated"])
