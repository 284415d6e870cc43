"""The community index by Spark, byte for byte what `CommunityIndex.build` writes.

Stages, each with one or two shuffles of the edges:

1. ids: distinct, sorted by range, numbered by counting the ids of the ranges before.
2. pairs: both ids of each edge exchanged for their numbers and tokens.
3. rows: pairs sorted by range of (row, column). A range may end inside a row: a hub with more
   neighbours than a range holds is so split. Each task drops repeats, and writes its part of the
   compressed rows and the signatures of the rows it holds whole; of a row it shares with its
   neighbours it returns the 32-bit minima, which are merged before they are cut to 16 bits.
4. bands: a task sorts LSH bands, one by one, from the mapped signatures; 24 bytes a vertex.

Executors and driver must share the file system of the index directory.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.communities.build import index_manifest
from graphagg.communities.config import GRAPH_KIND, IndexConfig, QueryConfig
from graphagg.communities.containment import SizePartitions
from graphagg.communities.index import CommunityIndex, is_current, publication
from graphagg.communities.lsh import BucketCounts, build_band, directory_bits
from graphagg.communities.minhash import HashFamily, minima, signatures, truncate
from graphagg.errors import EmptyGraph, InvalidGraph
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.ids import VertexIds
from graphagg.graph.spark import Numbering, number_ids, read_edges, write_ids
from graphagg.graph.text import IdType
from graphagg.progress import Progress, silent
from graphagg.spark import (
    Array,
    Blocks,
    Stats,
    named_errors,
    preallocate,
    run_tasks,
    without_broadcasts,
    write_blocks,
    write_range,
)
from graphagg.strings import StringTable

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
        header: whether text has a header; None recognises it.
        entries_a_block: entries of compressed rows that one task holds in memory.
        progress: called after each stage.
        force: build also where nothing changed.

    Raises:
        InvalidGraph, EmptyGraph, UnreadableFile: about the edges.
        ArtifactBusy, ArtifactError, WriteFailed: about the directory.
    """
    config = config or IndexConfig()
    with publication(directory) as published, without_broadcasts(spark):
        folder = published.writer.folder
        with _work_folder(folder) as work:
            job = _Job(spark, config, folder, Blocks(work / "blocks"), entries_a_block)
            with named_errors():
                graph = job.write_graph(edges, work, ids, header)
            progress("edges", graph.edges, graph.edges)
            if force or not is_current(directory, graph, config):
                buckets = job.write_bands()
                progress("bands", config.bands, config.bands)
                isolated = job.write_sizes()
                published.publish(index_manifest(graph, config, buckets, isolated))
    index = CommunityIndex.open(directory)
    index.report = graph.report
    return index


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """A folder beside the one being written; a killed job's is removed by the next writer."""
    work = folder.with_name(f"{folder.name}-work")
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@dataclass(frozen=True)
class _Job:
    spark: SparkSession
    config: IndexConfig
    folder: Path
    blocks: Blocks
    entries_a_block: int

    # --- stages 1 to 3 ---------------------------------------------------------------------------

    def write_graph(self, edges: str, work: Path, ids: IdType, header: bool | None) -> Graph:
        """Write ids, compressed rows and signatures; the graph is mapped from what was written."""
        frame = read_edges(self.spark, edges, ids, header)
        frame.write.parquet(str(work / "edges"))
        frame = self.spark.read.parquet(str(work / "edges"))
        read = frame.count()
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
        pairs = self._pairs(frame, rows, columns)
        loops = 0 if two_mode else pairs.filter("row = col").count()
        if not two_mode:
            pairs = pairs.filter("row <> col")
        if undirected:
            swapped = pairs.selectExpr(
                "col AS row", "row AS col", "cmark AS rmark", "rmark AS cmark"
            )
            pairs = pairs.unionByName(swapped)
        pairs.write.parquet(str(work / "pairs"))
        pairs = self.spark.read.parquet(str(work / "pairs"))
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
        if not two_mode:
            rows = number_ids(sources.union(targets), self.blocks, "vertices", partitions)
            write_ids(self.spark, rows, self.folder, "vertices")
            return rows, rows
        rows = number_ids(sources, self.blocks, "vertices", partitions)
        columns = number_ids(targets, self.blocks, "elements", partitions)
        write_ids(self.spark, rows, self.folder, "vertices")
        write_ids(self.spark, columns, self.folder, "elements")
        return rows, columns

    def _pairs(self, frame: DataFrame, rows: Numbering, columns: Numbering) -> DataFrame:
        """Columns `row`, `col` (dense numbers) and `rmark`, `cmark` (their tokens)."""
        left = rows.frame(self.spark).selectExpr("id AS src", "number AS row", "token AS rmark")
        right = columns.frame(self.spark).selectExpr("id AS dst", "number AS col", "token AS cmark")
        joined = frame.join(left, "src").join(right, "dst")
        return joined.select("row", "col", "rmark", "cmark")

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
        stats = write_blocks(ordered.sortWithinPartitions("row", "col"), write)
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
            self._write_shared_rows(stats)
        return sum(s["repeats"] for s in stats)

    def _write_shared_rows(self, stats: list[Stats]) -> None:
        """Merge the minima of the first and last rows of blocks: at most two rows a block."""
        merged: dict[int, Array] = {}
        for block in stats:
            for end in ("first", "last"):
                found = np.frombuffer(block[f"{end}_minima"], dtype=np.uint32)
                known = merged.get(block[end])
                merged[block[end]] = found if known is None else np.minimum(known, found)
        sig = np.load(self.folder / "signatures.npy", mmap_mode="r+", allow_pickle=False)
        for row, found in merged.items():
            sig[row] = truncate(found)
        sig.flush()

    # --- stage 4 ---------------------------------------------------------------------------------

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
            entries, largest, over = [], 0, 0
            for band in groups[group].tolist():
                found, directory, counts = build_band(sig, filled, band, config.rows, cap)
                write_range(folder / "lsh.directory.npy", band, directory[None, :])
                blocks.save("lsh", band, ids=found)
                entries.append(len(found))
                largest, over = max(largest, counts.largest), over + counts.over_cap
            sizes = np.array(entries, dtype=np.int64).tobytes()
            return {"entries": sizes, "largest": largest, "over": over}

        stats = run_tasks(self.spark, len(groups), sort)
        sizes = np.frombuffer(b"".join(s["entries"] for s in stats), dtype=np.int64)
        starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        preallocate(folder / "lsh.starts.npy", np.int64, starts.shape)
        write_range(folder / "lsh.starts.npy", 0, starts)
        preallocate(folder / "lsh.ids.npy", np.int32, (int(starts[-1]),))

        def copy(group: int) -> Stats:
            for band in groups[group].tolist():
                found = blocks.load("lsh", band, "ids")
                write_range(folder / "lsh.ids.npy", int(starts[band]), found)
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
    stats["first_minima"], stats["last_minima"] = shared[0].tobytes(), shared[1].tobytes()
    return stats
