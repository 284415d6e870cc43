"""Reads passages from any Hadoop path; writes blocks of consecutive rows, and files of all rows."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from graphagg.errors import EmptyCorpus, InvalidParameter, InvalidPassage
from graphagg.execution.arrays import MemoryArrays, TaskArrays
from graphagg.execution.runner import Stats
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.documents.passages import Passage, metadata_json
from graphagg.rag.documents.reading.kinds import DOCUMENTS
from graphagg.rag.documents.rows import RowConfig, parse_line
from graphagg.rag.indexing.arrays import BuildArrays
from graphagg.rag.indexing.passage_files import checked_order, write_id_order, write_text_order
from graphagg.rag.models.chunking import ChunkConfig, Source, split
from graphagg.rag.tables.segments import PassageTable, table_name
from graphagg.spark import sources
from graphagg.spark.job import SparkJob
from graphagg.spark.sources import SparkInput
from graphagg.spark.tasks import write_blocks
from graphagg.store import ArtifactWriter
from graphagg.store.manifest import canonical_json
from graphagg.store.strings import StringTable, write_strings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

PASSAGES = "passages"
_SCHEMA = "file string, block long, place long, part int, split boolean, record binary"
_TEXTS = "s0.passages.texts"
_PLACE = frozenset({"_file", "_block", "_place"})
Record = tuple[Source, str]
Parse = Callable[[Mapping[str, Any]], Record | None]
PARQUET = frozenset((".parquet", ".pq"))


@dataclass(frozen=True)
class PassageInput(SparkInput):
    """A source of passages; `columns` names columns of a table, or fields of JSON objects."""

    columns: RowConfig

    @classmethod
    def from_source(cls, passages: Any, columns: RowConfig) -> PassageInput:
        """Create an input from a DataFrame, one path or table, or several paths."""
        if sources.is_frame(passages):
            return cls(passages, (), columns)
        paths = (passages,) if isinstance(passages, str | os.PathLike) else passages
        return cls(None, tuple(map(os.fspath, paths)), columns)

    def identity(self) -> list[Any]:
        """Return values that change with the input, or with the way it is read, if known."""
        return [*self.seen(), *([] if self.columns == RowConfig() else [vars(self.columns)])]

    def is_table(self, spark: SparkSession) -> bool:
        """Whether the input has columns like Parquet (by file suffix); otherwise, it is JSON lines.

        Raises `InvalidParameter` for documents.
        """
        if self.is_frame or sources.is_table(self.origin):
            return True
        suffixes = sources.suffixes_at(self.paths, spark)
        if documents := suffixes & DOCUMENTS.keys():
            raise InvalidParameter(
                f"{self}: documents ({' '.join(sorted(documents))}), but Spark reads Parquet and "
                "JSON lines; write `vars` of each passage that "
                "`chunk_documents(read_documents(folder))` yields as a line, and give that file"
            )
        return suffixes <= PARQUET


def read_records(
    spark: SparkSession, source: PassageInput, table: DataFrame | None, chunking: ChunkConfig | None
) -> DataFrame:
    """Read every passage as JSON (`record`), with its place in the input.

    The place is `file`, `block`, `place` and, if a document was `split`, the chunk's number `part`.
    Without a table, JSON lines are read from any path that Spark can read (`.gz` is unpacked).
    Folders such as `year=2024` become a column. Raises `UnreadableFile`, and `InvalidPassage` for a
    table without ids or texts.
    """
    places = _NO_FILES if source.is_frame or sources.is_table(source.origin) else _OF_FILES
    with sources.readable(source):
        if table is None:
            frame, parse = spark.read.text(source.hadoop_paths), _json_lines(source.columns)
            columns = ["CAST(value AS BINARY) AS value"]
        else:
            source.columns.check(table.columns, str(source))
            sources.check_columns(table, table.columns, InvalidPassage)
            frame, parse = table, _table_rows(source)
            columns = [sources.quoted(name) for name in table.columns]
        placed = frame.selectExpr(*columns, *places, _IN_ORDER)
        _ = placed.schema  # makes Spark Connect check the path
    return placed.mapInArrow(_normalized(parse, chunking), _SCHEMA)


_OF_FILES = ("_metadata.file_path AS _file", "_metadata.file_block_start AS _block")
_NO_FILES = ("'' AS _file", "0L AS _block")
_IN_ORDER = "monotonically_increasing_id() AS _place"


def _normalized(
    parse: Parse, chunking: ChunkConfig | None
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        names = ("file", "block", "place", "part", "split", "record")
        types = ("string", "int64", "int64", "int32", "bool", "binary")
        schema = pa.schema(list(zip(names, types, strict=True)))
        for batch in batches:
            rows = []
            for row in batch.to_pylist():
                record = parse(row)
                passages = () if record is None else split(record[0], chunking, record[1])
                origin = {"file": row["_file"], "block": row["_block"], "place": row["_place"]}
                origin["split"] = len(passages) > 1
                for i, passage in enumerate(passages):
                    metadata_json(passage)  # checks the metadata
                    record_json = canonical_json(vars(passage))
                    rows.append(origin | {"part": i, "record": record_json})
            yield pa.RecordBatch.from_pylist(rows, schema)

    return each


def _json_lines(columns: RowConfig) -> Parse:
    def parse(row: Mapping[str, Any]) -> Record | None:
        line, where = row["value"], _plain(row["_file"])
        return (columns.record(parse_line(line, where), where), where) if line.strip() else None

    return parse


def _table_rows(source: PassageInput) -> Parse:
    columns, name = source.columns, str(source)

    def parse(row: Mapping[str, Any]) -> Record:
        where = _plain(row["_file"]) or name
        record = {name: _as_object(value) for name, value in row.items() if name not in _PLACE}
        return columns.record(record, where), where

    return parse


def _as_object(value: Any) -> Any:
    """Convert a Spark map, which Arrow represents as pairs, to a dict."""
    is_map = isinstance(value, list) and value and all(isinstance(pair, tuple) for pair in value)
    return dict(value) if is_map else value


def _plain(path: str) -> str:
    return unquote(path).removeprefix("file://").removeprefix("file:")


def write_passages(
    job: SparkJob, source: PassageInput, chunking: ChunkConfig | None, per_task: int
) -> list[Stats]:
    """Run `records` and `passages`: write the passages in blocks, in the order of the input.

    Tasks split long texts as they read them; array `split` of a block marks chunks. Returns the
    lengths of the arrays of each block; `rows` is the number of its passages. Raises
    `EmptyCorpus`.
    """
    table = None
    if source.is_table(job.spark):
        table = sources.read_table(job.spark, source.origin, *source.paths[1:])
    records = job.phase("records", lambda: read_records(job.spark, source, table, chunking))
    count = records.count()
    if not count:
        raise EmptyCorpus(f"{source}: contains no passages; give at least one")
    order = ("file", "block", "place", "part")
    ordered = records.repartitionByRange(math.ceil(count / per_task), *order)
    stage = TaskArrays(job.blocks, PASSAGES)

    def write(partition: int, table: pa.Table) -> Stats:
        passages = [Passage(**json.loads(line)) for line in table.column("record").to_pylist()]
        writer, was_split = MemoryArrays(), table.column("split").to_numpy()
        PassageTable.of(passages).save_plain(writer, "s0.passages")
        return stage.save(partition, writer.arrays | {"split": was_split}, rows=len(passages))

    ordered = ordered.sortWithinPartitions(*order)
    written: list[Stats] = job.stage(PASSAGES, lambda: write_blocks(ordered, write))
    return written


def load_passages(
    arrays: BuildArrays, block: int, rows: Iterable[int] | None = None
) -> list[Passage]:
    """Return the passages of a block, or only those at `rows`."""
    stage = arrays.stage(PASSAGES)
    texts = {
        name: stage.strings(block, f"s0.passages.{name}")
        for name in ("ids", "titles", "texts", "metadata", "documents")
    }
    table = PassageTable(
        **texts,
        positions=stage.array(block, "s0.passages.positions"),
        digests=np.zeros((0, 32), np.uint8),
        text_digests=np.zeros(0, np.uint64),
    )
    return [table[row] for row in (range(len(table)) if rows is None else rows)]


def join_passages(job: SparkJob, arrays: BuildArrays, passages: Sequence[Stats]) -> None:
    """Write the files of the passages, with the texts in compressed blocks.

    One task compresses the texts, since the bounds of a block depend on all texts before it.
    """
    names = [name for name in passages[0] if name.startswith("s0.")]
    texts = [name for name in names if name.startswith(_TEXTS)]
    stage, joined, version = arrays.stage(PASSAGES), arrays.work, arrays.version
    stage.join(job, passages, version, [name for name in names if name not in texts])
    stage.join(job, passages, joined, texts)

    def compress(_: int) -> None:
        table = joined.strings(_TEXTS)
        with version.written() as folder:
            write_strings(folder / _TEXTS, table)

    job.run(1, compress)


def write_order(job: SparkJob, arrays: BuildArrays, passages: Sequence[Stats]) -> None:
    """Write the order of ids, in one task; raises `DuplicateId`."""
    stage, files, numbers = arrays.stage(PASSAGES), arrays.version, [s["block"] for s in passages]

    def write(_: int) -> None:
        ids, documents = (
            StringTable.joined([stage.strings(i, f"s0.passages.{name}") for i in numbers])
            for name in ("ids", "documents")
        )
        positions, is_chunk = (
            np.concatenate([stage.array(i, name) for i in numbers])
            for name in ("s0.passages.positions", "split")
        )
        by_id = checked_order(ids, documents, positions, is_chunk)
        with files.written() as folder:
            write_id_order(ArtifactWriter(folder), by_id, len(by_id))

    job.run(1, write)


def write_tables(job: SparkJob, arrays: BuildArrays, passages: Sequence[Stats]) -> None:
    """Write the order of the texts, and the metadata."""
    stage, files = arrays.stage(PASSAGES), arrays.version

    def write(_: int) -> None:
        digests = files.map("s0.passages.text_digests")
        lines = (
            line for s in passages for line in stage.strings(s["block"], "s0.passages.metadata")
        )
        with files.written() as folder:
            writer = ArtifactWriter(folder)
            write_text_order(writer, digests, np.ones(len(digests), np.bool_))
            MetadataTable.build(map(json.loads, lines)).save(writer, table_name(0))

    job.run(1, write)
