"""Edges in; the entries of the symmetric matrix, and the graph's ids and digest, out."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.prone.network import coupling_weight
from graphagg.errors import EmptyGraph, InvalidGraph
from graphagg.graph.graph import GraphKind
from graphagg.graph.ids import VertexIds
from graphagg.graph.spark.edges import EdgeInput
from graphagg.graph.spark.numbering import Numbering, number_ids
from graphagg.spark.job import Work
from graphagg.spark.tasks import Stats, write_blocks
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Entries:
    """The matrix, on disk.

    Attributes:
        frame: columns `row`, `col`, `weight` (float, 0 where an edge of weight 0 was read); each
            entry once.
        rows: numbers of the vertices (two-mode: sets).
        columns: the same, or of the elements.
        kind: which graph.
        weighted: whether weights were given.
        edges: distinct edges.
    """

    frame: DataFrame
    rows: Numbering
    columns: Numbering
    kind: GraphKind
    weighted: bool
    edges: int

    @property
    def nodes(self) -> int:
        """N."""
        return self.rows.total + (self.columns.total if self.kind != "undirected" else 0)

    @property
    def filled(self) -> DataFrame:
        """The entries that are edges."""
        return self.frame.filter("weight > 0")


def prepare(work: Work, source: EdgeInput, config: EmbeddingConfig, per_task: int) -> Entries:
    """Phases `edges` and `entries`.

    Raises:
        InvalidGraph, EmptyGraph, UnreadableFile: about the edges.
    """
    frame = source.frame(work, config.kind)
    weighted = "weight" in frame.columns
    if not weighted:
        frame = frame.selectExpr("src", "dst", "1D AS weight")
    if config.kind == "two-mode":  # pairs are (element, set)
        frame = frame.selectExpr("dst AS src", "src AS dst", "weight")
    counted = work.note("read", lambda: frame.count())
    if not counted:
        raise EmptyGraph(f"{source}: no edge in it, wanted at least one; check the path")
    partitions = math.ceil(2 * counted / per_task)
    notes = work.note("numbered", lambda: _number(work, source, frame, config, partitions))
    rows, columns = (Numbering.from_json(work.blocks, note) for note in notes)
    entries = work.phase("entries", lambda: _entries(work, frame, rows, columns, config, weighted))
    uncoupled = entries
    if config.kind == "directed":  # without the couplings
        uncoupled = entries.filter(f"abs(col - row) <> {rows.total}")
    edges = work.note("edges_kept", lambda: uncoupled.count() // 2)
    if not edges:
        raise EmptyGraph(f"{source}: {counted:,} self-loops and no edge, wanted at least one edge")
    return Entries(entries, rows, columns, config.kind, weighted, edges)


def _number(
    work: Work, source: EdgeInput, frame: DataFrame, config: EmbeddingConfig, partitions: int
) -> list[dict[str, Any]]:
    types = dict(frame.dtypes)
    sources, targets = frame.selectExpr("src AS id"), frame.selectExpr("dst AS id")
    if config.kind == "two-mode":
        numberings = [
            number_ids(sources, work.blocks, "vertices", partitions),
            number_ids(targets, work.blocks, "elements", partitions),
        ]
    else:
        if types["src"] != types["dst"]:
            raise InvalidGraph(f"{source}: columns are {types}, wanted one type of id; convert one")
        ids = number_ids(sources.union(targets), work.blocks, "vertices", partitions)
        numberings = [ids, ids]
    return [numbering.to_json() for numbering in numberings]


def _entries(
    work: Work,
    frame: DataFrame,
    rows: Numbering,
    columns: Numbering,
    config: EmbeddingConfig,
    weighted: bool,
) -> DataFrame:
    """Both directions of each edge; repeats are one, their weights added smallest first."""
    left = rows.frame(work.spark).selectExpr("id AS src", "number AS row")
    right = columns.frame(work.spark).selectExpr("id AS dst", "number AS col")
    joined = frame.join(left, "src").join(right, "dst").select("row", "col", "weight")
    if config.kind != "two-mode":
        joined = joined.filter("row <> col")
    if config.kind == "undirected":
        joined = joined.union(joined.selectExpr("col", "row", "weight"))
    if not weighted:
        pairs = joined.select("row", "col").distinct().selectExpr("row", "col", "1F AS weight")
    else:
        pairs = joined.groupBy("row", "col").agg({"weight": "collect_list"})
        added = "aggregate(sort_array(`collect_list(weight)`), 0D, (a, b) -> a + b)"
        pairs = pairs.selectExpr("row", "col", f"CAST({added} AS FLOAT) AS weight")
    if config.kind == "undirected":
        return pairs
    cover = pairs.selectExpr("row", f"col + {rows.total} AS col", "weight")
    if config.kind == "directed":
        cover = cover.union(_couplings(pairs, rows.total))
    return cover.union(cover.selectExpr("col", "row", "weight"))


def _couplings(pairs: DataFrame, n: int) -> DataFrame:
    """An edge between the two nodes of each vertex that has any; see `network`."""
    edges = pairs.filter("weight > 0")
    mean = edges.agg({"weight": "avg"}).collect()[0][0] or 0.0
    vertices = edges.selectExpr("row").union(edges.selectExpr("col")).distinct()
    weight = float(coupling_weight(mean))
    return vertices.selectExpr("row", f"row + {n} AS col", f"CAST({weight!r} AS FLOAT) AS weight")


def digests(work: Work, entries: Entries, per_task: int) -> dict[str, str]:
    """Digests of the graph, equal to `writing.inputs_of`; one block in memory at a time."""

    def make() -> dict[str, str]:
        blocks = sorted_blocks(work, entries, per_task)
        hashes = {"graph": _graph_digest(work, entries, blocks)}
        if entries.weighted:
            state = hashlib.sha256()
            for block in blocks:
                weights = work.blocks.load("sorted", block, "weight")
                state.update(np.ascontiguousarray(weights[weights > 0]).data)
            hashes["weights"] = state.hexdigest()
        return hashes

    return dict(work.note("digests", make))


def sorted_blocks(work: Work, entries: Entries, per_task: int) -> list[int]:
    """The numbers of the blocks `sorted`: all entries by row and column, once.

    A block holds `row`, `col` and, of a weighted graph, `weight`.
    """
    blocks: list[int] = work.note("sorted", lambda: _sort(work, entries, per_task))
    return blocks


def _sort(work: Work, entries: Entries, per_task: int) -> list[int]:
    blocks, weighted = work.blocks, entries.weighted
    partitions = math.ceil(2 * entries.edges / per_task)

    def write(block: int, table: pa.Table) -> Stats:
        row, col = table.column("row").to_numpy(), table.column("col").to_numpy()
        kept = {"row": row, "col": col}
        if weighted:
            kept["weight"] = table.column("weight").to_numpy()
        blocks.save("sorted", block, **kept)
        return {"entries": len(row)}

    ordered = entries.frame.repartitionByRange(partitions, "row", "col")
    stats = write_blocks(ordered.sortWithinPartitions("row", "col"), write)
    return [s["block"] for s in stats]


def _graph_digest(work: Work, entries: Entries, blocks: list[int]) -> str:
    """`Graph.digest` of the graph, from the sorted entries."""
    n, first = entries.rows.total, 0 if entries.kind == "undirected" else entries.rows.total
    state = hashlib.sha256(entries.kind.encode())
    for numbering in [entries.rows, entries.columns][: 2 if entries.kind == "two-mode" else 1]:
        _update_ids(state, numbering)
    state.update(np.zeros(1, dtype=np.int64).data)
    done, total = 0, 0
    for block in blocks:  # indptr: the end of each row
        rows = _edges_from(work, entries, block)[0]
        if not len(rows):
            continue
        last = int(rows[-1])
        ends = total + np.searchsorted(rows, np.arange(done, last), side="right")
        state.update(np.ascontiguousarray(ends, dtype=np.int64).data)
        done, total = max(done, last), total + len(rows)
    state.update(np.full(n - done, total, dtype=np.int64).data)
    for block in blocks:
        columns = _edges_from(work, entries, block)[1] - first
        state.update(np.ascontiguousarray(columns, dtype=np.int32).data)
    return state.hexdigest()


def _edges_from(work: Work, entries: Entries, block: int) -> tuple[Any, Any]:
    """Rows and columns of a block's entries that are the graph's adjacency."""
    n = entries.rows.total
    row, col = (work.blocks.load("sorted", block, name) for name in ("row", "col"))
    kept = row < n
    if entries.kind == "directed":
        kept &= col - row != n
    return row[kept], col[kept]


def _update_ids(state: Any, numbering: Numbering) -> None:
    count = range(len(numbering.counts))
    if numbering.sizes is None:
        for i in count:
            state.update(np.ascontiguousarray(numbering.load(i).table).data)
        return
    state.update(np.zeros(1, dtype=np.int64).data)
    before = 0
    for i in count:
        table = _strings(numbering.load(i))
        state.update(np.ascontiguousarray(table.offsets[1:] + before).data)
        before += int(table.offsets[-1])
    for i in count:
        state.update(np.ascontiguousarray(_strings(numbering.load(i)).data).data)


def _strings(ids: VertexIds) -> StringTable:
    assert isinstance(ids.table, StringTable)
    return ids.table
