"""The pieces by Spark, and the report on each level of the partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.partition.metis import HUB, ISOLATED, LevelReport
from graphagg.embedding.partition.pieces import Layout, Piece, make_piece, piece_of_entry
from graphagg.embedding.spark.entries import Entries
from graphagg.embedding.spark.partition import Cut
from graphagg.graph.csr import Csr
from graphagg.spark.blocks import Blocks, preallocate
from graphagg.spark.job import Work
from graphagg.spark.tasks import Stats, run_tasks

if TYPE_CHECKING:
    import pyarrow as pa


_OFFSET = 2
"""Parts are stored with 2 added, so that a file of zeros says that no node has an edge."""


def all_parts(work: Work, entries: Entries, cut: Cut, level: int) -> Path:
    """Write the parts of all nodes at a level, with `_OFFSET` added, `[N]` int32."""
    path, (parts, _) = work.path(f"level{level}"), cut.parts[level]
    preallocate(path, np.int32, (entries.nodes,))
    grain, starts = cut.grain, cut.grain.starts

    def place(b: int) -> Stats:
        nodes = grain.work.blocks.load("nodes", b, "nodes")
        own = np.load(parts, mmap_mode="r", allow_pickle=False)[starts[b] : starts[b + 1]]
        target = np.load(path, mmap_mode="r+", allow_pickle=False)
        target[nodes] = own + _OFFSET
        target.flush()
        return {}

    run_tasks(work.spark, cut.grain.blocks, place)
    if len(cut.hubs):
        target = np.load(path, mmap_mode="r+", allow_pickle=False)
        target[cut.hubs] = HUB + _OFFSET
        target.flush()
    return path


def load_parts(path: Path, start: int, stop: int) -> Array:
    """Parts of nodes `start` to `stop - 1`."""
    found: Array = np.load(path, mmap_mode="r", allow_pickle=False)[start:stop] - _OFFSET
    return found


def level_report(entries: Entries, parts: Path, count: int) -> LevelReport:
    """`partition.measure` by aggregation."""
    from pyspark.sql import functions as F

    def translate(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        where = np.load(parts, mmap_mode="r", allow_pickle=False)
        for batch in batches:
            row, col = batch.column("row").to_numpy(), batch.column("col").to_numpy()
            at, to = where[row] - _OFFSET, where[col] - _OFFSET
            crossing = (at != to) | (at < 0)
            holder = np.where(at < 0, np.where(to < 0, 0, to), at)
            columns = [row, col, at, holder, crossing, (at < 0) & (to >= 0)]
            names = ["row", "col", "at", "holder", "crossing", "hub"]
            yield pa.RecordBatch.from_arrays([pa.array(c) for c in columns], names=names)

    schema = "row int, col int, at int, holder int, crossing boolean, hub boolean"
    frame = entries.filled.select("row", "col").mapInArrow(translate, schema)
    crossing, hub = F.col("crossing").cast("long"), F.col("hub").cast("long")
    held = frame.groupBy("holder").agg(
        F.count("*").alias("entries"), F.sum(crossing).alias("crossing"), F.sum(hub).alias("hub")
    )
    sizes = frame.select("at", "row").distinct().groupBy("at").count()
    border = frame.filter("crossing").select("row").distinct().count()
    own = frame.filter("at >= 0").selectExpr("at AS holder", "row AS col")
    copies = frame.select("holder", "col").union(own).distinct().count()
    return _level(
        count,
        {row["holder"]: row for row in held.collect()},
        {row["at"]: row["count"] for row in sizes.collect()},
        border,
        copies,
    )


def _level(
    count: int, held: dict[int, Any], sizes: dict[int, int], border: int, copies: int
) -> LevelReport:
    def column(name: str) -> Array:
        return np.array([held[k][name] if k in held else 0 for k in range(count)], dtype=np.float64)

    entries, crossing, hub = column("entries"), column("crossing"), column("hub")
    stored = (entries - crossing) / 2 + crossing - hub
    edges, filled = entries.sum() / 2, sum(sizes.values())
    nodes = np.array([sizes.get(k, 0) for k in range(count)], dtype=np.float64)
    return LevelReport(
        pieces=count,
        cut=float(crossing.sum() / 2 / max(edges, 1)),
        edge_balance=float(entries.max() / max(entries.mean(), 1e-9)),
        vertex_balance=float(nodes.max() / max(nodes.mean(), 1e-9)),
        border=float(border / max(filled, 1)),
        copies=float(copies / max(filled, 1)),
        largest=float(stored.max() / max(edges, 1)),
    )


def write_pieces(work: Work, entries: Entries, parts: Path, count: int, hubs: Array) -> Layout:
    """Phase `pieces`: each piece in blocks; the layout knows the order of the hubs alone."""
    starts = np.array(
        work.note("starts", lambda: _write_numbers(work, entries, parts, count, hubs))
    )
    layout = Layout(hubs, starts)
    blocks, numbers = work.blocks, work.path("numbers")

    def translate(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        new = np.load(numbers, mmap_mode="r", allow_pickle=False)
        for batch in batches:
            old = batch.column("row").to_numpy()
            row, col = new[old] - 1, new[batch.column("col").to_numpy()] - 1
            columns = [piece_of_entry(layout, row, col), row, col, old, batch.column("weight")]
            names = ["piece", "row", "col", "old", "weight"]
            types = [pa.int32(), pa.int64(), pa.int64(), pa.int32(), pa.float32()]
            arrays = [pa.array(c, t) for c, t in zip(columns, types, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names=names)

    def assemble(table: pa.Table) -> pa.Table:
        import pyarrow as pa

        number = table.column("piece")[0].as_py()
        row, col = table.column("row").to_numpy(), table.column("col").to_numpy()
        piece = make_piece(number, starts, row, col, table.column("weight").to_numpy())
        save_piece(blocks, piece)
        mine, at = np.unique(row[row >= starts[0]], return_index=True)
        old = table.column("old").to_numpy()[row >= starts[0]][at]
        blocks.save("piece", number, old=old.astype(np.int64))
        assert len(mine) == piece.own
        return pa.table({"piece": [number], "own": [piece.own], "entries": [len(row)]})

    schema = "piece int, row long, col long, old int, weight float"
    work.phase(
        "pieces",
        lambda: (
            entries.filled.mapInArrow(translate, schema)
            .groupBy("piece")
            .applyInArrow(assemble, "piece long, own long, entries long")
        ),
    )
    return layout


def save_piece(blocks: Blocks, piece: Piece) -> None:
    """Write a piece into its blocks."""
    blocks.save(
        "piece",
        piece.number,
        hubs=piece.hubs,
        columns=piece.columns,
        indptr=piece.matrix.indptr,
        indices=piece.matrix.indices,
        values=piece.matrix.entries,
    )


def load_piece(blocks: Blocks, layout: Layout, number: int) -> Piece:
    """Read a piece from its blocks."""
    load = blocks.load
    columns = load("piece", number, "columns")
    parts = [load("piece", number, name) for name in ("indptr", "indices", "values")]
    return Piece(
        number,
        int(layout.starts[number]),
        int(layout.starts[number + 1] - layout.starts[number]),
        load("piece", number, "hubs"),
        columns,
        Csr(parts[0], parts[1], parts[2], len(columns)),
    )


def _write_numbers(work: Work, entries: Entries, parts: Path, count: int, hubs: Array) -> list[int]:
    """Write the new number of each node, with 1 added, and give where the pieces start."""
    n, path = entries.nodes, work.path("numbers")
    bounds = np.linspace(0, n, max(1, n // 1_000_000) + 1).astype(np.int64)
    preallocate(path, np.int64, (n,))

    def tally(b: int) -> Stats:
        own = load_parts(parts, int(bounds[b]), int(bounds[b + 1]))
        return {"sizes": np.bincount(own - ISOLATED, minlength=count + 2).tobytes()}

    stats = run_tasks(work.spark, len(bounds) - 1, tally)
    sizes = np.array([np.frombuffer(s["sizes"], dtype=np.int64) for s in stats])[:, 1:]
    flat = np.concatenate(([0], np.cumsum(sizes.sum(axis=0))))
    before = np.cumsum(sizes, axis=0) - sizes + flat[:-1]

    def number(b: int) -> Stats:
        low, high = int(bounds[b]), int(bounds[b + 1])
        own = load_parts(parts, low, high) - HUB
        order = np.argsort(own, kind="stable")
        order = order[own[order] >= 0]
        filled = own[order]
        within = np.arange(len(filled)) - np.searchsorted(filled, filled)
        found = np.zeros(high - low, dtype=np.int64)
        found[order] = before[b][filled] + within + 1
        target = np.load(path, mmap_mode="r+", allow_pickle=False)
        target[low:high] = found
        target.flush()
        return {}

    run_tasks(work.spark, len(bounds) - 1, number)
    return [int(start) for start in flat[1:]]
