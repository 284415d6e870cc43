"""Passages: the unit that is indexed and returned, and the readers that bring them in."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.errors import DuplicateId, EmptyCorpus, InvalidPassage, UnreadableFile
from graphagg.rag.documents.reading.folder import read_documents
from graphagg.rag.documents.reading.kinds import DOCUMENTS
from graphagg.rag.documents.rows import TABLES, RowConfig, read_rows
from graphagg.store.manifest import canonical_json

_DEEPEST = 64  # levels of metadata
_LAST_POSITION = 2**31 - 1
_FIELDS = frozenset({"id", "text", "title", "metadata", "document", "position"})


@dataclass(frozen=True)
class Passage:
    """A piece of text with a unique id.

    Attributes:
        id: unique in its corpus.
        text: what is searched and returned.
        title: optional; it is indexed in front of the text.
        metadata: any JSON values, returned with each hit.
        document: id of the document that it is a chunk of; "" if it is none.
        position: its place among the chunks of its document, from 0.
    """

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    document: str = ""
    position: int = 0

    @property
    def full_text(self) -> str:
        """The text that is embedded: the title, a new line, the text."""
        return f"{self.title}\n{self.text}" if self.title else self.text

    @property
    def parts(self) -> tuple[str, ...]:
        """The texts that are searched for entities: the title, if there is one, and the text."""
        return (self.title, self.text) if self.title else (self.text,)


def read_passages(
    path: str | os.PathLike[str], columns: RowConfig | None = None
) -> Iterator[Passage]:
    """Read passages from a file or folder, one at a time.

    Takes JSON lines (gzip is recognized by its magic bytes), a JSON list, CSV and Parquet with the
    fields `id`, `text` and optionally `title`, `metadata`, `document` and `position` (any other
    field becomes metadata; `columns` names others).
    A folder, or a file of another kind, is read by `read_documents`: a passage is a whole document,
    and what cannot be read is left out with a warning.

    Raises:
        UnreadableFile: the path is missing, not UTF-8 or not JSON.
        InvalidPassage: a field is missing or of the wrong type.
        EmptyCorpus: nothing in the folder can be read.
    """
    source, columns = Path(path), columns or RowConfig()
    if not source.exists():
        raise UnreadableFile(f"{source}: no such file or folder")
    if holds_documents(source):
        return (as_passage(d.record, str(source / d.id)) for d in read_documents(source))
    return _row_passages(source, columns)


def _row_passages(source: Path, columns: RowConfig) -> Iterator[Passage]:
    is_table = source.suffix.lower() in TABLES
    for row, where in read_rows(source, columns):
        if is_table:
            columns.check(row, where)
        yield as_passage(columns.record(row, where), where)


def holds_documents(source: Path) -> bool:
    """Whether a path holds documents, to be split into passages: a folder, or a file such as a PDF.

    Other files hold passages: JSON lines, Parquet, and what has no suffix that documents have.
    """
    suffix = source.suffix.lower()
    return source.is_dir() or suffix in DOCUMENTS


def as_passage(record: Mapping[str, Any], where: str) -> Passage:
    """Check one record; `where` names it in messages. Fields of other names become metadata."""
    identifier, text = _id(record.get("id")), record.get("text")
    if not isinstance(identifier, str) or not identifier:
        raise InvalidPassage(
            f"{where}: id is {_shown(identifier)}, wanted a string that is not empty, or an integer"
        )
    if not isinstance(text, str) or not text.strip():
        raise InvalidPassage(
            f"{where}: passage {identifier!r} has text {_shown(text)}, wanted a string with text"
        )
    title = _string(record, "title", where)
    document = _string({"document": _id(record.get("document"))}, "document", where)
    given = record.get("metadata")
    if given is not None and not isinstance(given, Mapping):
        raise InvalidPassage(f"{where}: metadata is {_shown(given)}, wanted an object")
    metadata = {key: value for key, value in record.items() if key not in _FIELDS}
    _check_unicode((identifier, title, text, document), where)
    plain = _plain(metadata | dict(given or {}), where)
    return Passage(identifier, text, title, plain, document, _position(record, where))


def _id(value: object) -> object:
    """An id as a string, where it is an integer of Python or numpy."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return str(int(value)) if whole else value  # type: ignore[call-overload]


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """Metadata as JSON has it: None for NaN, which says that there is nothing; dates as ISO text.

    What JSON has no form for stays, and is refused by `metadata_json`.
    """
    if depth > _DEEPEST:
        raise InvalidPassage(f"{where}: metadata is nested more than {_DEEPEST} deep; flatten it")
    if isinstance(value, Mapping):
        return {key: _plain(inside, where, depth + 1) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inside, where, depth + 1) for inside in value]
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist(), where, depth + 1)
    if isinstance(value, date):  # a datetime is one, and so is what pandas has for none
        return value.isoformat() if value == value else None
    if not isinstance(value, float) or math.isfinite(value):
        return value
    if math.isnan(value):
        return None
    raise InvalidPassage(f"{where}: metadata holds {value}, which JSON has not; leave it out")


