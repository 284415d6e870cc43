"""The metadata of a segment's passages as typed, memory-mapped columns.

A key's type is what all its values in the segment have in common:

| type | values |
| --- | --- |
| `string` | strings |
| `date` | strings, every one an ISO 8601 date or date and time (`parse_instant`) |
| `number` | numbers; floats as float64, integers of up to 100 bits exactly |
| `boolean` | true, false |
| `list of strings`, `list of numbers` | lists of one kind, `[]` among them |
| `empty list` | only `[]` |
| `mixed` | anything else: objects, kinds that differ, null in a list; its values are not kept |

null and NaN count as absent, so a key without any other value is not in the schema.

Every column is dictionary-encoded: its distinct values ascending, and an int32 code for each entry.
A condition is decided once for each distinct value and then looked up for each entry. Rows that
lack the key take no space, so a table is linear in the values there are. All columns share these
files, however many keys there are:

    NAME.json              keys, types and each column's place in the arrays
    NAME.rows              int32, the rows that have the key; nothing if all do
    NAME.indptr            int64, where each row's list begins and ends in the codes
    NAME.codes             int32, positions in the dictionary
    NAME.numbers           float64, a dictionary of numbers
    NAME.remainders        int64, what to add to them; nothing if no integer needs it
    NAME.instants          int64, microseconds since 1970 in UTC of a dictionary of dates
    NAME.texts             string table, a dictionary of strings in the order of their UTF-8 bytes
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from graphagg.errors import CorruptArtifact, InvalidPassage
from graphagg.store import Artifact, ArtifactWriter
from graphagg.store.manifest import canonical_json
from graphagg.store.strings import StringTable

ValueType = Literal[
    "string",
    "number",
    "boolean",
    "date",
    "list of strings",
    "list of numbers",
    "empty list",
    "mixed",
]
Mask = npt.NDArray[np.bool_]

_POOLS: dict[str, type[np.generic]] = {
    "rows": np.int32,
    "indptr": np.int64,
    "codes": np.int32,
    "numbers": np.float64,
    "remainders": np.int64,
    "instants": np.int64,
}
_INTEGER_BITS = 100
"""With float64's 53 bits as the first part, the remainder then fits an int64 with room to spare."""

# --- types -------------------------------------------------------------------------------------

_JOINS: dict[frozenset[ValueType], ValueType] = {
    frozenset(("date", "string")): "string",
    frozenset(("empty list", "list of strings")): "list of strings",
    frozenset(("empty list", "list of numbers")): "list of numbers",
}


def join_types(a: ValueType, b: ValueType) -> ValueType:
    """The type of a key that is `a` here and `b` there."""
    return a if a == b else _JOINS.get(frozenset((a, b)), "mixed")


def merge_schemas(schemas: Iterable[Mapping[str, ValueType]]) -> dict[str, ValueType]:
    """One schema for all segments, keys ascending; it is that of one table of all their rows."""
    merged: dict[str, ValueType] = {}
    for schema in schemas:
        for key, kind in schema.items():
            merged[key] = join_types(merged.get(key, kind), kind)
    return dict(sorted(merged.items()))


def _kind(value: object) -> ValueType | None:
    """The type of one value, None where it counts as absent; a date is a string here."""
    if value is None:
        return None
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "number" if value.bit_length() <= _INTEGER_BITS else "mixed"
    if isinstance(value, float):
        return "number" if value == value else None
    return _list_kind(value) if isinstance(value, list | tuple) else "mixed"


def _list_kind(elements: Sequence[object]) -> ValueType:
    kinds = {_kind(element) for element in elements}
    if not kinds:
        return "empty list"
    if kinds == {"string"}:
        return "list of strings"
    return "list of numbers" if kinds == {"number"} else "mixed"


# --- dates -------------------------------------------------------------------------------------

_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_instant(text: str) -> int | None:
    """Microseconds since 1970 in UTC of an ISO 8601 date, or date and time; None if it is neither.

    Takes `YYYY-MM-DD`, then optionally `T` or a blank and `hh:mm[:ss[.fraction]]` with or without
    `Z` or `+hh[[:]mm]`. A date is the instant at which it begins; what names no offset is UTC;
    digits finer than a microsecond are cut.
    """
    if not _DATE.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # no such day, minute or offset
        return None
    utc = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (utc - _EPOCH) // timedelta(microseconds=1)


def _instants(texts: Sequence[str]) -> npt.NDArray[np.int64] | None:
    """The instant of each text, `[n]`; None at the first that is no date."""
    found: list[int] = []
    for text in texts:
        instant = parse_instant(text)
        if instant is None:
            return None
        found.append(instant)
    return np.array(found, dtype=np.int64)


# --- columns -----------------------------------------------------------------------------------


