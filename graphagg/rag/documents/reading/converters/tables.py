"""Convert rows of CSV, JSON lists and JSON lines to documents.

The text of a row is its column `text`, else lines `column: value`; HTML is converted to text. Its
title is `title`, else the first of `subject`, `summary`, `headline` and `name`. Its id within the
file is `id`. The other columns become metadata. The columns of a Jira issue are its `fields`.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO, StringIO
from itertools import chain
from operator import itemgetter
from typing import Any

from graphagg.rag.documents.reading.content import Content, Unread
from graphagg.rag.documents.reading.converters.chats import chat_of_json
from graphagg.rag.documents.reading.converters.layout import LONGEST_NAME, are_names, filled
from graphagg.rag.documents.reading.converters.structure import without_tags

_DELIMITERS = ",;\t|"
SENTENCE = re.compile(r"(?:\S*[^\W\d_]\S* ){3}\S")  # four words
_OBJECTS = re.compile(r"\s*\{[^\n]*\}\s*\n\s*\{")  # two, one per line
_FIELDS = frozenset(("id", "text", "title", "metadata"))
_TITLES = ("subject", "summary", "headline", "name")  # columns with the title of a row
_LONGEST_TITLE = 200
_MOST_ABOVE = 20  # rows above the column names
_MOST_COLUMNS = 1_000  # columns of metadata; a wider row has none
_BLOCKS = frozenset("blockquote codeBlock heading listItem paragraph panel tableRow".split())
_DEEPEST = 8  # levels of nested values that become columns
_DEEPEST_NODE = 64


def csv_rows(text: str) -> Iterator[Content | Unread]:
    """Convert the rows of a CSV file; see `csv_records`.

    The first line above the column names is the title of the rows. Sentences above them, and lines
    with an unusual number of cells, become the last row; other lines above are reported.
    """
    delimiter = _delimiter(text)
    start, head = _head(text, delimiter)
    *above, table = text.split("\n", start)
    cells = [[*filter(None, map(str.strip, line.split(delimiter)))] for line in above]
    title, *rest = [*(" ".join(row) for row in cells if row), ""]
    notes = [row[0] for row in cells if len(row) == 1 and SENTENCE.search(row[0])]
    if labels := [line for line in rest if line and line not in notes]:
        yield Unread("lines above a table", "; ".join(labels), "above")
    names = None if are_names(head) else [""] * len(head)  # a table without column names

    def records() -> Iterator[Mapping[str, Any]]:
        yield from csv_records(table, names=names, skipped=notes)
        if notes:
            yield {"text": "\n".join(notes)}

    for row in _rows((record, "") for record in records()):
        if isinstance(row, Content) and not row.title and len(title) <= _LONGEST_TITLE:
            row = replace(row, title=title)
        yield row


def _head(text: str, delimiter: str) -> tuple[int, list[str]]:
    """Find the column names, else the first row; return the number of lines above, and the row.

    A table row has as many cells as most rows; the names fill as many cells as most table rows.
    """
    reader, number = csv.reader(StringIO(text[: 2**16], newline=""), delimiter=delimiter), 0
    rows: list[tuple[int, list[str]]] = []
    for row in reader:
        rows.append((number, [*map(str.strip, row)]))
        number = reader.line_num
    lengths = Counter(len(row) for _, row in rows)
    width = max(lengths, key=lambda length: length * lengths[length], default=0)
    whole = [(at, row) for at, row in rows if len(row) == width and filled(row) >= min(width, 2)]
    usual = max(Counter(filled(row) for _, row in whole).items(), key=itemgetter(1), default=(0, 0))
    heads = ((at, row) for at, row in whole[:_MOST_ABOVE] if filled(row) >= usual[0])
    named = [(at, row) for at, row in heads if are_names(row)]
    if named[1:] and named[0][0] and sum(map(str.isdigit, named[0][1])) == 1:
        del named[0]  # "Exported by;Ann;2025" below a title, above names
    return next(chain(named, whole), (0, []))


def _delimiter(text: str) -> str:
    """Return the delimiter with the most cells in rows of equal length at the head of a text."""

    def cells_alike(delimiter: str) -> int:
        rows = csv.reader(StringIO(text[: 2**16], newline=""), delimiter=delimiter)
        lengths = Counter(map(len, rows))
        return max((length * n for length, n in lengths.items() if length > 1), default=0)

    return max(_DELIMITERS, key=cells_alike)


def csv_records(
    text: str,
    strings: Iterable[str] = (),
    names: Sequence[str] | None = None,
    skipped: list[str] | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Read a CSV table whose first line names the columns; each column has one type.

    Recognizes comma, semicolon, tab and bar as delimiters. Columns with the same name, such as the
    comments of a ticket, get numbers: `Comment`, `Comment (2)`. Columns in `strings` are read as
    strings. If `names` are given, the table has no header line. Lines with another number of cells
    are appended to `skipped`; if that is None, they raise `Unread`.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    def skip(row: Any) -> str:
        if skipped is not None:
            skipped.append(row.text)
        return "error" if skipped is None else "skip"

    read = arrow.ReadOptions(
        column_names=[*map(str, range(len(names)))] if names else None, use_threads=False
    )
    parse = arrow.ParseOptions(
        delimiter=_delimiter(text), newlines_in_values=True, invalid_row_handler=skip
    )
    types = {name: pa.string() for name in strings}
    convert = arrow.ConvertOptions(strings_can_be_null=True, column_types=types)
    try:
        table = arrow.read_csv(BytesIO(text.encode()), read, parse, convert)
    except pa.ArrowException as error:
        raise Unread("broken", f"not a CSV table ({error}); correct it") from None
    table = table.rename_columns(list(_distinct(names or table.column_names)))
    return (row for batch in table.to_batches(1024) for row in batch.to_pylist())


def _distinct(names: Iterable[str]) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for position, name in enumerate(names, start=1):
        yield _unused(name.strip()[:LONGEST_NAME] or f"column {position}", counts)


def _unused(name: str, counts: Counter[str]) -> str:
    """Return a name, with a number appended if it is in use."""
    unique = name
    while counts[unique]:
        counts[name] += 1
        unique = f"{name} ({counts[name]})"
    counts[unique] += 1
    return unique


def json_document(text: str) -> Iterator[Content | Unread]:
    """Convert a JSON list of objects, also under a key, to rows; convert chats; keep other JSON.

    Scalars beside that key become the last row if one is a sentence; otherwise texts are reported.
    """
    if _OBJECTS.match(text):
        return json_lines(text)
    value = _json(text)
    if chat := chat_of_json(value):
        return iter([chat])
    records = _records(value)
    if records is None and isinstance(value, dict):
        rest = {key: each for key, each in value.items() if not isinstance(each, list | dict)}
        lists = [_records(value[key]) for key in value.keys() - rest]
        if not {"issues", "tickets"}.isdisjoint(value):  # a list of users may be beside them
            pages = map(value.get, ("issues", "tickets", "users"))
            lists = [[row for page in pages for row in _records(page) or ()]]
        records = lists[0] if len(lists) == 1 else None
        if records and any(SENTENCE.search(str(each)) for each in rest.values()):
            records = [*records, rest]
        elif records and any(map(_is_said, rest.values())):
            fault = Unread("values beside rows", _lines(rest, "; "), "beside")
            return chain(_rows((row, "") for row in records), [fault])
    if records is None:
        return iter([Content(_as_text(value))])
    return _rows((row, "") for row in records)


def _is_said(value: object) -> bool:
    """Return whether a value beside rows is a text; numbers, addresses and null are not."""
    is_text = isinstance(value, str) and any(map(str.isalpha, value))
    return is_text and not str(value).startswith(("http://", "https://"))


def json_records(text: str) -> list[Mapping[str, Any]] | None:
    """Read a JSON list of objects, or the one value of an object; None for any other JSON."""
    return _records(_json(text))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unread("broken", f"not JSON ({error}); correct it") from None


def _records(value: Any) -> list[Mapping[str, Any]] | None:
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    is_list = isinstance(value, list) and value and all(isinstance(row, dict) for row in value)
    return value if is_list else None


def json_lines(text: str) -> Iterator[Content | Unread]:
    """Convert a file of JSON objects, one per line."""
    return _rows(_objects(text))


def _objects(text: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    for line in filter(str.strip, text.split("\n")):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield {}, f"not JSON ({error})"
            continue
        is_row = isinstance(record, dict)
        yield (record, "") if is_row else ({}, f"a {type(record).__name__}, expected an object")


def _rows(records: Iterable[tuple[Mapping[str, Any], str]]) -> Iterator[Content | Unread]:
    """Convert rows to documents, or to errors if they cannot be read; rows count from 1."""
    digests: dict[str, set[int]] = {}
    names: Counter[str] = Counter()
    for position, (record, fault) in enumerate(records, start=1):
        if isinstance(record.get("fields"), Mapping) and "key" in record:  # an issue of Jira
            record = {"id": record["key"], **record["fields"]}
        folded = {name.lower(): value for name, value in reversed(list(record.items()))}
        row = _name(folded.get("id"), position)
        if fault:
            yield Unread("rows that cannot be read", fault, row)
            continue
        content = _content(record, folded, row)
        digest = hash((content.title, content.text))
        if not content.text.strip():
            yield Unread("rows without text", "no text", row)
        elif digest in digests.setdefault(row, set()):
            yield Unread("rows that occur twice", f"equal to a row {row!r} above", row)
        else:
            digests[row].add(digest)
            yield replace(content, row=_unused(row, names))


def _name(identifier: object, position: int) -> str:
    """Name a row: its id if it is an integer or a string that can end a path, else its position."""
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        return str(identifier)
    usable = isinstance(identifier, str) and identifier.strip() and "\n" not in identifier
    return str(identifier) if usable else str(position)


def _content(record: Mapping[str, Any], folded: Mapping[str, Any], row: str) -> Content:
    """Build the document of a row; `folded` has lower-case names, and the first of equal ones."""
    text, title, nested = (folded.get(name) for name in ("text", "title", "metadata"))
    is_whole = isinstance(text, str) and bool(text.strip())
    columns = dict(record) if is_whole else dict(_flat(record))
    metadata = {name: value for name, value in columns.items() if name.lower() not in _FIELDS}
    metadata |= nested if isinstance(nested, Mapping) else {}
    if len(metadata) > _MOST_COLUMNS:  # each chunk of the text would repeat them
        metadata = {}
    if not is_whole:
        others = (each for each in map(folded.get, _TITLES) if isinstance(each, str) and each)
        short = (each for each in others if len(each) <= _LONGEST_TITLE and "\n" not in each)
        title = title or next(short, None)
    text = without_tags(str(text)) if is_whole else _lines(columns, "\n")
    return Content(text, "" if title is None else str(title), metadata, row=row)


def _flat(record: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    """Yield the columns of a row; nested ones have names such as `requester.name`."""
    for key, value in record.items():
        prefix = prefix if len(prefix) <= LONGEST_NAME else ""
        if isinstance(value, Mapping) and value.get("type") == "doc":  # Jira's document format
            yield prefix + str(key), re.sub(r"\n{3,}", "\n\n", "".join(_pieces(value))).strip()
        elif isinstance(value, Mapping) and depth < _DEEPEST:
            yield from _flat(value, f"{prefix}{key}.", depth + 1)
        else:
            yield prefix + str(key), value


def _lines(columns: Mapping[str, Any], separator: str) -> str:
    """Format columns as `name: value`; HTML in a value becomes text with its paragraphs."""
    values = ((key, without_tags(_as_text(value))) for key, value in columns.items())
    return separator.join(f"{key}: {text}" for key, text in values if text.strip())


def _as_text(value: object, separator: str = "\n") -> str:
    if isinstance(value, Mapping):
        return _lines(dict(_flat(value)), separator)
    if isinstance(value, list):
        is_plain = not any(isinstance(each, list | dict) for each in value)
        return (", " if is_plain else "\n").join(_as_text(each, "; ") for each in value)
    return "" if value is None else str(value)


def _pieces(node: Mapping[str, Any], depth: int = 1) -> Iterator[str]:
    """Yield the texts of a node in Jira's document format, with a blank line after each block."""
    attributes, inside = node.get("attrs"), node.get("content")
    text = node.get("text") or (isinstance(attributes, Mapping) and attributes.get("text")) or ""
    yield "\n" if node.get("type") == "hardBreak" else str(text)
    for each in inside if isinstance(inside, list) else ():
        is_node = isinstance(each, Mapping) and depth < _DEEPEST_NODE
        yield from _pieces(each, depth + 1) if is_node else [str(each)]
    yield "\n\n" * (node.get("type") in _BLOCKS)