def _string(record: Mapping[str, Any], name: str, where: str) -> str:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidPassage(f"{where}: {name} is {_shown(value)}, wanted a string")
    return value or ""


def _position(record: Mapping[str, Any], where: str) -> int:
    value = record.get("position")
    if value is None:
        return 0
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 0 <= value <= _LAST_POSITION:
        raise InvalidPassage(
            f"{where}: position is {_shown(value)}, wanted an integer from 0 to {_LAST_POSITION:,}"
        )
    return int(value)


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


def _check_unicode(strings: Iterable[str], where: str) -> None:
    try:
        for string in strings:
            string.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidPassage(
            f"{where}: character {error.start} is a lone surrogate, not Unicode text; remove it"
        ) from None


def check_corpus(passages: Iterable[Passage | Mapping[str, Any]]) -> list[Passage]:
    """Collect a corpus and check it as a whole.

    Raises:
        EmptyCorpus: there is no passage.
        InvalidPassage: a passage is unsound, or its metadata is no JSON.
        DuplicateId: two passages share an id.
    """
    corpus: list[Passage] = []
    seen: set[str] = set()
    for position, given in enumerate(iterable(passages)):
        where = f"passage {position}"
        passage = checked_passage(given, where)
        if passage.id in seen:
            raise DuplicateId(
                f"{where}: id {passage.id!r} was used before; ids must be unique in a corpus"
            )
        metadata_json(passage)
        seen.add(passage.id)
        corpus.append(passage)
    if not corpus:
        raise EmptyCorpus("the corpus holds no passages; give at least one")
    return corpus


def checked_passage(given: Passage | Mapping[str, Any], where: str) -> Passage:
    """Check one passage; `where` names it in messages. Raises `InvalidPassage`."""
    if not isinstance(given, Passage | Mapping):
        raise InvalidPassage(f"{where} is {_shown(given)}, wanted a Passage or a mapping")
    return as_passage(vars(given) if isinstance(given, Passage) else given, where)


def iterable(passages: Iterable[Any]) -> Iterable[Any]:
    """The passages as they are, of a data frame or an Arrow table its rows.

    Raises:
        InvalidPassage: it is no iterable, but one thing.
    """
    if hasattr(passages, "__arrow_c_stream__"):  # before asking for `__iter__`: that is of columns
        return _table_rows(passages)
    one = isinstance(passages, str | bytes | os.PathLike | Mapping)
    if one or not hasattr(passages, "__iter__"):
        raise InvalidPassage(
            f"the passages are a {type(passages).__name__}, wanted an iterable of them (a file is "
            "read by read_passages)"
        )
    return passages


def _table_rows(table: Any) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa

    try:
        for batch in pa.RecordBatchReader.from_stream(table):
            yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise InvalidPassage(f"the table of passages cannot be read ({error})") from None


def metadata_json(passage: Passage) -> str:
    """The metadata as canonical JSON; raises `InvalidPassage` for values that JSON cannot hold."""
    try:
        return canonical_json(passage.metadata).decode("utf-8")
    except (TypeError, ValueError) as error:
        raise InvalidPassage(
            f"passage {passage.id!r}: metadata is no JSON ({error}); use strings, numbers, lists"
        ) from None


def passage_digest(passage: Passage) -> bytes:
    """The sha256 over every field, and the place in a document if set."""
    fields = [passage.id, passage.title, passage.text, metadata_json(passage)]
    place = [passage.document, passage.position] if passage.document or passage.position else []
    return hashlib.sha256(canonical_json([*fields, *place])).digest()


def corpus_digest(digests: Iterable[bytes]) -> str:
    """Hex sha256 over the digests of passages, in order."""
    return hashlib.sha256(b"".join(digests)).hexdigest()
