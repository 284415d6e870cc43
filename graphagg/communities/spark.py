"""The community index by Spark, byte for byte what `CommunityIndex.build` writes.

Stages, each of which ends on disk in `<directory>.work`, so that a job that was killed goes on:

1. `edges`: read, checked, in Parquet.
2. `vertices`: ids, distinct, sorted by range, numbered by counting those of the ranges before.
3. `pairs`: both ids of each edge exchanged for their numbers and tokens.
4. `sets` (and `holders`): pairs sorted by range of (row, column). A range may end inside a row: a
   hub with more neighbors than a range holds is so split. Each task drops repeats, and writes its
   part of the compressed rows and the signatures of the rows it holds whole; of a row it shares
   with its neighbors it keeps the 32-bit minima, which are merged before they are cut to 16 bits.
5. `bands`: a task sorts LSH bands, one by one, from the mapped signatures; 24 bytes a vertex.

The files of the index are put together from the blocks of `vertices`, `sets`, `holders` and
`bands`, anew where a job goes on. Executors and driver must share the file system of the directory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.build import KIND, index_manifest
from graphagg.communities.config import GRAPH_KIND, IndexConfig, QueryConfig
from graphagg.communities.index import CommunityIndex, is_current
from graphagg.communities.query.containment import SizePartitions
from graphagg.communities.similarity.lsh import BucketCounts, build_band, directory_bits
from graphagg.communities.similarity.minhash import HashFamily, minima, signatures, truncate
from graphagg.errors import EmptyGraph, InvalidGraph
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.ids import VertexIds
from graphagg.graph.reading.text import IdType
from graphagg.graph.spark import Numbering, number_ids, read_edges, write_ids
from graphagg.progress import Progress, silent
from graphagg.spark.blocks import Blocks, preallocate, write_range
from graphagg.spark.job import Work, claimed, fingerprint, recall, remember
from graphagg.spark.session import small_driver
from graphagg.spark.tasks import Stats, run_tasks, write_blocks
from graphagg.store import write_artifact
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_BANDS_A_TASK = 8
ENTRIES_A_BLOCK = 2_000_000
"""Entries of compressed rows that a task holds; about 100 bytes each."""


def build_with_spark(
    spark: SparkSession,
    edges: str,
    directory: str | Path,
    *,
    config: IndexConfig | None = None,
    ids: IdType = "auto",
    header: bool | None = None,
    entries_a_block: int = ENTRIES_A_BLOCK,
    progress: Progress = silent,
    force: bool = False,
) -> CommunityIndex:
    """Index a graph by Spark and open the index.

    Args:
        spark: the session.
        edges: Parquet with `src` and `dst`, or text, on any path that Spark reads.
        directory: where the index goes, on a file system that executors and driver share.
        config: the kind of graph, and the parameters.
        ids: how text ids are read.
        header: whether text has a header; None recognizes it.
        entries_a_block: entries of compressed rows that one task holds in memory.
        progress: called after each stage.
        force: build anew also where nothing changed, or over an unfinished job.

    Raises:
        InvalidGraph, EmptyGraph, UnreadableFile: about the edges.
        ParametersDiffer: an unfinished job there has other parameters.
        JobFailed: Spark gave up; the same call goes on after the last finished stage.
        ArtifactBusy, ArtifactError, WriteFailed: about the directory.
    """
    config = config or IndexConfig()
    job = job_of(edges, ids, header, config)
    with write_artifact(directory) as published, small_driver(spark):
        known = None if force else recall(directory, KIND, job)
        if known is None:
            with claimed(spark, directory, job, progress, force) as work:
                report = _run(_Job(work, config, published.writer.folder, entries_a_block),
                              (edges, ids, header), directory, published, force)  # fmt: skip
            remember(directory, KIND, job, report.to_json())
            work.remove()
        else:
            report = ReadReport(**known["report"])
    index = CommunityIndex.open(directory)
    index.report = report
    return index


def job_of(edges: str, ids: IdType, header: bool | None, config: IndexConfig) -> dict[str, Any]:
    """What tells a job from another: its input and parameters."""
    return {"source": [*fingerprint(edges), ids, header], "config": config.to_json()}


def stages(config: IndexConfig) -> tuple[str, ...]:
    """The stages of a job, in their order."""
    rows = ("sets",) if config.kind == "undirected" else ("sets", "holders")
    return ("edges", "vertices", "pairs", *rows, "bands")


def _run(
    job: _Job,
    source: tuple[str, IdType, bool | None],
    directory: str | Path,
    published: Any,
    force: bool,
) -> ReadReport:
    graph = job.write_graph(*source)
    if force or not is_current(Path(directory), graph, job.config):
        buckets = job.write_bands()
        isolated = job.write_sizes()
        published.publish(index_manifest(graph, job.config, buckets, isolated))
    return graph.report


@dataclass(frozen=True)
class _Job:
    work: Work
    config: IndexConfig
    folder: Path
    entries_a_block: int

    @property
    def spark(self) -> SparkSession:
        return self.work.spark

    @property
    def blocks(self) -> Blocks:
        return self.work.blocks

    # --- stages 1 to 4 ---------------------------------------------------------------------------

    def write_graph(self, edges: str, ids: IdType, header: bool | None) -> Graph:
        """Write ids, compressed rows and signatures; the graph is mapped from what was written."""
        frame = self.work.phase("edges", lambda: read_edges(self.spark, edges, ids, header))
        read = self.work.note("read", frame.count)
        if read == 0:
            raise EmptyGraph(f"{edges}: no edge in it, wanted at least one; check the path")
        two_mode, undirected = self.config.kind == "two-mode", self.config.kind == "undirected"
        if two_mode:  # pairs are (element, set)
            frame = frame.selectExpr("dst AS src", "src AS dst")
        elif len({kind for _, kind in frame.dtypes}) > 1:
            raise InvalidGraph(
                f"{edges}: columns are {dict(frame.dtypes)}, wanted one type of id; convert one"
            )
        partitions = math.ceil(read / self.entries_a_block)
        rows, columns = self._number(frame, two_mode, partitions)
        loops = 0
        if not two_mode:
            loops = self.work.note("loops", frame.filter("src = dst").count)
        pairs = self.work.phase("pairs", lambda: self._pairs(frame, rows, columns))
        turned = pairs.selectExpr("col AS row", "row AS col", "cmark AS rmark", "rmark AS cmark")
        inward = self.config.kind == "directed-in"
        sets, holders = (turned, pairs) if inward else (pairs, turned)
        n, m = rows.total, columns.total
        self._write_empty_signatures(rows)
        repeats = self._write_rows(sets, "sets", n, m, partitions, signed=True)
        if not undirected:
            self._write_rows(holders, "holders", m, n, partitions, signed=False)
        adjacency = self._mapped("holders" if inward else "sets", m)
        kept = len(adjacency.indices) // (2 if undirected else 1)
        report = ReadReport(
            edges_read=read,
            edges=kept,
            self_loops=loops,
            duplicates=repeats // 2 if undirected else repeats,
        )
        row_ids = self._mapped_ids("vertices")
        column_ids = self._mapped_ids("elements") if two_mode else row_ids
        return Graph(GRAPH_KIND[self.config.kind], row_ids, column_ids, adjacency, report)

    def _number(
        self, frame: DataFrame, two_mode: bool, partitions: int
    ) -> tuple[Numbering, Numbering]:
        sources, targets = frame.selectExpr("src AS id"), frame.selectExpr("dst AS id")
        given = {"vertices": sources.union(targets)}
        if two_mode:
            given = {"vertices": sources, "elements": targets}

        def number() -> list[dict[str, Any]]:
            found = [number_ids(ids, self.blocks, name, partitions) for name, ids in given.items()]
            return [n.to_json() for n in found]

        noted = self.work.stage("vertices", number)
        found = [Numbering.from_json(self.blocks, note) for note in noted]
        for numbering in found:
            write_ids(self.spark, numbering, self.folder, numbering.name)
        return found[0], found[-1]

    def _pairs(self, frame: DataFrame, rows: Numbering, columns: Numbering) -> DataFrame:
        """Columns `row`, `col` (dense numbers) and `rmark`, `cmark` (their tokens)."""
        left = rows.frame(self.spark).selectExpr("id AS src", "number AS row", "token AS rmark")
        right = columns.frame(self.spark).selectExpr("id AS dst", "number AS col", "token AS cmark")
        pairs = frame.join(left, "src").join(right, "dst").select("row", "col", "rmark", "cmark")
        if self.config.kind != "two-mode":
            pairs = pairs.filter("row <> col")
        if self.config.kind != "undirected":
            return pairs
        swapped = pairs.selectExpr("col AS row", "row AS col", "cmark AS rmark", "rmark AS cmark")
        return pairs.unionByName(swapped)

    def _write_empty_signatures(self, rows: Numbering) -> None:
        """Preallocate the signatures with those of sets that hold nothing but their vertex."""
        config, path = self.config, self.folder / "signatures.npy"
        preallocate(path, np.uint16, (rows.total, config.permutations))

        def write(i: int) -> Stats:
            tokens = rows.load(i).tokens()
            family = HashFamily(config.permutations, config.hash_seed)
            empty = Csr(np.zeros(len(tokens) + 1, np.int64), np.zeros(0, np.int32), None, 0)
            own = tokens if config.closed else None
            write_range(path, rows.start(i), signatures(empty, tokens[:0], own, family))
            return {}

        run_tasks(self.spark, len(rows.counts), write)

    def _write_rows(
        self, pairs: DataFrame, name: str, n: int, m: int, partitions: int, *, signed: bool
    ) -> int:
        """Write `[n, m]` compressed rows (and with `signed` the signatures); repeats dropped."""
        config, blocks = self.config, self.blocks

        def write(number: int, table: pa.Table) -> Stats:
            return _write_block(blocks, name, number, table, config if signed else None)

        ordered = pairs.repartitionByRange(partitions, "row", "col")
        stats = self.work.stage(
            name, lambda: write_blocks(ordered.sortWithinPartitions("row", "col"), write)
        )
        offsets = np.concatenate(([0], np.cumsum([s["entries"] for s in stats]))).astype(np.int64)
        preallocate(self.folder / f"{name}.indptr.npy", np.int64, (n + 1,))
        preallocate(self.folder / f"{name}.indices.npy", np.int32, (int(offsets[-1]),))
        firsts = [s["first"] for s in stats[1:]] + [n]
        folder, numbers = self.folder, [s["block"] for s in stats]

        def place(i: int) -> Stats:
            rows = blocks.load(name, numbers[i], "rows")
            lengths = blocks.load(name, numbers[i], "lengths")
            start = int(offsets[i])
            indices = blocks.load(name, numbers[i], "columns")
            write_range(folder / f"{name}.indices.npy", start, indices)
            span = np.arange(rows[0], firsts[i])
            ends = start + np.concatenate(([0], np.cumsum(lengths)))
            pointers = ends[np.searchsorted(rows, span, side="right")]
            write_range(folder / f"{name}.indptr.npy", int(rows[0]) + 1, pointers)
            if signed and len(rows) > 2:
                sig = np.load(folder / "signatures.npy", mmap_mode="r+", allow_pickle=False)
                sig[rows[1:-1]] = blocks.load(name, numbers[i], "signatures")
                sig.flush()
            return {}

        run_tasks(self.spark, len(stats), place)
        if signed:
            self._write_shared_rows(name, stats)
        return sum(s["repeats"] for s in stats)

    def _write_shared_rows(self, name: str, stats: list[Stats]) -> None:
        """Merge the minima of the first and last rows of blocks: at most two rows a block."""
        merged: dict[int, Array] = {}
        for block in stats:
            ends = self.blocks.load(name, block["block"], "ends")
            for end, found in zip(("first", "last"), ends, strict=True):
                known = merged.get(block[end])
                merged[block[end]] = found if known is None else np.minimum(known, found)
        sig = np.load(self.folder / "signatures.npy", mmap_mode="r+", allow_pickle=False)
        for row, found in merged.items():
            sig[row] = truncate(found)
        sig.flush()

    # --- stage 5 ---------------------------------------------------------------------------------

    def write_bands(self) -> BucketCounts:
        """Write the LSH tables, a task a band."""
        config, folder, blocks = self.config, self.folder, self.blocks
        n = len(self._mapped_ids("vertices"))
        shape = (config.bands, (1 << directory_bits(n)) + 1)
        preallocate(folder / "lsh.directory.npy", np.uint32, shape)
        cap = QueryConfig().bucket_cap

        groups = np.array_split(np.arange(config.bands), math.ceil(config.bands / _BANDS_A_TASK))

        def sort(group: int) -> Stats:
            sig = np.load(folder / "signatures.npy", mmap_mode="r", allow_pickle=False)
            pointers = np.load(folder / "sets.indptr.npy", mmap_mode="r", allow_pickle=False)
            filled = np.diff(pointers) + int(bool(config.closed)) > 0
            entries: Stats = {}
            largest, over = 0, 0
            for band in groups[group].tolist():
                found, directory, counts = build_band(sig, filled, band, config.rows, cap)
                blocks.save("lsh", band, ids=found, directory=directory)
                entries[f"band {band}"] = len(found)
                largest, over = max(largest, counts.largest), over + counts.over_cap
            return {"largest": largest, "over": over, **entries}

        stats = self.work.stage("bands", lambda: run_tasks(self.spark, len(groups), sort))
        sizes = [s[f"band {b}"] for s, bands in zip(stats, groups, strict=True) for b in bands]
        starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        preallocate(folder / "lsh.starts.npy", np.int64, starts.shape)
        write_range(folder / "lsh.starts.npy", 0, starts)
        preallocate(folder / "lsh.ids.npy", np.int32, (int(starts[-1]),))

        def copy(group: int) -> Stats:
            for band in groups[group].tolist():
                found = blocks.load("lsh", band, "ids")
                write_range(folder / "lsh.ids.npy", int(starts[band]), found)
                directory = blocks.load("lsh", band, "directory")
                write_range(folder / "lsh.directory.npy", band, directory[None, :])
            return {}

        run_tasks(self.spark, len(groups), copy)
        return BucketCounts(
            int(starts[-1]), max(s["largest"] for s in stats), sum(s["over"] for s in stats)
        )

    def write_sizes(self) -> int:
        """Write the size partitions; returns how many sets are empty."""
        config, folder = self.config, self.folder

        def write(_: int) -> Stats:
            pointers = np.load(folder / "sets.indptr.npy", mmap_mode="r", allow_pickle=False)
            degrees = np.diff(pointers)
            parts = SizePartitions.of(degrees + int(bool(config.closed)), config.partitions)
            for name, array in (("order", parts.order), ("bounds", parts.bounds)):
                preallocate(folder / f"sizes.{name}.npy", array.dtype, array.shape)
                write_range(folder / f"sizes.{name}.npy", 0, array)
            return {"isolated": int(np.count_nonzero(degrees == 0))}

        return int(run_tasks(self.spark, 1, write)[0]["isolated"])

    def _mapped(self, name: str, columns: int) -> Csr:
        return Csr(self._map(f"{name}.indptr"), self._map(f"{name}.indices"), None, columns)

    def _mapped_ids(self, name: str) -> VertexIds:
        if (self.folder / f"{name}.npy").exists():
            return VertexIds(self._map(name))
        return VertexIds(StringTable(self._map(f"{name}.utf8"), self._map(f"{name}.offsets")))

    def _map(self, name: str) -> Array:
        path = self.folder / f"{name}.npy"
        array: Any = np.load(path, allow_pickle=False)
        if array.size:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.asarray(array)


def _write_block(
    blocks: Blocks, name: str, number: int, table: pa.Table, config: IndexConfig | None
) -> Stats:
    """Write one range of sorted pairs; with `config` also the signatures of its rows."""
    row, column = (table.column(c).to_numpy() for c in ("row", "col"))
    fresh = np.ones(len(row), dtype=np.bool_)
    fresh[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1])
    kept_row, kept_column = row[fresh], column[fresh].astype(np.int32)
    rows, starts, lengths = np.unique(kept_row, return_index=True, return_counts=True)
    blocks.save(name, number, rows=rows, lengths=lengths, columns=kept_column)
    stats: Stats = {
        "first": int(rows[0]),
        "last": int(rows[-1]),
        "entries": len(kept_column),
        "repeats": len(row) - len(kept_column),
    }
    if config is None:
        return stats
    tokens = table.column("cmark").to_numpy()[fresh].astype(np.uint32)
    own = table.column("rmark").to_numpy()[fresh][starts].astype(np.uint32)
    pointers = np.append(starts, len(kept_row)).astype(np.int64)
    sets = Csr(pointers, np.arange(len(kept_row), dtype=np.int32), None, len(kept_row))
    closed = own if config.closed else None
    family = HashFamily(config.permutations, config.hash_seed)
    inner = np.arange(1, len(rows) - 1, dtype=np.int64)
    blocks.save(name, number, signatures=signatures(sets, tokens, closed, family, inner))
    shared = minima(sets, tokens, closed, family, np.array([0, len(rows) - 1]))
    blocks.save(name, number, ends=shared)
    return stats
