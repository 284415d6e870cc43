"""Reading edges and numbering their ids, as `load_graph` does, by Spark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphagg.errors import EmptyGraph, InvalidGraph, UnreadableFile
from graphagg.graph.ids import VertexIds
from graphagg.graph.kinds import GraphKind
from graphagg.graph.reading.batches import EdgeBatch, Ids, ReadCounts
from graphagg.graph.reading.columns import SAMPLE, named_columns
from graphagg.graph.reading.files import PARQUET, mixed_folder, suffix_of
from graphagg.graph.reading.settings import Reading
from graphagg.graph.reading.text import TextLayout
from graphagg.spark.blocks import Blocks
from graphagg.spark.job import Work
from graphagg.spark.tasks import run_tasks, write_blocks
from graphagg.store.strings import StringTable
from graphagg.store.work import fingerprint

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameReader, SparkSession

_BAD = "bad_rows int, bad string"
"""Columns of the rows that stand for what was left out: how many, and what is wrong with one."""


@dataclass(frozen=True)
class EdgePaths:
    """Where edges come from and how they are read.

    Attributes:
        paths: files, folders or patterns, on any path that Spark reads.
        reading: how they are read.
    """

    paths: tuple[str, ...]
    reading: Reading

    @classmethod
    def of(cls, edges: str | Sequence[str], reading: Reading) -> EdgePaths:
        """One path, or several."""
        return cls((edges,) if isinstance(edges, str) else tuple(edges), reading)

    def __str__(self) -> str:
        return ", ".join(self.paths)[:200]

    def identity(self) -> list[Any]:
        """What changes when the input, or how it is read, changes."""
        seen = [fingerprint(path) for path in self.paths]
        known = [files for _, files in seen]
        return [[path for path, _ in seen], known if all(known) else [], self.reading.given()]

    def frame(self, work: Work, kind: GraphKind) -> DataFrame:
        """Phase `edges`: columns `src`, `dst` and perhaps `weight`, bad rows left out."""
        self.reading.check_kind(kind)
        said: dict[str, Any] = {}

        def read() -> DataFrame:
            frame, counts = read_edges(work.spark, self)
            columns = counts.columns.said(kind == "two-mode") if counts.columns else None
            said.update(header=counts.header, columns=columns)
            return frame

        frame = work.phase("edges", read)
        work.note("columns", lambda: said)
        if not self.reading.skip_bad_rows:
            return frame
        bad = frame.filter("bad IS NOT NULL")
        work.note("bad", lambda: _summary(bad))
        return frame.filter("bad IS NULL").drop("bad_rows", "bad")

    def counts(self, work: Work) -> dict[str, Any]:
        """The fields of `ReadReport` that phase `edges` found."""
        bad = work.note("bad", dict) if self.reading.skip_bad_rows else {}
        return {**work.note("columns", dict), **bad}


def _summary(bad: DataFrame) -> dict[str, Any]:
    row = bad.selectExpr("sum(bad_rows) AS rows", "first(bad) AS first").collect()[0]
    return {"bad_rows": int(row["rows"] or 0), "first_bad": row["first"]}


def read_edges(spark: SparkSession, source: EdgePaths) -> tuple[DataFrame, ReadCounts]:
    """Columns `src`, `dst` and perhaps `weight` of Parquet or of text, on any Hadoop path.

    A folder stands for all files in and below it, and is Parquet if their names say so. Text is
    what `load_graph` reads as text; it is unpacked by its suffix `.gz`. Both ids become integers
    (long) or strings, weights double. Where bad rows are skipped, rows without ids count them, in
    the columns `bad_rows` and `bad`.

    Returns:
        The edges; and the header and the columns that were found.

    Raises:
        InvalidGraph: columns are missing or of other types. A task raises it for a weight that is
            negative, infinite or no number.
        UnreadableFile: the path does not exist.
    """
    from pyspark.errors import AnalysisException

    counts = ReadCounts()
    try:
        if _is_parquet(spark, source):
            return _read_parquet(spark, source, counts), counts
        return _read_text(spark, source, counts), counts
    except AnalysisException as error:
        raise UnreadableFile(f"{source}: {str(error).splitlines()[0]}") from None


def _is_parquet(spark: SparkSession, source: EdgePaths) -> bool:
    """Whether the files are Parquet, by their names; Spark lists them, on whatever file system."""
    if all(suffix_of(path.rstrip("/")) in PARQUET for path in source.paths):
        return True
    files = _recursive(spark.read.format("binaryFile")).load(list(source.paths)).select("path")
    suffixes = "|".join(re.escape(suffix) for suffix in PARQUET)
    parquet = files["path"].rlike(f"(?i)({suffixes})$")
    other = files.filter(~parquet).limit(1).collect()
    if not files.filter(parquet).limit(1).count():
        return False
    if other:
        raise InvalidGraph(mixed_folder(str(source), other[0]["path"]))
    return True


def _recursive(reader: DataFrameReader) -> DataFrameReader:
    """All files below a folder; the names of folders (`dt=2024`) give no columns."""
    return reader.option("recursiveFileLookup", "true")


def _read_parquet(spark: SparkSession, source: EdgePaths, counts: ReadCounts) -> DataFrame:
    from pyspark.sql import functions

    name, reading = str(source), source.reading
    frame = _recursive(spark.read).parquet(*source.paths)
    types = dict(frame.dtypes)
    columns = counts.columns = named_columns(frame.columns, reading, name)
    casts = []
    for end, alias in zip(columns[:2], ("src", "dst"), strict=True):
        column = frame.columns[end]
        kind = types[column]
        if kind not in ("tinyint", "smallint", "int", "bigint", "string"):
            raise InvalidGraph(
                f"{name}: column {column} is {kind}, wanted integers or strings; convert it"
            )
        plain = frame[_quoted(column)].cast("string" if kind == "string" else "long")
        casts.append(plain.alias(alias))
    weighted = reading.wants_weights and columns.weight >= 0
    if weighted:
        weight = _quoted(frame.columns[columns.weight])
        casts.append(frame[weight].cast("double").alias("weight"))
    typed = frame.select(*casts)
    missing = " OR ".join(f"{column} IS NULL" for column in typed.columns)
    if reading.skip_bad_rows:
        bad = functions.expr(missing)
        about = functions.when(bad, functions.lit(f"{name}: a row with a null"))
        typed = typed.withColumns({"bad_rows": bad.cast("int"), "bad": about})
    elif typed.filter("src IS NULL OR dst IS NULL").limit(1).count():
        raise InvalidGraph(
            f"{name}: a row has no id, wanted an id in every row; remove it, or leave such rows "
            "out (--skip-bad-rows)"
        )
    if not weighted:
        return typed

    def check(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _check_weights(batch, name)

    return typed.mapInArrow(check, typed.schema)


def _quoted(column: str) -> str:
    """A column's name in SQL, where a dot would mean a field."""
    return "`" + column.replace("`", "``") + "`"


