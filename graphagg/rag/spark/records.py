"""Passages from any Hadoop path into blocks of consecutive rows, in the order of the input."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from graphagg.errors import EmptyCorpus, InvalidPassage, UnreadableFile
from graphagg.execution.arrays import MemoryArrays
from graphagg.execution.runner import Stats
from graphagg.execution.task_arrays import TaskArrays
from graphagg.rag.documents.passages import Passage, metadata_json
from graphagg.rag.documents.reading.kinds import DOCUMENTS
from graphagg.rag.documents.rows import RowConfig, parse_line
from graphagg.rag.indexing.state import BuildArrays
from graphagg.rag.models.chunking import ChunkConfig, Source, split
from graphagg.rag.tables.segments import PassageTable
from graphagg.spark.job import SparkJob
from graphagg.spark.sources import SparkInput, check_columns, frame_of, is_frame, quoted, seen_path
from graphagg.spark.tasks import write_blocks
from graphagg.store import ArtifactWriter, blocks
from graphagg.store.manifest import canonical_json
from graphagg.store.work import fingerprint

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_SCHEMA = "file string, block long, place long, part int, split boolean, record binary"
PASSAGES = "passages"
_TEXTS = "s0.passages.texts"
_PLACE = frozenset({"_file", "_block", "_place"})
Record = tuple[Source, str]
Parse = Callable[[Mapping[str, Any]], Record | None]
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class PassageInput(SparkInput):
    """The source of passages; `columns` maps columns of a table, or fields of an object."""

    columns: RowConfig

    @classmethod
    def from_source(cls, passages: Any, columns: RowConfig) -> PassageInput:
        """A DataFrame, one path or table, or several paths; documents raise `UnreadableFile`."""
        if is_frame(passages):
            return cls(passages, (), columns)
        paths = (passages,) if isinstance(passages, str | os.PathLike) else passages
        for source in map(os.fspath, paths := tuple(paths)):
            path = seen_path(source)
            if path is not None:
                files = path.rglob("*") if path.is_dir() else [path]
                refuse_documents(source, map(str, files))
        return cls(None, tuple(map(os.fspath, paths)), columns)

    def identity(self) -> list[Any]:
        """Values that change with the input, or with how it is read, as far as known."""
        fields = [] if self.columns == RowConfig() else [vars(self.columns)]
        if self.is_frame:
            return ["DataFrame", [], *fields]
        seen = [fingerprint(path) for path in self.paths]
        if len(seen) == 1:
            return [*seen[0], *fields]
        files = [of_path for _, of_path in seen]
        return [[path for path, _ in seen], files if all(files) else [], *fields]


def refuse_documents(source: str, files: Iterable[str]) -> None:
    """Raise `UnreadableFile` if some of `files` are documents, which Spark does not convert."""
    suffixes = Counter(PurePath(file).suffix.lower() for file in files)
    documents = [f"{suffixes[s]:,} {s}" for s in sorted(suffixes) if s in DOCUMENTS]
    if documents:
        raise UnreadableFile(
            f"{source}: holds documents ({', '.join(documents)}); Spark reads .jsonl and "
            '.parquet files of passages. Index documents with engine="local"'
        )


def read_records(
    spark: SparkSession, source: PassageInput, chunking: ChunkConfig | None = None
) -> DataFrame:
    """Every passage as JSON (`record`), with its place in the input.

    That is `file`, `block`, `place` and, where a document was `split`, which `part` of it.

    A DataFrame or table; JSONL (`.gz` is unpacked) or Parquet, on any path that Spark reads; globs
    and folders of JSONL or Parquet parts too. Folders such as `year=2024` become a column.

    Raises:
        UnreadableFile: the path or the table does not exist.
        InvalidPassage: a table has no ids or no texts.
    """
    from pyspark.errors import AnalysisException

    table = frame_of(spark, source.origin)
    try:
        placed, parse = _placed(spark, source) if table is None else _rows(table, source)
        _ = placed.schema  # Spark Connect looks for the path only when it is asked something
    except AnalysisException as error:
        raise UnreadableFile(f"{source}: {str(error).splitlines()[0]}") from None
    return placed.mapInArrow(_normalized(parse, chunking), _SCHEMA)


_OF_FILES = ("_metadata.file_path AS _file", "_metadata.file_block_start AS _block")
_NO_FILES = ("'' AS _file", "0L AS _block")
_IN_ORDER = "monotonically_increasing_id() AS _place"


def _rows(frame: DataFrame, source: PassageInput) -> tuple[DataFrame, Parse]:
    """The rows of a DataFrame, in its order."""
    source.columns.check(frame.columns, str(source))
    check_columns(frame, frame.columns, InvalidPassage)
    names = [quoted(name) for name in frame.columns]
    return frame.selectExpr(*names, *_NO_FILES, _IN_ORDER), _table_rows(source)


def _placed(spark: SparkSession, source: PassageInput) -> tuple[DataFrame, Parse]:
    """The rows or files of paths."""
    paths, kind = source.hadoop_paths, _kind_of(spark, source)
    parse: Parse
    if kind == "parquet":
        frame = spark.read.parquet(*paths)
        source.columns.check(frame.columns, str(source))
        columns, parse = [quoted(name) for name in frame.columns], _table_rows(source)
    else:
        frame = spark.read.text(paths)
        columns, parse = ["CAST(value AS BINARY) AS value"], _json_lines(source.columns)
    return frame.selectExpr(*columns, *_OF_FILES, _IN_ORDER), parse


def _kind_of(spark: SparkSession, source: PassageInput) -> str:
    """The kind of the files of paths, by their names; Spark lists a folder that is elsewhere."""
    paths = [path.rstrip("/").lower() for path in source.paths]
    if all(path.endswith(PARQUET) for path in paths):
        return "parquet"
    if all(".json" in path.rpartition("/")[2] for path in paths):
        return "lines"
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    listed = reader.load(source.hadoop_paths).select("path")
    files = [row.path for row in listed.limit(10_000).collect()]
    refuse_documents(str(source), files)
    return "parquet" if any(file.lower().endswith(PARQUET) for file in files) else "lines"


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
) -> list[Stats]:
    """Stage `passages`: write the passages in blocks of about `per_task` consecutive rows.

    Tasks split documents as they read them; array `split` of a block marks chunks. Returns the
    lengths of the arrays of each block; `rows` is the number of its passages. Raises `EmptyCorpus`.
    """
    records = job.phase("records", lambda: read_records(job.spark, source, chunking))
    count = records.count()
    if not count:
        raise EmptyCorpus(f"{source}: no passages in it; give at least one")
    order = ("file", "block", "place", "part")
    ordered = records.repartitionByRange(math.ceil(count / per_task), *order)
    stage = TaskArrays(job.blocks, PASSAGES)

    def write(partition: int, table: pa.Table) -> Stats:
        passages = [Passage(**json.loads(line)) for line in table.column("record").to_pylist()]
        writer = MemoryArrays()
        PassageTable.of(passages).save_plain(writer, "s0.passages")
        was_split = table.column("split").to_numpy()
        return stage.save(partition, writer.arrays | {"split": was_split}, rows=len(passages))

    ordered = ordered.sortWithinPartitions(*order)
    stats: list[Stats] = job.stage(PASSAGES, lambda: write_blocks(ordered, write))
    return stats


def load_passages(arrays: BuildArrays, block: int) -> list[Passage]:
    """The passages of a block."""
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
    return [table[row] for row in range(len(table))]


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