class NumberTable:
    """Numbers as float64 and, for integers that it rounds, what to add.

    Args:
        values: `[n]` float64.
        remainders: `[n]` int64; number i is `values[i] + remainders[i]`, exactly. None: all 0.
    """

    def __init__(
        self, values: npt.NDArray[np.float64], remainders: npt.NDArray[np.int64] | None
    ) -> None:
        self.values = values
        self.remainders = remainders

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, i: int) -> float:
        value = float(self.values[i])
        remainder = 0 if self.remainders is None else int(self.remainders[i])
        return int(value) + remainder if remainder else value


@dataclass(frozen=True)
class Column:
    """The values of one key.

    Attributes:
        type: what they are; of a `mixed` key nothing is kept.
        rows: `[m]` int32, the rows that have the key, ascending. None: every row.
        codes: `[e]` int32, positions in the dictionary; of booleans, 0 and 1.
        indptr: `[m + 1]` int64; row `rows[i]` holds `codes[indptr[i]:indptr[i + 1]]`. None: `e`
            is `m` and entry i belongs to row `rows[i]`.
        numbers: `[d]` float64, see `NumberTable`. None unless the values are numbers.
        remainders: `[d]` int64, see `NumberTable`.
        texts: `[d]` the distinct strings, ascending. None unless the values are strings.
        instants: `[d]` int64, see `parse_instant`. None unless the type is `date`.
    """

    type: ValueType
    rows: npt.NDArray[np.int32] | None
    codes: npt.NDArray[np.int32]
    indptr: npt.NDArray[np.int64] | None = None
    numbers: npt.NDArray[np.float64] | None = None
    remainders: npt.NDArray[np.int64] | None = None
    texts: StringTable | None = None
    instants: npt.NDArray[np.int64] | None = None

    @property
    def dictionary(self) -> StringTable | NumberTable | tuple[()]:
        """The distinct strings by code points, or numbers by value, ascending; else nothing."""
        if self.numbers is not None:
            return NumberTable(self.numbers, self.remainders)
        return () if self.texts is None else self.texts


class _Draft:
    """What the rows say of one key, while they are read."""

    def __init__(self) -> None:
        self.type: ValueType | None = None
        self.rows: list[int] = []
        self.values: list[Any] = []

    def add(self, row: int, value: object, kind: ValueType) -> None:
        self.type = kind if self.type is None else join_types(self.type, kind)
        if self.type == "mixed":
            self.rows, self.values = [], []
        else:
            self.rows.append(row)
            self.values.append(value)

    def column(self, rows: int) -> Column:
        """Encode; O(e + d log d) for `e` entries with `d` distinct values."""
        assert self.type is not None, "a draft begins with a value"
        entries, indptr = self.values, None
        if self.values and isinstance(self.values[0], list | tuple):
            indptr = np.zeros(len(self.values) + 1, dtype=np.int64)
            np.cumsum([len(value) for value in self.values], out=indptr[1:])
            entries = [element for value in self.values for element in value]
        distinct: list[Any] = [False, True] if self.type == "boolean" else sorted(set(entries))
        position = {value: code for code, value in enumerate(distinct)}
        codes = np.fromiter((position[value] for value in entries), np.int32, len(entries))
        complete = len(self.rows) == rows and self.type != "mixed"
        where = None if complete else np.array(self.rows, dtype=np.int32)
        column = Column(self.type, where, codes, indptr)
        if self.type == "boolean" or not distinct:
            return column
        encode = _with_texts if isinstance(distinct[0], str) else _with_numbers
        return encode(column, distinct)


def _with_texts(column: Column, distinct: list[str]) -> Column:
    instants = _instants(distinct) if column.type == "string" else None
    kind: ValueType = column.type if instants is None else "date"
    return replace(column, type=kind, texts=StringTable.pack(distinct), instants=instants)


def _with_numbers(column: Column, distinct: list[float]) -> Column:
    numbers = np.array([float(value) for value in distinct], dtype=np.float64)
    remainders = np.array(
        [value - int(float(value)) if isinstance(value, int) else 0 for value in distinct],
        dtype=np.int64,
    )
    return replace(column, numbers=numbers, remainders=remainders if remainders.any() else None)


# --- the table ---------------------------------------------------------------------------------


