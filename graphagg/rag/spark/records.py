"""Passages from any Hadoop path into blocks of consecutive rows, in the order of the input."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from graphagg.errors import EmptyCorpus, InvalidPassage
from graphagg.execution.runner import Stats
from graphagg.execution.task_arrays import TaskArrays
from graphagg.rag.documents.passages import Passage, metadata_json
from graphagg.rag.documents.reading.kinds import DOCUMENTS
from graphagg.rag.documents.reading.settings import FolderReport, ReadConfig
from graphagg.rag.documents.rows import RowConfig, parse_line
from graphagg.rag.indexing.state import BuildArrays
from graphagg.rag.models.chunking import ChunkConfig, Source, split
from graphagg.rag.spark import documents
from graphagg.rag.spark.documents import PASSAGES, DocumentFolder
from graphagg.rag.tables.segments import PassageTable
from graphagg.spark import sources
from graphagg.spark.job import SparkJob
from graphagg.spark.sources import SparkInput
from graphagg.spark.tasks import write_blocks
from graphagg.store import ArtifactWriter, blocks
from graphagg.store.manifest import canonical_json

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_SCHEMA = "file string, block long, place long, part int, split boolean, record binary"
_TEXTS = "s0.passages.texts"
_PLACE = frozenset({"_file", "_block", "_place"})
Record = tuple[Source, str]
Parse = Callable[[Mapping[str, Any]], Record | None]
PARQUET = frozenset((".parquet", ".pq"))
LINES = frozenset((".json", ".jsonl", ".ndjson"))


@dataclass(frozen=True)
class PassageInput(SparkInput):
    """The source of passages or documents.

    Attributes:
        columns: names of the columns of a table, or of the fields of an object.
        folder: the options of documents, and their report.
    """

    columns: RowConfig
    folder: DocumentFolder

    @classmethod
    def from_source(cls, passages: Any, columns: RowConfig) -> PassageInput:
        """A DataFrame, one path or table, several paths, or a `DocumentFolder`."""
        if sources.is_frame(passages):
            return cls(passages, (), columns, DocumentFolder("the DataFrame"))
        if isinstance(passages, DocumentFolder):
            return cls(None, (os.fspath(passages.path),), columns, passages)
        paths = (passages,) if isinstance(passages, str | os.PathLike) else passages
        names = tuple(map(os.fspath, paths))
        return cls(None, names, columns, DocumentFolder(", ".join(names)))

    def identity(self) -> list[Any]:
        """Values that change with the input, or with how it is read, as far as known."""
        fields = [] if self.columns == RowConfig() else [vars(self.columns)]
        if self.folder.reading != ReadConfig():
            fields.append(vars(self.folder.reading))
        return [*self.seen(), *fields]

    def kind(self, spark: SparkSession) -> str:
        """`table` of Parquet or JSON `lines`, by the names of the files, or `documents`.

        A folder of Parquet alone, or of JSON alone without options of documents, holds the parts
        of a table.
        """
        if self.is_frame or sources.is_table(self.origin):
            return "table"
        suffixes, path = sources.suffixes_at(self.paths, spark), sources.seen_path(self.paths[0])
        if suffixes <= PARQUET:
            return "table"
        is_folder = path is not None and path.is_dir()
        is_folder = is_folder or "." not in self.paths[0].rstrip("/").rpartition("/")[2]
        is_of_documents = is_folder or suffixes & DOCUMENTS.keys()
        is_lines = suffixes <= LINES and self.folder.reading == ReadConfig()
        return "documents" if is_of_documents and not is_lines else "lines"


def read_records(
    spark: SparkSession, source: PassageInput, table: DataFrame | None, chunking: ChunkConfig | None
) -> DataFrame:
    """Every passage as JSON (`record`), with its place in the input.

    That is `file`, `block`, `place` and, where a document was `split`, which `part` of it. Without
    a table lines are read: JSONL (`.gz` is unpacked) on any path that Spark reads. Folders such as
    `year=2024` become a column. Raises `UnreadableFile`, and `InvalidPassage` for a table without
    ids or texts.
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
        _ = placed.schema  # makes Spark Connect look for the path
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
                    metadata_json(passage)  # checks it
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
    """A map of Spark, which Arrow represents as pairs, as an object."""
    is_map = isinstance(value, list) and value and all(isinstance(pair, tuple) for pair in value)
    return dict(value) if is_map else value


def _plain(path: str) -> str:
    return unquote(path).removeprefix("file://").removeprefix("file:")


def write_passages(
    job: SparkJob, source: PassageInput, chunking: ChunkConfig | None, per_task: int
) -> tuple[list[Stats], FolderReport]:
    """Stages `records` and `passages`: write the passages in blocks, in the order of the input.

    Tasks split documents as they read them; array `split` of a block marks chunks. Returns the
    lengths of the arrays of each block, of which `rows` is the number of its passages, and of
    documents the report. Raises `EmptyCorpus`.
    """
    kind = source.kind(job.spark)
    table = (
        sources.read_table(job.spark, source.origin, *source.paths[1:]) if kind == "table" else None
    )
    if kind == "documents":
        return documents.write_documents(job, source.folder, chunking, per_task)
    records = job.phase("records", lambda: read_records(job.spark, source, table, chunking))
    count = records.count()
    if not count:
        raise EmptyCorpus(f"{source}: no passages in it; give at least one")
    order = ("file", "block", "place", "part")
    ordered = records.repartitionByRange(math.ceil(count / per_task), *order)
    stage = TaskArrays(job.blocks, PASSAGES)

    def write(partition: int, table: pa.Table) -> Stats:
        passages = [Passage(**json.loads(line)) for line in table.column("record").to_pylist()]
        return documents.save_block(stage, partition, passages, table.column("split").to_numpy())

    ordered = ordered.sortWithinPartitions(*order)
    return job.stage(PASSAGES, lambda: write_blocks(ordered, write)), FolderReport()


def load_passages(
    arrays: BuildArrays, block: int, rows: Iterable[int] | None = None
) -> list[Passage]:
    """The passages of a block, or those of some rows."""
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
    """Write the files of the passages; texts in compressed blocks.

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
            blocks.write(ArtifactWriter(folder), _TEXTS, table)

    job.run(1, compress)
