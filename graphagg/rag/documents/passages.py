"""Read and check passages, the units that are indexed and returned."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any

from graphagg.checks import integer, shown
from graphagg.errors import InvalidParameter, InvalidPassage, UnreadableFile
from graphagg.fields import Brief
from graphagg.rag.documents.languages import AUTO, OTHER, language_of_text
from graphagg.rag.documents.reading.document import plain_value
from graphagg.rag.documents.rows import RowConfig, read_rows
from graphagg.rag.documents.tokens import prose, word_spans
from graphagg.store.manifest import canonical_json

SAMPLE = 200  # documents from which the language of a corpus is recognized
_FEWEST = 5  # minimum number of documents to recognize a language
_NOT_PROSE = frozenset(".csv .tsv .json .jsonl .ndjson .xlsx .xls .ods".split())
_LAST_POSITION = 2**31 - 1
TRAIL = " > "
"""Separator between the title of a document and the headings above a chunk of it."""
_FIELDS = frozenset({"id", "text", "title", "metadata", "document", "position"})


@dataclass(frozen=True, repr=False)
class Passage(Brief):
    r"""A piece of text with a unique id.

    Attributes:
        id: unique in its corpus.
        text: the text that is searched and returned.
        title: optional; it is indexed in front of the text.
        metadata: any JSON values, returned with each hit.
        document: id of the document that this passage is a chunk of; "" for a whole document.
        position: index among the chunks of the document, from 0.

    Examples:
        >>> Passage("p1", "She was born in Warsaw.", title="Marie Curie").full_text
        'Marie Curie\nShe was born in Warsaw.'
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

    def in_full_text(self, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Convert spans in the text to spans in the full text."""
        shift = len(self.full_text) - len(self.text)
        return [(start + shift, end + shift) for start, end in spans] if shift else spans

    def word_spans(self, begin: int = 0, end: int | None = None) -> list[tuple[int, int]]:
        """Return the spans of the tokens of title and text; text after token `end` is not read."""
        titled = word_spans(self.title)
        first, last = (None if n is None else max(n - len(titled), 0) for n in (begin, end))
        return titled[begin:end] + self.in_full_text(word_spans(self.text, first or 0, last))

    @property
    def parts(self) -> tuple[str, ...]:
        """The texts that are searched for entities: the title, if there is one, and the text."""
        return (self.title, self.text) if self.title else (self.text,)


def trail(title: str, headings: Iterable[str]) -> str:
    """Join a document's title and the headings above a chunk of it, without duplicates.

    Examples:
        >>> trail("Travel policy", ["Travel policy", "Trains"])
        'Travel policy > Trains'
    """
    return TRAIL.join(dict.fromkeys(filter(None, (title, *headings))))


def read_passages(
    path: str | os.PathLike[str], columns: RowConfig | None = None
) -> Iterator[Passage]:
    r"""Read passages from a file or folder, one at a time.

    Reads JSON lines (also gzip), a JSON list, CSV and Parquet with the fields `id`, `text` and
    optionally `title`, `metadata`, `document` and `position`; any other field becomes metadata.
    `read_documents` reads a folder, or a file of another type, with one passage per document.

    Args:
        path: a file or folder.
        columns: names of the fields `id`, `text` and `title`, if they differ.

    Raises:
        UnreadableFile: the path is missing, not UTF-8 or not JSON.
        InvalidPassage: a field is missing or of the wrong type.
        EmptyCorpus: nothing in the folder can be read.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "facts.csv"
        >>> _ = path.write_text("id,text,year\n7,Warsaw is in Poland.,1900\n")
        >>> next(read_passages(path))
        Passage(id='7', text='Warsaw is in Poland.', title='', metadata={'year': 1900}, ...)
    """
    columns, source = columns or RowConfig(), Path(path)
    if not source.exists():
        raise UnreadableFile(f"{source}: no such file or folder")
    if holds_documents(source):
        from graphagg.rag.documents.reading.folder import read_documents

        return (as_passage(d.record, str(source / d.id)) for d in read_documents(source))
    rows = read_rows(source, columns)
    return (as_passage(columns.record(row, where, source), where) for row, where in rows)


def holds_documents(source: Path) -> bool:
    """Return whether a path has documents (a folder, a PDF), not passages (JSON lines, tables)."""
    from graphagg.rag.documents.reading.kinds import DOCUMENTS  # retrieval does not need it

    return source.is_dir() or source.suffix.lower() in DOCUMENTS


def as_passage(record: Mapping[str, Any], where: str) -> Passage:
    """Check one record; `where` names it in messages. Unknown fields become metadata."""
    identifier, text = _id(record.get("id")), record.get("text")
    if not isinstance(identifier, str) or not identifier:
        raise InvalidPassage(
            f"{where}: id is {_shown(identifier)}, expected a non-empty string or an integer"
        )
    if not isinstance(text, str) or not text.strip():
        raise InvalidPassage(
            f"{where}: passage {identifier!r} has text {_shown(text)}, expected a string with text"
        )
    title = _string(record, "title", where)
    document = _string({"document": _id(record.get("document"))}, "document", where)
    metadata = record.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        raise InvalidPassage(f"{where}: metadata is {_shown(metadata)}, expected an object")
    others = {key: value for key, value in record.items() if key not in _FIELDS}
    position = record.get("position")
    try:
        position = 0 if position is None else integer("position", position, 0, _LAST_POSITION)
        "".join((identifier, title, text, document)).encode()
        plain = plain_value(others | dict(metadata or {}))
    except UnicodeEncodeError:
        raise InvalidPassage(f"{where}: {identifier!r} has a lone surrogate; remove it") from None
    except InvalidParameter as error:
        raise InvalidPassage(f"{where}: {error}") from None
    except ValueError as error:
        raise InvalidPassage(f"{where}: metadata of passage {identifier!r} is {error}") from None
    return Passage(identifier, text, title, plain, document, position)


def _id(value: object) -> object:
    """Convert an integer of Python or numpy to a string."""
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    return str(int(value)) if is_integer else value  # type: ignore[call-overload]


def _string(record: Mapping[str, Any], name: str, where: str) -> str:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidPassage(f"{where}: {name} is {_shown(value)}, expected a string")
    return value or ""


def _shown(value: object) -> str:
    return "missing" if value is None else f"{type(value).__name__} {shown(value)}"


def checked_passage(record: Passage | Mapping[str, Any], where: str) -> Passage:
    """Check one passage; `where` names it in messages. Raises `InvalidPassage`."""
    if not isinstance(record, Passage | Mapping):
        raise InvalidPassage(f"{where} is {_shown(record)}, expected a Passage or a mapping")
    return as_passage(vars(record) if isinstance(record, Passage) else record, where)


def iterable(passages: Iterable[Any]) -> Iterable[Any]:
    """Iterate over passages, or over the rows of a data frame or an Arrow table."""
    if hasattr(passages, "__arrow_c_stream__"):  # first, since iterating a table yields columns
        return _table_rows(passages)
    is_single = isinstance(passages, str | bytes | os.PathLike | Mapping)
    if is_single or not hasattr(passages, "__iter__"):
        raise InvalidPassage(
            f"the passages are a {type(passages).__name__}, expected an iterable of passages "
            "(read a file with read_passages)"
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
    """Write metadata as canonical JSON; raise `InvalidPassage` for values that JSON cannot hold."""
    try:
        return canonical_json(passage.metadata).decode("utf-8")
    except (TypeError, ValueError) as error:
        raise InvalidPassage(
            f"passage {passage.id!r}: metadata is not JSON ({error}); use strings, numbers and "
            "lists"
        ) from None


def passage_digest(passage: Passage) -> bytes:
    """Return the sha256 of all fields; document and position count only if one is set."""
    fields: list[Any] = [passage.id, passage.title, passage.text, metadata_json(passage)]
    if passage.document or passage.position:
        fields += [passage.document, passage.position]
    return hashlib.sha256(canonical_json(fields)).digest()


def corpus_digest(digests: Iterable[bytes]) -> str:
    """Return the hex sha256 of the digests of passages, in order."""
    return hashlib.sha256(b"".join(digests)).hexdigest()


def language_of_corpus(corpus: Sequence[Passage]) -> str | None:
    """Choose the language in which to index a corpus, by the prose of 200 of its documents.

    Returns the code of the most frequent language; `auto` if fewer than nine of ten documents are
    in it and two languages have a tenth each, or if most are in languages without stems; None for
    English and for fewer than 5 documents. Each document counts once, by its first sampled passage;
    code and tables do not count. In every kind of corpus that was tried, fewer than 1.5 % of
    English passages are recognized as another language; so a tenth in another language is not a
    recognition error.
    """
    sample: dict[str, str] = {}
    for passage in corpus[:: max(1, len(corpus) // (4 * SAMPLE))]:
        text = "\n".join(passage.text[start:end] for start, end in prose(passage.text))
        if text and passage.metadata.get("suffix") not in _NOT_PROSE:
            sample.setdefault(passage.document or passage.id, f"{passage.title}\n{text}".lstrip())
    texts = list(sample.values())
    texts = texts[:: max(1, len(texts) // SAMPLE)]
    if len(texts) < _FEWEST:
        return None
    counts = Counter(language_of_text(text) for text in texts)
    ((most, count),) = counts.most_common(1)
    language = {"en": None, OTHER: AUTO}.get(most, most)
    if count < 0.9 * len(texts):
        several = sum(count >= 0.1 * len(texts) for count in counts.values()) > 1
        language = AUTO if several else language
        shares = ", ".join(f"{code or 'other'} {n}" for code, n in counts.most_common(5))
        warnings.warn(
            f"the documents are in several languages ({shares}): using {language or 'en'}; "
            "set `language` to change it",
            stacklevel=2,
        )
    return language
