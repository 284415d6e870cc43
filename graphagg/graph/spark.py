"""Edges in, dense pairs out, by Spark: the reading and numbering of `load_graph`, distributed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.errors import EmptyGraph, InvalidGraph, UnreadableFile
from graphagg.graph.ids import VertexIds
from graphagg.graph.reading.text import IdType, TextCounts
from graphagg.graph.reading.text import _Columns as Columns
from graphagg.spark.blocks import Blocks
from graphagg.spark.tasks import run_tasks, write_blocks
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_SNIFFED = 1000  # lines of a text file that tell its columns


def read_edges(
    spark: SparkSession, edges: str, ids: IdType = "auto", header: bool | None = None
) -> DataFrame:
    """Columns `src` and `dst` of Parquet (a file or folder) or of text, on any Hadoop path.

    Text is what `load_graph` reads as text; it is unpacked by its suffix `.gz`. Both ids become
    integers (long) or strings.

    Raises:
        InvalidGraph: columns are missing or of other types.
        UnreadableFile: the path does not exist.
    """
    from pyspark.errors import AnalysisException

    try:
        if edges.rstrip("/").endswith((".parquet", ".pq")) or _is_parquet_folder(edges):
            return _typed(spark.read.parquet(edges), edges)
        return _read_text(spark, edges, ids, header)
    except AnalysisException as error:
        raise UnreadableFile(f"{edges}: {str(error).splitlines()[0]}") from None


def _is_parquet_folder(edges: str) -> bool:
    return os.path.isdir(edges) and any(Path(edges).glob("*.parquet"))


def _typed(frame: DataFrame, name: str) -> DataFrame:
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
    return typed


def _read_text(spark: SparkSession, name: str, ids: IdType, header: bool | None) -> DataFrame:
    lines = spark.read.text(name)
    first = "\n".join(row["value"] for row in lines.limit(_SNIFFED).collect()) + "\n"
    counts = TextCounts()
    state = Columns.sniff(first.encode("utf-8"), name, (ids, ids), header, counts)
    if state is None:
        raise EmptyGraph(f"{name}: no edge in it, wanted at least one; check the path and format")
    head, columns = counts.header, replace(state, skip=0)  # what tells the columns: the file's top

    def parse(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            text = [line for line in batch.column(0).to_pylist() if line.strip() != head]
            block = ("\n".join(text) + "\n").encode("utf-8")
            pair = [_plain(pa, ids) for ids in columns.parse(block, TextCounts())]
            yield pa.RecordBatch.from_arrays(pair, names=["src", "dst"])

    types = ["long" if i else "string" for i in state.integer]
    return lines.mapInArrow(parse, f"src {types[0]}, dst {types[1]}")


def read_text_weights(
    spark: SparkSession, edges: str, ids: IdType = "auto", header: bool | None = None
) -> DataFrame | None:
    """Columns `src`, `dst` and `weight` (double); None where the edges carry no weights.

    Weights are the column `weight` of Parquet, or the third of text as `load_weighted` reads it.
    """
    if edges.rstrip("/").endswith((".parquet", ".pq")) or _is_parquet_folder(edges):
        frame = spark.read.parquet(edges)
        if "weight" not in frame.columns:
            return None
        typed = [frame[name].cast(kind).alias(name) for name, kind in _plain_types(frame)]
        return frame.select(*typed, frame["weight"].cast("double").alias("weight"))
    from graphagg.graph.weights import has_weights, third_numbers

    lines = spark.read.text(edges)
    first = "\n".join(row["value"] for row in lines.limit(_SNIFFED).collect()) + "\n"
    counts = TextCounts()
    state = Columns.sniff(first.encode("utf-8"), edges, (ids, ids), header, counts)
    if state is None or not has_weights(first.encode("utf-8"), state.separator, state.skip):
        return None
    head, columns = counts.header, replace(state, skip=0)

    def parse(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            text = [line for line in batch.column(0).to_pylist() if line.strip() != head]
            block = ("\n".join(text) + "\n").encode("utf-8")
            if not block.strip():
                continue
            weights = third_numbers(block, columns.separator, 0, edges)
            pair = [_plain(pa, ids) for ids in columns.parse(block, TextCounts())]
            parts = [*pair, pa.array(weights)]
            yield pa.RecordBatch.from_arrays(parts, names=["src", "dst", "weight"])

    types = ["long" if i else "string" for i in state.integer]
    return lines.mapInArrow(parse, f"src {types[0]}, dst {types[1]}, weight double")


def _plain_types(frame: DataFrame) -> list[tuple[str, str]]:
    types = dict(frame.dtypes)
    return [(n, "string" if types[n] == "string" else "long") for n in ("src", "dst")]


def _plain(pa: Any, column: Any) -> pa.Array:
    if isinstance(column, np.ndarray):
        return pa.array(column)
    return column.dictionary_decode().cast(pa.string())


@dataclass(frozen=True)
class Numbering:
    """Distinct ids in ascending order, in blocks on disk.

    Attributes:
        blocks: where they lie, stage `name`.
        name: the stage.
        counts: ids of each block.
        sizes: bytes of each block's strings; None for integers.
    """

    blocks: Blocks
    name: str
    counts: tuple[int, ...]
    numbers: tuple[int, ...]
    sizes: tuple[int, ...] | None

    def to_json(self) -> dict[str, Any]:
        """What a note of an unfinished job holds of it."""
        return {k: getattr(self, k) for k in ("name", "counts", "numbers", "sizes")}

    @classmethod
    def from_json(cls, blocks: Blocks, note: dict[str, Any]) -> Numbering:
        """The numbering of a note."""
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
            import pyarrow as pa

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
            return {"count": len(values), "least": int(values[0])}
        packed = StringTable.pack(column.to_pylist())
        blocks.save(name, number, utf8=packed.data, offsets=packed.offsets)
        return {"count": len(packed), "bytes": len(packed.data)}

    ordered = ids.distinct().repartitionByRange(partitions, "id").sortWithinPartitions("id")
    stats = write_blocks(ordered, write)
    if integer and stats and stats[0]["least"] < 0:
        raise InvalidGraph(
            f"negative id {stats[0]['least']}, wanted integers of 0 to 2^63 - 1; renumber, or "
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
    """Write the ids as `VertexIds.save` would, each block its own range."""
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