class MetadataTable:
    """The metadata columns of one segment; immutable.

    Attributes:
        rows: number of passages of the segment.
        columns: by key, keys ascending.
        schema: the type of each key, keys ascending.
    """

    def __init__(self, rows: int, columns: Mapping[str, Column]) -> None:
        self.rows = rows
        self.columns: Mapping[str, Column] = MappingProxyType(dict(sorted(columns.items())))
        self.schema: Mapping[str, ValueType] = MappingProxyType(
            {key: column.type for key, column in self.columns.items()}
        )

    @classmethod
    def build(cls, metadata: Sequence[Mapping[str, Any]]) -> MetadataTable:
        """Encode the metadata of a segment's passages, row i that of passage i.

        Linear in the values but for sorting the distinct ones of each key. A segment takes fewer
        than 2**31 rows and list elements.

        Raises:
            InvalidPassage: a key is no string, or a string is not Unicode text.
        """
        drafts: defaultdict[str, _Draft] = defaultdict(_Draft)
        for row, values in enumerate(metadata):
            for key, value in values.items():
                kind = _kind(value)
                if kind is not None:
                    drafts[key].add(row, value, kind)
        rows = len(metadata)
        return cls(rows, {key: _encoded(key, draft, rows) for key, draft in drafts.items()})

    def holding(self, key: str) -> Mask:
        """Which rows have the key, `[rows]`; O(rows)."""
        column = self.columns.get(key)
        if column is None:
            return np.zeros(self.rows, dtype=np.bool_)
        count = self.rows if column.rows is None else len(column.rows)
        return self._spread(column, np.ones(count, dtype=np.bool_))

    def having(self, key: str, wanted: Mask) -> Mask:
        """Which rows have, or hold in their list, a wanted value of the key, `[rows]`; O(rows + e).

        Args:
            key: a key of the schema.
            wanted: `[d]`, whether each value of the column's dictionary is wanted.
        """
        column = self.columns[key]
        hits: Mask = wanted[column.codes]
        if column.indptr is not None:
            before = np.concatenate(([0], np.cumsum(hits)))[column.indptr]
            hits = before[1:] > before[:-1]
        return self._spread(column, hits)

    def _spread(self, column: Column, hits: Mask) -> Mask:
        if column.rows is None:
            return hits  # of every row
        mask = np.zeros(self.rows, dtype=np.bool_)
        mask[column.rows] = hits
        return mask

    def save(self, writer: ArtifactWriter, name: str) -> None:
        """Write as `<name>.json` and the arrays that the head of this file lists."""
        columns = self.columns.values()
        for pool, dtype in _POOLS.items():
            parts = [part for column in columns if (part := getattr(column, pool)) is not None]
            writer.array(f"{name}.{pool}", np.concatenate([np.zeros(0, dtype), *parts]))
        texts = (column.texts for column in columns if column.texts is not None)
        writer.strings(f"{name}.texts", chain.from_iterable(texts))
        content = {"rows": self.rows, "columns": list(_places(self.columns))}
        writer.path(f"{name}.json").write_bytes(canonical_json(content) + b"\n")

    @classmethod
    def open(cls, artifact: Artifact, name: str) -> MetadataTable:
        """Map what `save` wrote; the work grows with the keys, never with the rows.

        Raises:
            CorruptArtifact: a file is missing or is not what `save` writes.
        """
        path = artifact.path(f"{name}.json")
        pools = {pool: artifact.array(f"{name}.{pool}") for pool in _POOLS}
        texts = artifact.strings(f"{name}.texts")
        try:
            content = json.loads(path.read_bytes())
            columns = {c["key"]: _mapped(c, pools, texts) for c in content["columns"]}
            return cls(int(content["rows"]), columns)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptArtifact(
                f"{path}: bad content ({error!r}); restore it, or build the index again"
            ) from None


def _encoded(key: object, draft: _Draft, rows: int) -> Column:
    if not isinstance(key, str):
        raise InvalidPassage(f"metadata key {key!r}: a {type(key).__name__}, wanted a string")
    try:
        key.encode("utf-8")
        return draft.column(rows)
    except UnicodeEncodeError:
        raise InvalidPassage(
            f"metadata key {key!r}: it or one of its values holds a lone surrogate, "
            "not Unicode text; remove it"
        ) from None


def _places(columns: Mapping[str, Column]) -> Iterator[dict[str, Any]]:
    """Key, type and `[start, stop]` in each array, column by column."""
    ends = dict.fromkeys((*_POOLS, "texts"), 0)
    for key, column in columns.items():
        place: dict[str, Any] = {"key": key, "type": column.type}
        for pool, start in ends.items():
            part = getattr(column, pool)
            if part is not None:
                place[pool] = [start, start + len(part)]
                ends[pool] = start + len(part)
        yield place


def _mapped(
    place: Mapping[str, Any], pools: Mapping[str, npt.NDArray[Any]], texts: StringTable
) -> Column:
    arrays: dict[str, Any] = {
        pool: array[slice(*place[pool])] for pool, array in pools.items() if pool in place
    }
    arrays.setdefault("rows", None)
    if "texts" in place:
        start, stop = place["texts"]
        arrays["texts"] = StringTable(texts.data, texts.offsets[start : stop + 1])
    return Column(type=place["type"], **arrays)