def _read_text(spark: SparkSession, source: EdgePaths, counts: ReadCounts) -> DataFrame:
    name, reading = str(source), source.reading
    lines = _recursive(spark.read).text(list(source.paths))
    top = "\n".join(row["value"] for row in lines.limit(SAMPLE).collect()) + "\n"
    block = top.encode("utf-8")
    sniffed = TextLayout.sniff(block, name, reading, counts)
    if sniffed is None:
        raise EmptyGraph(f"{name}: no edge in it, wanted at least one; check the path and format")
    if reading.wants_weights:
        sniffed.parse(block, ReadCounts())  # its first edge tells whether there are weights
    head, layout = counts.header, replace(sniffed, skip=0, weighted=bool(sniffed.weighted))

    def parse(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            text = [line for line in batch.column(0).to_pylist() if line.strip() != head]
            found = ReadCounts()
            parsed = layout.parse(("\n".join(text) + "\n").encode("utf-8"), found)
            edges = _record_batch(parsed, layout.lenient)
            yield edges if parsed.weights is None else _check_weights(edges, name)
            if found.bad_rows:
                yield _bad_rows(edges.schema, found)

    types = ["long" if i else "string" for i in layout.integer]
    schema = f"src {types[0]}, dst {types[1]}"
    if layout.weighted:
        schema += ", weight double"
    return lines.mapInArrow(parse, f"{schema}, {_BAD}" if layout.lenient else schema)


def _record_batch(edges: EdgeBatch, lenient: bool) -> pa.RecordBatch:
    """Edges as Spark takes them."""
    columns = {"src": _plain(edges.sources), "dst": _plain(edges.targets)}
    if edges.weights is not None:
        columns["weight"] = pa.array(edges.weights)
    if lenient:
        columns["bad_rows"] = pa.nulls(len(edges.sources), pa.int32())
        columns["bad"] = pa.nulls(len(edges.sources), pa.string())
    return pa.RecordBatch.from_pydict(columns)


def _bad_rows(schema: pa.Schema, counts: ReadCounts) -> pa.RecordBatch:
    """The row that stands for the bad rows of a batch."""
    row = dict.fromkeys(schema.names) | {"bad_rows": counts.bad_rows, "bad": counts.first_bad}
    return pa.RecordBatch.from_pylist([row], schema)


def _check_weights(edges: pa.RecordBatch, name: str) -> pa.RecordBatch:
    """The edges themselves; `InvalidGraph` if a weight is negative, infinite or no number."""
    weights = edges.column("weight").to_numpy(zero_copy_only=False)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if "bad" in edges.schema.names:  # rows that are left out anyhow
        wrong &= edges.column("bad").is_null().to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(wrong)
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
    from graphagg.store.ranges import preallocate, write_range

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
