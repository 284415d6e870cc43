"""What pieces send each other: one row for each pair of pieces, all rows of an array in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.partition.pieces import Layout, Piece
from graphagg.graph.adjacency import expand_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


SCHEMA = "dst int, src int, kind int, width int, wide boolean, data binary"


@dataclass(frozen=True)
class Message:
    """Rows for one receiver.

    Attributes:
        dst: the receiver: a piece, a shard or a range of nodes, as the phase has it.
        src: the sender.
        values: `[r, w]` float32, float64 or int64.
        kind: which of several arrays from one sender.
    """

    dst: int
    src: int
    values: Array
    kind: int = 0


def sends(piece: Piece, layout: Layout) -> list[tuple[int, Array]]:
    """For each piece with a halo column among this one's nodes: which of the rows it needs.

    The matrix is symmetric, so a node is a column of piece j where its own row names a node of j.
    """
    owners = layout.owner(piece.columns)
    row, owner = expand_rows(piece.matrix), owners[piece.matrix.indices]
    outward = (row < piece.own) & (owner >= 0) & (owner != piece.number)
    pairs = np.unique(owner[outward] * np.int64(piece.own) + row[outward])
    to, rows = pairs // max(piece.own, 1), pairs % max(piece.own, 1)
    found = [(int(j), rows[to == j]) for j in np.unique(to)]
    mine = piece.columns[owners == piece.number] - piece.first
    if len(mine):
        found.append((piece.number, mine))
    return found


def halo(messages: Sequence[Message], hubs: Array | None, piece: Piece, layout: Layout) -> Array:
    """Rows of a piece's columns: those of hubs, then what each piece sent, in its order."""
    ordered = sorted(messages, key=lambda message: message.src)
    parts = [message.values for message in ordered]
    if hubs is not None:
        parts.insert(0, hubs[piece.columns[piece.columns < layout.hubs]])
    return np.concatenate(parts)


def first_phase(
    spark: SparkSession, count: int, step: Callable[[int], Iterable[Message]]
) -> DataFrame:
    """Run a step for each number below `count`."""

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                for message in step(number):
                    yield _record(message)

    return spark.range(0, count, 1, count).mapInArrow(each, SCHEMA)


def next_phase(
    frame: DataFrame, step: Callable[[int, list[Message]], Iterable[Message]]
) -> DataFrame:
    """Run a step for each receiver of a phase's messages."""

    def each(table: pa.Table) -> pa.Table:
        import pyarrow as pa

        number = table.column("dst")[0].as_py()
        found = [_record(message) for message in step(number, _messages(table))]
        empty = _record(Message(0, 0, np.zeros((0, 1), np.float32))).schema
        return pa.Table.from_batches(found, schema=empty)

    return frame.groupBy("dst").applyInArrow(each, SCHEMA)


def _messages(table: pa.Table) -> list[Message]:
    found = []
    for row in range(table.num_rows):
        dst, src, kind, width, wide = (
            table.column(name)[row].as_py() for name in ("dst", "src", "kind", "width", "wide")
        )
        data = table.column("data")[row].as_buffer()
        values = np.frombuffer(data, dtype=np.float64 if wide else np.float32)
        found.append(Message(dst, src, values.reshape(-1, width), kind))
    return found


def _record(message: Message) -> pa.RecordBatch:
    import pyarrow as pa

    values = np.ascontiguousarray(message.values)
    columns = [
        pa.array([message.dst], pa.int32()),
        pa.array([message.src], pa.int32()),
        pa.array([message.kind], pa.int32()),
        pa.array([values.shape[1]], pa.int32()),
        pa.array([values.dtype == np.float64]),
        pa.array([values.tobytes()], pa.binary()),
    ]
    names = ["dst", "src", "kind", "width", "wide", "data"]
    return pa.RecordBatch.from_arrays(columns, names=names)
