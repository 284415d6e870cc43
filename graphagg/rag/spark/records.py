"""Passages from any Hadoop path into pieces of consecutive rows, in the order of the input."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from graphagg.errors import EmptyCorpus, InvalidPassage, UnreadableFile
from graphagg.rag.documents.passages import (
    Passage,
    metadata_json,
)
from graphagg.rag.documents.reading.content import Unread
from graphagg.rag.documents.reading.document import Document
from graphagg.rag.documents.reading.folder import converted
from graphagg.rag.documents.reading.settings import ReadConfig
from graphagg.rag.documents.reading.walk import ReadFile
from graphagg.rag.documents.rows import parse_line
from graphagg.rag.models.chunking import ChunkConfig, Source, split
from graphagg.rag.spark.stages import PASSAGES, Stages
from graphagg.rag.tables.segments import PassageTable
from graphagg.spark.task_arrays import ArrayCollector
from graphagg.spark.tasks import Stats, write_blocks
from graphagg.store.manifest import canonical_json

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_SCHEMA = "file string, block long, place long, part int, split boolean, record binary"
_MOST = ReadConfig.max_file_size
_PLACE = frozenset({"_file", "_block", "_place"})
Record = tuple[Source, str]


def read_records(
    spark: SparkSession, source: str, chunking: ChunkConfig | None = None
) -> DataFrame:
    """Every passage as JSON (`record`), with its place in the input.

    That is `file`, `block`, `place` and, where a document was `split`, which `part` of it.

    JSONL (`.gz` is unpacked), Parquet or, of a folder, its `.txt` and `.md` files, as
    `read_passages` reads them, on any path that Spark reads; globs and folders of JSONL or Parquet
    parts too.

    Raises:
        UnreadableFile: the path does not exist.
    """
    from pyspark.errors import AnalysisException

    kind = _kind_of(source)
    parse: Callable[[Mapping[str, Any]], Record | None]
    try:
        if kind == "parquet":
            frame = spark.read.parquet(source)
            _check_columns(source, frame.columns)
            columns, parse = frame.columns, _parquet_rows
        elif kind == "texts":
            frame = (
                spark.read.format("binaryFile")
                .option("recursiveFileLookup", "true")
                .option("pathGlobFilter", "*.{txt,md}")
                .load(source)
            )
            columns, parse = ["path", "content", "modificationTime"], _texts_below(source)
        else:
            frame = spark.read.text(source).selectExpr(
                "CAST(value AS BINARY) AS value", "_metadata"
            )
            columns, parse = ["value"], _json_lines
        placed = frame.selectExpr(
            *(f"`{name}`" for name in columns),
            "_metadata.file_path AS _file",
            "_metadata.file_block_start AS _block",
            "monotonically_increasing_id() AS _place",
        )
        _ = placed.schema  # Spark Connect looks for the path only when it is asked something
    except AnalysisException as error:
        raise UnreadableFile(f"{source}: {str(error).splitlines()[0]}") from None
    return placed.mapInArrow(_normalized(parse, chunking), _SCHEMA)


def _kind_of(source: str) -> str:
    if source.rstrip("/").endswith((".parquet", ".pq")):
        return "parquet"
    folder = Path(source)
    if os.path.isdir(source):
        if any(folder.glob("*.parquet")):
            return "parquet"
        return "lines" if any(folder.glob("*.jsonl*")) else "texts"
    return "texts" if source.endswith("/") else "lines"


def _check_columns(source: str, columns: list[str]) -> None:
    missing = {"id", "text"} - set(columns)
    if missing:
        raise InvalidPassage(f"{source}: columns are {columns}, wanted also {sorted(missing)}")


def _normalized(
    parse: Callable[[Mapping[str, Any]], Record | None], chunking: ChunkConfig | None
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        schema = pa.schema(
            [
                ("file", pa.string()),
                ("block", pa.int64()),
                ("place", pa.int64()),
                ("part", pa.int32()),
                ("split", pa.bool_()),
                ("record", pa.binary()),
            ]
        )
        for batch in batches:
            rows = []
            for row in batch.to_pylist():
                record = parse(row)
                passages = () if record is None else split(record[0], chunking, record[1])
                place = {"file": row["_file"], "block": row["_block"], "place": row["_place"]}
                rows += [
                    {**place, "part": part, "split": len(passages) > 1, "record": _as_json(passage)}
                    for part, passage in enumerate(passages)
                ]
            yield pa.RecordBatch.from_pylist(rows, schema)

    return each


def _json_lines(row: Mapping[str, Any]) -> Record | None:
    line, where = row["value"], _plain(row["_file"])
    return (parse_line(line, where), where) if line.strip() else None


def _parquet_rows(row: Mapping[str, Any]) -> Record:
    record = {name: value for name, value in row.items() if name not in _PLACE}
    return record, _plain(row["_file"])


def _texts_below(source: str) -> Callable[[Mapping[str, Any]], Record]:
    root = os.path.abspath(source) if os.path.isdir(source) else source.rstrip("/")

    def parse(row: Mapping[str, Any]) -> Record:
        path = _plain(row["path"])
        name = os.path.relpath(path, _plain(root))
        file = ReadFile(row["content"], row["modificationTime"].timestamp())
        try:
            documents = [d for d in converted(name, file, _MOST) if isinstance(d, Document)]
        except Unread as error:
            raise UnreadableFile(f"{path}: {error}; leave it out") from None
        return documents[0], path

    return parse


def _plain(path: str) -> str:
    return unquote(path).removeprefix("file://").removeprefix("file:")


def _as_json(passage: Passage) -> bytes:
    metadata_json(passage)
    return canonical_json(vars(passage))


def write_passages(
    stages: Stages, source: str, chunking: ChunkConfig | None, a_task: int
) -> list[Stats]:
    """Write the passages, about `a_task` a piece, and give the pieces' lengths.

    Documents are split in the tasks that read them; `split` of a piece says which passages are
    chunks that come of that.

    Raises:
        EmptyCorpus: there is none.
    """
    work = stages.work
    records = work.phase("records", lambda: read_records(work.spark, source, chunking))
    count = records.count()
    if not count:
        raise EmptyCorpus(f"{source}: no passages in it; give at least one")
    place = ("file", "block", "place", "part")
    ordered = records.repartitionByRange(math.ceil(count / a_task), *place)
    pieces = stages.pieces(PASSAGES)

    def write(number: int, table: pa.Table) -> Stats:
        passages = [Passage(**json.loads(line)) for line in table.column("record").to_pylist()]
        writer = ArrayCollector()
        PassageTable.of(passages).save_plain(writer, "s0.passages")
        was_split = table.column("split").to_numpy()
        return pieces.save(number, writer.arrays | {"split": was_split}, rows=len(passages))

    return stages.noted(PASSAGES, lambda: write_blocks(ordered.sortWithinPartitions(*place), write))


def load_passages(stages: Stages, number: int) -> list[Passage]:
    """The passages of a piece."""
    pieces = stages.pieces(PASSAGES)
    texts = {
        name: pieces.strings(number, f"s0.passages.{name}")
        for name in ("ids", "titles", "texts", "metadata", "documents")
    }
    table = PassageTable(
        **texts,
        positions=pieces.array(number, "s0.passages.positions"),
        digests=np.zeros((0, 32), np.uint8),
        text_digests=np.zeros(0, np.uint64),
    )
    return [table[row] for row in range(len(table))]
