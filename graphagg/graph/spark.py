"""Reading edges and numbering their ids, as `load_graph` does, by Spark."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphagg.errors import EmptyGraph, InvalidGraph, UnreadableFile
from graphagg.graph.ids import VertexIds
from graphagg.graph.reading.batches import Ids, ReadCounts
from graphagg.graph.reading.text import Columns, IdType
from graphagg.spark.blocks import Blocks
from graphagg.spark.tasks import run_tasks, write_blocks
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SNIFFED = 1000  # lines of a text file that tell its columns


def read_edges(
    spark: SparkSession,
    edges: str,
    ids: IdType = "auto",
    header: bool | None = None,
    weighted: bool = False,
) -> DataFrame:
    """Columns `src`, `dst` and perhaps `weight` of Parquet or of text, on any Hadoop path.

    Text is what `load_graph` reads as text; it is unpacked by its suffix `.gz`. Both ids become
    integers (long) or strings, weights double.

    Args:
        spark: the session.
        edges: Parquet (a file or folder) or text.
        ids: how text ids are read.
        header: whether text has a header.
        weighted: read weights where the edges carry any: the frame has a column `weight` then.

    Raises:
        InvalidGraph: columns are missing or of other types. A task raises it for a weight that is
            negative, infinite or no number.
        UnreadableFile: the path does not exist.
    """
    from pyspark.errors import AnalysisException

    try:
        if edges.rstrip("/").endswith((".parquet", ".pq")) or _is_parquet_folder(edges):
            return _read_parquet(spark, edges, weighted)
        return _read_text(spark, edges, ids, header, weighted)
    except AnalysisException as error:
        raise UnreadableFile(f"{edges}: {str(error).splitlines()[0]}") from None


def _is_parquet_folder(edges: str) -> bool:
    return os.path.isdir(edges) and any(Path(edges).glob("*.parquet"))


def _read_parquet(spark: SparkSession, name: str, weighted: bool) -> DataFrame:
    frame = spark.read.parquet(name)
    types = dict(frame.dtypes)
    if "src" not in types or "dst" not in types:
        raise InvalidGraph(f"{name}: columns {frame.columns}, wanted src and dst; rename them")
    casts = []
    for column in ("src", "dst"):
        kind = types[column]
        if kind not in ("tinyint", "smallint", "int", "bigint", "string"):
            raise InvalidGraph(
                f"{name}: column {column} is {kind}, wanted integers or strings; convert it"
            )
        casts.append(frame[column].cast("string" if kind == "string" else "long").alias(column))
    typed = frame.select(*casts)
    if typed.filter(typed["src"].isNull() | typed["dst"].isNull()).limit(1).count():
        raise InvalidGraph(f"{name}: a row has no id, wanted an id in every row; remove it")
    if not weighted or "weight" not in types:
        return typed
    typed = frame.select(*casts, frame["weight"].cast("double").alias("weight"))

    def check(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _check_weights(batch, name)

    return typed.mapInArrow(check, typed.schema)


def _read_text(
    spark: SparkSession, name: str, ids: IdType, header: bool | None, weighted: bool
) -> DataFrame:
    lines = spark.read.text(name)
    top = "\n".join(row["value"] for row in lines.limit(_SNIFFED).collect()) + "\n"
    counts, block = ReadCounts(), top.encode("utf-8")
    columns = Columns.sniff(block, name, (ids, ids), header, weighted, counts)
    if columns is None:
        raise EmptyGraph(f"{name}: no edge in it, wanted at least one; check the path and format")
    if weighted:
        columns.parse(block, ReadCounts())  # its first edge tells whether there are weights
    head, columns = counts.header, replace(columns, skip=0, weighted=bool(columns.weighted))

    def parse(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            text = [line for line in batch.column(0).to_pylist() if line.strip() != head]
            block = ("\n".join(text) + "\n").encode("utf-8")
            sources, targets, weights = columns.parse(block, ReadCounts())
            pair = {"src": _plain(sources), "dst": _plain(targets)}
            if weights is None:
                yield pa.RecordBatch.from_pydict(pair)
            else:
                edges = pa.RecordBatch.from_pydict(pair | {"weight": pa.array(weights)})
                yield _check_weights(edges, name)

    types = ["long" if i else "string" for i in columns.integer]
    schema = f"src {types[0]}, dst {types[1]}"
    return lines.mapInArrow(parse, f"{schema}, weight double" if columns.weighted else schema)


def _check_weights(edges: pa.RecordBatch, name: str) -> pa.RecordBatch:
    """The edges themselves; `InvalidGraph` if a weight is negative, infinite or no number."""
    weights = edges.column("weight").to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        source, target = (edges.column(end)[bad[0]].as_py() for end in ("src", "dst"))
        raise InvalidGraph(
            f"{name}: edge {source!r} - {target!r} has the weight {weights[bad[0]]}, wanted a "
            "number of 0 or more; mend or drop such edges"
        )
    return edges


def _plain(ids: Ids) -> pa.Array:
    """Ids of a batch as Spark takes them."""
    if isinstance(ids, np.ndarray):
        return pa.array(ids)
    return ids.dictionary_decode().cast(pa.string())


@dataclass(frozen=True)
class Numbering:
    """Distinct ids in ascending order, in blocks on disk.

    Attributes:
        blocks: the folder of the blocks.
        name: stage of the blocks.
        counts: how many ids each block holds.
        numbers: number of each block in its file names.
        sizes: bytes of each block's strings; None for integers.
    """

    blocks: Blocks
    name: str
    counts: tuple[int, ...]
    numbers: tuple[int, ...]
    sizes: tuple[int, ...] | None

    def to_json(self) -> dict[str, Any]:
        """The fields that a note of an unfinished job holds."""
        return {k: getattr(self, k) for k in ("name", "counts", "numbers", "sizes")}

    @classmethod
    def from_json(cls, blocks: Blocks, note: dict[str, Any]) -> Numbering:
        """The numbering that `to_json` described."""
        sizes = None if note["sizes"] is None else tuple(note["sizes"])
        return cls(blocks, note["name"], tuple(note["counts"]), tuple(note["numbers"]), sizes)

    @property
    def total(self) -> int:
        """How many ids there are."""
        return sum(self.counts)

    def start(self, i: int) -> int:
        """The dense number of the first id of block `i`."""
        return sum(self.counts[:i])

    def load(self, i: int) -> VertexIds:
        """The ids of block `i`."""
        number = self.numbers[i]
        if self.sizes is None:
            return VertexIds(self.blocks.load(self.name, number, "ids"))
        data = self.blocks.load(self.name, number, "utf8")
        return VertexIds(StringTable(data, self.blocks.load(self.name, number, "offsets")))

    def frame(self, spark: SparkSession) -> DataFrame:
        """Columns `id`, `number` (dense) and `token`."""
        starts = [self.start(i) for i in range(len(self.counts))]
        integer = self.sizes is None

        def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for i in batch.column(0).to_pylist():
                    ids = self.load(i)
                    numbers = np.arange(starts[i], starts[i] + len(ids), dtype=np.int32)
                    values = pa.array(ids.table) if integer else pa.array(list(ids), pa.string())
                    tokens = pa.array(ids.tokens().astype(np.int64))
                    yield pa.RecordBatch.from_arrays(
                        [values, pa.array(numbers), tokens], names=["id", "number", "token"]
                    )

        count = len(self.counts)
        schema = f"id {'long' if integer else 'string'}, number int, token long"
        return spark.range(0, count, 1, count).mapInArrow(each, schema)


def number_ids(ids: DataFrame, blocks: Blocks, name: str, partitions: int) -> Numbering:
    """Number the distinct ids of a frame's only column `id` by a distributed sort.

    Raises:
        InvalidGraph: a negative id.
    """
    integer = dict(ids.dtypes)["id"] == "bigint"

    def write(number: int, table: pa.Table) -> dict[str, int]:
        column = table.column(0)
        if integer:
            values = column.to_numpy()
            blocks.save(name, number, ids=values)
            return {"count": len(values), "smallest": int(values[0])}
        packed = StringTable.pack(column.to_pylist())
        blocks.save(name, number, utf8=packed.data, offsets=packed.offsets)
        return {"count": len(packed), "bytes": len(packed.data)}

    ordered = ids.distinct().repartitionByRange(partitions, "id").sortWithinPartitions("id")
    stats = write_blocks(ordered, write)
    if integer and stats and stats[0]["smallest"] < 0:
        raise InvalidGraph(
            f"negative id {stats[0]['smallest']}, wanted integers of 0 to 2^63 - 1; renumber, or "
            "write the ids as strings"
        )
    return Numbering(
        blocks,
        name,
        tuple(s["count"] for s in stats),
        tuple(s["block"] for s in stats),
        None if integer else tuple(s["bytes"] for s in stats),
    )


def write_ids(spark: SparkSession, numbering: Numbering, folder: Path, name: str) -> None:
    """Write the ids as `VertexIds.save` would; each task writes the range of one block."""
    from graphagg.spark.blocks import preallocate, write_range

    n, sizes = numbering.total, numbering.sizes
    if sizes is None:
        preallocate(folder / f"{name}.npy", np.int64, (n,))

        def copy(i: int) -> dict[str, int]:
            write_range(folder / f"{name}.npy", numbering.start(i), numbering.load(i).table)  # type: ignore[arg-type]
            return {}
    else:
        preallocate(folder / f"{name}.utf8.npy", np.uint8, (sum(sizes),))
        preallocate(folder / f"{name}.offsets.npy", np.int64, (n + 1,))

        def copy(i: int) -> dict[str, int]:
            table = numbering.load(i).table
            assert isinstance(table, StringTable)
            before = sum(sizes[:i])
            write_range(folder / f"{name}.utf8.npy", before, table.data)
            offsets = folder / f"{name}.offsets.npy"
            write_range(offsets, numbering.start(i) + 1, table.offsets[1:] + before)
            return {}

    run_tasks(spark, len(numbering.counts), copy)
