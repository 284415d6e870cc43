"""Read rows of tables as passages: names of columns, and files with such rows."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphagg.errors import InvalidPassage, UnreadableFile
from graphagg.rag.documents.reading.content import Unread
from graphagg.tables import parquet_batches

Row = tuple[Mapping[str, Any], str]
"""A row, by column, and its place for messages, such as `file:line`."""
_GZIP_MAGIC = b"\x1f\x8b"
_KEPT = ("document", "position")  # fields of a passage that keep their names
_WHEN = "when"
# Functions import the modules that load numpy, since a sync without changes does not need it.


@dataclass(frozen=True)
class RowConfig:
    """The columns of a table, or fields of an object, with the id, text and title of a passage.

    All other columns become metadata.

    Attributes:
        id_column: column with the ids; integers become strings.
        text_column: column with the texts.
        title_column: column with the titles; the column may be missing.
        when_column: column with the dates; the column may be missing.

    Examples:
        >>> RowConfig(text_column="body").record({"id": 7, "body": "Hello.", "year": 1900}, "row 0")
        {'id': 7, 'text': 'Hello.', 'title': None, 'metadata': {'year': 1900}}
    """

    id_column: str = "id"
    text_column: str = "text"
    title_column: str = "title"
    when_column: str = _WHEN

    @property
    def names(self) -> list[str]:
        """The columns of id, text, title and date."""
        return [self.id_column, self.text_column, self.title_column, self.when_column]

    def check(self, names: Collection[str], where: str) -> None:
        """Raise `InvalidPassage` if the column of ids or of texts is missing."""
        missing = {self.id_column, self.text_column} - set(names)
        if missing:
            raise InvalidPassage(
                f"{where}: the columns {sorted(names)} lack {sorted(missing)}; name them with "
                "`id_column`, `text_column` and `title_column`"
            )

    def record(
        self, row: Mapping[str, Any], where: str, source: Path | None = None
    ) -> Mapping[str, Any]:
        """Convert a row, perhaps of a table file, to the fields of a passage; see `as_passage`.

        Raises:
            InvalidPassage: the column of ids or texts is missing.
        """
        if self != PLAIN or (source is not None and source.suffix.lower() in TABLES):
            self.check(row, where)
        if self == PLAIN:
            return row
        fields = {"id": self.id_column, "text": self.text_column, "title": self.title_column}
        used = {*fields.values(), *_KEPT, "metadata"}
        metadata = {name: value for name, value in row.items() if name not in used}
        if isinstance(row.get("metadata"), Mapping):
            metadata |= row["metadata"]
        if self.when_column != _WHEN:
            from graphagg.rag.documents.dates import iso_date

            if when := iso_date(metadata.get(self.when_column)):
                metadata[_WHEN] = when
        record = {name: row.get(column) for name, column in fields.items()}
        record |= {name: row[name] for name in _KEPT if name in row}
        return record | {"metadata": metadata}


PLAIN = RowConfig()

TABLES = (".csv", ".tsv", ".parquet", ".pq")
"""Suffixes of files whose rows all have the same columns."""


def read_rows(path: Path, columns: RowConfig = PLAIN) -> Iterator[Row]:
    """Read the rows of a file: JSON lines (also gzip), a JSON list, CSV, TSV or Parquet.

    Ids, texts and titles in CSV are read as strings: 007 does not become 7. Raises
    `UnreadableFile` if the file is missing or its content does not match its suffix.
    """
    from graphagg.rag.documents.reading.converters.tables import csv_records, json_records

    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        names = (columns.id_column, columns.text_column, columns.title_column, "document")
        return _records(path, lambda text: csv_records(text, names))
    if suffix == ".json":
        return _records(path, json_records)
    return _read_parquet(path) if suffix in (".parquet", ".pq") else read_json_lines(path)


def _records(path: Path, parse: Any) -> Iterator[Row]:
    from graphagg.rag.documents.reading.converters.text import decode

    try:
        records: Iterable[Mapping[str, Any]] | None = parse(decode(path.read_bytes()).text)
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or error}; check the path") from None
    except Unread as fault:
        raise UnreadableFile(f"{path}: {fault}") from None
    if records is None:
        raise UnreadableFile(f"{path}: not a JSON list of objects; expected [{{...}}, ...]")
    return ((record, f"{path}: row {row}") for row, record in enumerate(records))


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        batches = parquet_batches(pq.ParquetFile(path), 1024)
        for row, record in enumerate(row for batch in batches for row in batch.to_pylist()):
            yield record, f"{path}: row {row}"
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile(f"{path}: not a readable Parquet file ({error})") from None


def read_json_lines(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Read a JSONL file, plain or gzip: each object with `file:line`; raises `UnreadableFile`."""
    line_number = 0
    try:
        with path.open("rb") as plain:
            is_gzip = plain.read(2) == _GZIP_MAGIC
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            for line_number, line in enumerate(file, start=1):
                if line.strip():
                    yield parse_line(line, f"{path}:{line_number}"), f"{path}:{line_number}"
    except (OSError, EOFError, zlib.error) as error:
        where = f"{path}:{line_number}" if line_number else str(path)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UnreadableFile(f"{where}: {reason}; check the path and the file") from None


def parse_line(line: bytes, where: str) -> dict[str, Any]:
    """Parse the JSON object of a line; raise `UnreadableFile` for anything else."""
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"{where}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"{where}: invalid JSON ({error})") from None
    if not isinstance(record, dict):
        raise UnreadableFile(f"{where}: a JSON {type(record).__name__}, expected an object")
    return record
