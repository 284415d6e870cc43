"""The partition by Spark: the same parts as `graphagg.embedding.partition.cut` gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.cut import chosen_partitioner
from graphagg.embedding.partition.label_propagation import (
    LEAST_SHRINK,
    Grain,
    cluster_bound,
    coarse_limit,
    is_coarse,
)
from graphagg.embedding.partition.metis import check_pieces, hub_bound, metis, piece_count, used
from graphagg.embedding.spark.entries import Entries
from graphagg.embedding.spark.grains import (
    BlockGrain,
    cluster,
    part_loads,
    refine,
    write_grain,
)
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.csr import Csr
from graphagg.spark.blocks import preallocate, write_range
from graphagg.spark.job import Work
from graphagg.spark.tasks import Stats, run_tasks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


_DIGIT = 8  # bits


@dataclass(frozen=True)
class Cut:
    """A partition on disk.

    Attributes:
        partitioner: which one was used.
        hubs: numbers of the nodes that are split, ascending.
        grain: the nodes between which the pieces were cut; their numbers are the blocks' `nodes`.
        parts: by level, where the parts of its nodes lie, and how many there are.
    """

    partitioner: str
    hubs: Array
    grain: BlockGrain
    parts: tuple[tuple[Path, int], ...]


def cut(work: Work, entries: Entries, config: EmbeddingConfig, a_task: int) -> Cut:
    """Cut the matrix.

    Raises:
        InvalidParameter: more pieces than nodes with an edge.
        PieceTooLarge: a piece is over `max_piece_edges` and cannot be cut further.
    """
    degrees = work.phase("degrees", lambda: entries.filled.groupBy("row").count())
    sizes = work.note("sizes", lambda: _sizes(degrees))
    count = piece_count(config, sizes["entries"], sizes["filled"])
    bound = hub_bound(config, sizes["entries"], count)
    hubs = np.array(work.note("hubs", lambda: _hubs(degrees, bound)), dtype=np.int64)
    if sizes["filled"] - len(hubs) < count:
        hubs = hubs[:0]
    tasks = math.ceil(1.5 * sizes["entries"] / a_task)
    grain = _nodes(work, entries, hubs, tasks)
    name = chosen_partitioner(config, sizes["entries"])
    if name == "metis" or count == 1:
        parts = _whole(grain, count, config)
    else:
        parts = _multilevel(grain, count, config)
    levels = [(parts, count)]
    while (over := _oversized(grain, parts, count, config.max_piece_edges)) is not None:
        parts, count = _split(grain, parts, count, over, config), count + 1
        levels.append((parts, count))
    check_pieces(part_loads(grain, parts, count), config.max_piece_edges)
    return Cut(name, hubs, grain, tuple(levels))


def _sizes(degrees: DataFrame) -> dict[str, int]:
    row = degrees.agg({"count": "sum", "row": "count"}).collect()[0]
    return {"entries": int(row["sum(count)"]), "filled": int(row["count(row)"])}


def _hubs(degrees: DataFrame, bound: int) -> list[int]:
    """At most two a piece have more entries than half of the mean piece."""
    return sorted(row["row"] for row in degrees.filter(f"count > {bound}").collect())


def _nodes(work: Work, entries: Entries, hubs: Array, tasks: int) -> BlockGrain:
    """The graph without hubs; its weights count entries of hubs too."""
    from pyspark.sql.functions import col, lit

    frame = entries.filled.select("row", "col")
    is_hub = col("col").isin(hubs.tolist()) if len(hubs) else lit(False)
    if len(hubs):
        frame = frame.filter(~col("row").isin(hubs.tolist()))
    weights = frame.groupBy("row").agg({"*": "count"})
    if len(hubs):
        doubled = frame.select("row", is_hub.cast("long").alias("hub"))
        weights = doubled.groupBy("row").agg({"*": "count", "hub": "sum"})
        weights = weights.selectExpr("row", "-1 AS col", "`count(1)` + `sum(hub)` AS value")
    else:
        weights = weights.selectExpr("row", "-1 AS col", "`count(1)` AS value")
    inner = frame.filter(~is_hub).selectExpr("row", "col", "1L AS value")
    grain = write_grain(work, "nodes", inner.union(weights), tasks)
    return _renumbered(grain, entries.nodes)


def _renumbered(grain: BlockGrain, nodes: int) -> BlockGrain:
    """Name the columns of the first grain by their place among its nodes."""
    work, starts = grain.work, grain.starts
    places = work.path("places")
    preallocate(places, np.int32, (nodes,))

    def place(b: int) -> Stats:
        mine = grain.work.blocks.load("nodes", b, "nodes")
        target = np.load(places, mmap_mode="r+", allow_pickle=False)
        target[mine] = np.arange(starts[b], starts[b + 1])
        target.flush()
        return {}

    run_tasks(work.spark, grain.blocks, place)

    def rename(b: int) -> Stats:
        where = np.load(places, mmap_mode="r", allow_pickle=False)
        for part in ("indptr", "values", "weights"):
            grain.work.blocks.save("inner", b, **{part: grain.work.blocks.load("nodes", b, part)})
        columns = grain.work.blocks.load("nodes", b, "indices")
        grain.work.blocks.save("inner", b, indices=where[columns])
        return {}

    run_tasks(work.spark, grain.blocks, rename)
    return BlockGrain(work, "inner", starts, grain.entries, grain.total, grain.heaviest)


# --- in one task ---------------------------------------------------------------------------------


def _whole(grain: BlockGrain, count: int, config: EmbeddingConfig) -> Path:
    """METIS on the graph as a whole, in one grain."""
    path = grain.work.path("parts")
    preallocate(path, np.int32, (grain.nodes,))

    def run(_: int) -> Stats:
        whole = gathered(grain)
        pattern = Csr(whole.matrix.indptr, whole.matrix.indices, None, whole.matrix.columns)
        parts = metis(pattern, whole.weights, count, config.random_state)
        write_range(path, 0, used(parts, whole.weights, count))
        return {}

    run_tasks(grain.work.spark, 1, run)
    return path


def gathered(grain: BlockGrain) -> Grain:
    """All blocks as one graph."""
    parts = [grain.rows(b) for b in range(grain.blocks)]
    starts = np.concatenate(([0], np.cumsum([part.indptr[-1] for part in parts])))
    indptr = np.concatenate(
        [[0], *(part.indptr[1:] + s for part, s in zip(parts, starts, strict=False))]
    )
    matrix = Csr(
        indptr.astype(np.int64),
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.entries for part in parts]),
        grain.nodes,
    )
    return Grain(matrix, np.concatenate([grain.weights(b) for b in range(grain.blocks)]))


def _oversized(grain: BlockGrain, parts: Path, count: int, limit: int | None) -> int | None:
    if limit is None:
        return None
    loads = part_loads(grain, parts, count)
    starts = grain.starts

    def size(b: int) -> Stats:
        own = np.load(parts, mmap_mode="r", allow_pickle=False)[starts[b] : starts[b + 1]]
        return {"sizes": np.bincount(own, minlength=count).astype(np.int64).tobytes()}

    stats = run_tasks(grain.work.spark, grain.blocks, size)
    loads[np.sum([np.frombuffer(s["sizes"], np.int64) for s in stats], axis=0) < 2] = 0
    return int(np.argmax(loads)) if loads.max() > limit else None


def _split(grain: BlockGrain, parts: Path, count: int, over: int, config: EmbeddingConfig) -> Path:
    """Cut one part in two, in one task that holds that part."""
    after = grain.work.path(f"parts.{count + 1}")
    preallocate(after, np.int32, (grain.nodes,))

    def run(_: int) -> Stats:
        found = np.array(np.load(parts, mmap_mode="r", allow_pickle=False))
        nodes = np.flatnonzero(found == over)
        pattern, weights = _within(grain, nodes)
        halves = used(metis(pattern, weights, 2, config.random_state), weights, 2)
        found[nodes[halves == 1]] = count
        write_range(after, 0, found)
        return {}

    run_tasks(grain.work.spark, 1, run)
    return after


def _within(grain: BlockGrain, nodes: Array) -> tuple[Csr, Array]:
    """`induced` and the weights of some nodes (ascending), with a block at a time in memory."""
    place = np.full(grain.nodes, -1, dtype=np.int32)
    place[nodes] = np.arange(len(nodes))
    lengths, columns, weights = [], [], []
    for b in range(grain.blocks):
        low, high = np.searchsorted(nodes, grain.starts[b : b + 2])
        mine = nodes[low:high] - grain.starts[b]
        owners, found = grain.rows(b).gather(mine)
        kept = place[found] >= 0
        lengths.append(np.bincount(owners[kept], minlength=len(mine)))
        columns.append(place[found[kept]])
        weights.append(grain.weights(b)[mine])
    indptr = np.concatenate(([0], np.cumsum(np.concatenate(lengths)))).astype(np.int64)
    return Csr(indptr, np.concatenate(columns), None, len(nodes)), np.concatenate(weights)


# --- by levels -----------------------------------------------------------------------------------


def _multilevel(grain: BlockGrain, count: int, config: EmbeddingConfig) -> Path:
    """`label_propagation.propagate_labels`."""
    limit = coarse_limit(config, grain.entries, count)
    stack: list[tuple[BlockGrain, Path]] = []
    bound = cluster_bound(grain.total, grain.nodes, count)
    while not is_coarse(grain.nodes, grain.entries, limit, count):
        coarse, places = _contract(grain, cluster(grain, bound), len(stack) + 1)
        if coarse.nodes > LEAST_SHRINK * grain.nodes:
            break
        stack.append((grain, places))
        grain = coarse
    parts = refine(grain, _coarse_parts(grain, limit, count, config), count)
    for finer, places in reversed(stack):
        grain = finer
        parts = refine(finer, _projected(finer, parts, places), count)
    if part_loads(grain, parts, count).min() == 0:
        parts = _all_used(grain, parts, count)
    return parts


def _all_used(grain: BlockGrain, parts: Path, count: int) -> Path:
    """Give each part a node; refinement takes the last one of a part hardly ever."""
    after = grain.work.path("parts.used")
    preallocate(after, np.int32, (grain.nodes,))

    def run(_: int) -> Stats:
        weights = np.concatenate([grain.weights(b) for b in range(grain.blocks)])
        write_range(after, 0, used(np.load(parts, allow_pickle=False), weights, count))
        return {}

    run_tasks(grain.work.spark, 1, run)
    return after


def _coarse_parts(grain: BlockGrain, limit: int, count: int, config: EmbeddingConfig) -> Path:
    """Cut the coarse graph in one task, which holds at most `limit` of its entries."""
    path = grain.work.path("parts.coarse")
    preallocate(path, np.int32, (grain.nodes,))
    least, ties = _lightest(grain, limit)

    def run(_: int) -> Stats:
        weights = np.concatenate([grain.weights(b) for b in range(grain.blocks)])
        parts = metis(_heaviest(grain, least, ties), weights, count, config.random_state)
        write_range(path, 0, used(parts, weights, count))
        return {}

    run_tasks(grain.work.spark, 1, run)
    return path


def _lightest(grain: BlockGrain, limit: int) -> tuple[int, Array]:
    """Where `label_propagation.lightened` ends: digit by digit, each a count by the tasks.

    Returns:
        The value of the lightest edges that are kept, and how many of just that value each block
        keeps, its first ones; `[B]`.
    """
    wanted, least = limit // 2, 0
    if grain.entries <= limit:
        return 0, np.zeros(grain.blocks, np.int64)
    shift = _DIGIT * (grain.heaviest.bit_length() // _DIGIT)  # a node weighs more than its edges
    while True:

        def count(b: int, low: int = least, shift: int = shift) -> Stats:
            digits = (_upper(grain, b)[2] - low) >> shift
            digits = digits[(digits >= 0) & (digits < 1 << _DIGIT)]
            return {"counts": np.bincount(digits, minlength=1 << _DIGIT).astype(int).tobytes()}

        stats = run_tasks(grain.work.spark, grain.blocks, count)
        counts = np.stack([np.frombuffer(s["counts"], np.int64) for s in stats])
        heavier = np.cumsum(counts.sum(axis=0)[::-1])[::-1]
        digit = int(np.flatnonzero(heavier >= wanted)[-1])
        wanted -= int(heavier[digit + 1]) if digit + 1 < len(heavier) else 0
        least += digit << shift
        if shift == 0:
            of_block = counts[:, digit]
            before = np.cumsum(of_block) - of_block
            return least, np.clip(wanted - before, 0, of_block)
        shift -= _DIGIT


def _heaviest(grain: BlockGrain, least: int, ties: Array) -> Csr:
    """`label_propagation.lightened`: the edges above `least`, and so many of just that value."""
    found = []
    for b in range(grain.blocks):
        row, col, value = _upper(grain, b)
        kept = value > least
        kept[np.flatnonzero(value == least)[: ties[b]]] = True
        found.append((row[kept], col[kept], value[kept]))
    row, col, value = (np.concatenate(parts) for parts in zip(*found, strict=True))
    both = np.concatenate((row, col)), np.concatenate((col, row)), np.concatenate((value, value))
    return Csr.from_pairs(*both, (grain.nodes, grain.nodes))


def _upper(grain: BlockGrain, b: int) -> tuple[Array, Array, Array]:
    """The edges of a block whose lower end is in it, each once: ends and value, in order."""
    matrix = grain.rows(b)
    row = expand_rows(matrix).astype(np.int64) + grain.starts[b]
    once = row < matrix.indices
    return row[once], matrix.indices[once].astype(np.int64), matrix.entries[once]


def _projected(finer: BlockGrain, parts: Path, places: Path) -> Path:
    starts = finer.starts

    def project(b: int) -> Array:
        where = np.load(places, mmap_mode="r", allow_pickle=False)[starts[b] : starts[b + 1]]
        found: Array = np.load(parts, mmap_mode="r", allow_pickle=False)[where]
        return found

    return finer.fill("parts", np.int32, project)


def _contract(grain: BlockGrain, labels: Path, level: int) -> tuple[BlockGrain, Path]:
    """`label_propagation.contract`: the coarse graph, and where each node's place in it lies."""
    work, starts = grain.work, grain.starts

    def count(b: int) -> Stats:
        label, matrix = np.load(labels, mmap_mode="r", allow_pickle=False), grain.rows(b)
        own = label[starts[b] : starts[b + 1]]
        return {
            "names": int(np.count_nonzero(own == np.arange(starts[b], starts[b + 1]))),
            "crossing": int(np.count_nonzero(own[expand_rows(matrix)] != label[matrix.indices])),
        }

    counted = run_tasks(work.spark, grain.blocks, count)
    firsts = np.concatenate(([0], np.cumsum([s["names"] for s in counted])))
    crossing = sum(s["crossing"] for s in counted)

    def rank(b: int) -> Array:
        own = np.load(labels, mmap_mode="r", allow_pickle=False)[starts[b] : starts[b + 1]]
        named = own == np.arange(starts[b], starts[b + 1])
        found: Array = firsts[b] + np.cumsum(named) - 1
        return found

    ranks = grain.fill("ranks", np.int64, rank)

    def place(b: int) -> Array:
        own = np.load(labels, mmap_mode="r", allow_pickle=False)[starts[b] : starts[b + 1]]
        found: Array = np.load(ranks, mmap_mode="r", allow_pickle=False)[own]
        return found

    places = grain.fill("places", np.int64, place)

    def rows(b: int) -> tuple[Array, Array, Array]:
        where = np.load(places, mmap_mode="r", allow_pickle=False)
        mine, matrix = where[starts[b] : starts[b + 1]], grain.rows(b)
        row, col = mine[expand_rows(matrix)], where[matrix.indices]
        crossing = row != col
        row = np.concatenate((row[crossing], mine))
        col = np.concatenate((col[crossing], np.full(len(mine), -1)))
        return row, col, np.concatenate((matrix.entries[crossing], grain.weights(b)))

    frame = _triples(work, grain.blocks, rows).groupBy("row", "col").sum("value")
    frame = frame.selectExpr("row", "col", "`sum(value)` AS value")
    blocks = max(1, math.ceil(grain.blocks * crossing / grain.entries))
    return write_grain(work, f"coarse{level}", frame, blocks), places


def _triples(work: Work, count: int, rows: Any) -> DataFrame:
    from collections.abc import Iterable, Iterator

    def each(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for batch in batches:
            for b in batch.column(0).to_pylist():
                row, col, value = rows(b)
                columns = [
                    pa.array(row.astype(np.int32)),
                    pa.array(col.astype(np.int32)),
                    pa.array(value.astype(np.int64)),
                ]
                yield pa.RecordBatch.from_arrays(columns, names=["row", "col", "value"])

    return work.spark.range(0, count, 1, count).mapInArrow(each, "row int, col int, value long")
