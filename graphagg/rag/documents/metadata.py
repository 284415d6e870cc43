"""The metadata of a segment's passages: a memory-mapped Arrow table, one row per key and type.

Values have types:

| type | values |
| --- | --- |
| `string` | strings |
| `date` | strings, each an ISO 8601 date or date and time (`parse_instant`) |
| `number` | numbers; floats as float64, integers of up to 100 bits exactly |
| `boolean` | true, false |
| `list of strings`, `list of numbers` | lists of one kind |
| `empty list` | `[]`; it counts as the kind of the key's other lists |
| `mixed` | anything else: objects, larger integers, lists of differing kinds; not kept |

A key has the type that most of its values have, over all segments; ties go to the first type of
`_FAMILIES`, and a key is `mixed` only if all its values are. A filter on the key sees only values
of its type: one passage with `year: unknown` does not hide the years of the others. null and NaN
count as absent, so a key without any other value is not in the schema.

The columns of `NAME.arrow` (Arrow IPC) are `key`, `type`, and the lists of `_columns`. The distinct
values of a key are stored once, ascending, and each entry is an index into them: a condition is
evaluated once per distinct value. Rows that lack a key take no space, so a table is linear in the
number of values, however many keys they have.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Mask, offsets
from graphagg.errors import InvalidPassage
from graphagg.store import Artifact, ArtifactWriter
from graphagg.store.reading import content_of
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa

ValueType = Literal[
    "string", "number", "boolean", "date",
    "list of strings", "list of numbers", "empty list", "mixed",
]  # fmt: skip

WHEN = "when"
"""The key whose dates say when a passage was written, or when the events in it happened."""
NEVER = -(2**63)
"""The instant of a passage without a date; before all others."""
_INTEGER_BITS = 100
"""float64 rounds such an integer by less than 2**47, which the second part of `exact` can hold."""

# --- types -------------------------------------------------------------------------------------

_TEXTS: tuple[ValueType, ...] = ("date", "string")
_LISTS: tuple[ValueType, ...] = ("list of strings", "list of numbers")
_FAMILIES: tuple[ValueType, ...] = ("string", "date", "number", "boolean", *_LISTS, "empty list")
"""The types that can be filtered, in the order of preference between equally frequent ones."""

Counts = Mapping[str, Mapping[ValueType, int]]
"""Per key, the number of passages with a value of each type."""


def merge_schemas(counts: Iterable[Counts]) -> dict[str, ValueType]:
    """Merge the counts of all segments into the type of each key, keys ascending."""
    merged: defaultdict[str, Counter[ValueType]] = defaultdict(Counter)
    for segment_counts in counts:
        for key, key_counts in segment_counts.items():
            merged[key].update(key_counts)
    return {key: _main_type(merged[key]) for key in sorted(merged)}


def _main_type(counts: Counter[ValueType]) -> ValueType:
    """Choose the type of a key by the counts of its values; dates and other strings are text."""
    families = Counter({kind: counts[kind] for kind in _FAMILIES})
    lists = [kind for kind in _LISTS if counts[kind]]
    if counts["string"]:
        families["string"] += families.pop("date")
    if lists:
        empty = families.pop("empty list")
        families.update(dict.fromkeys(lists, empty))
    first = max(_FAMILIES, key=lambda kind: families[kind])  # the first of the largest
    return first if families[first] else "mixed"


def _kind(value: object) -> ValueType | None:
    """The type of one value, None if it counts as absent; a date is a string here."""
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


# --- values ------------------------------------------------------------------------------------

_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_instant(text: str) -> int | None:
    """Parse an ISO 8601 date, or date and time.

    Takes `YYYY-MM-DD`, then optionally `T` or a blank and `hh:mm[:ss[.fraction]]` with or without
    `Z` or `+hh[[:]mm]`. A date is the instant at which it begins; without an offset it is in UTC;
    digits finer than a microsecond are cut.

    Returns:
        Microseconds since 1970 in UTC; None for any other text.
    """
    if not _DATE.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # no such day, minute or offset
        return None
    utc = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (utc - _EPOCH) // timedelta(microseconds=1)


def exact(value: float) -> complex:
    """Represent a number exactly, by its float64 and the rounding error of it.

    numpy orders such pairs as the numbers.
    """
    rounded = float(value)
    return complex(rounded, value - int(rounded) if isinstance(value, int) else 0.0)


# --- the table ---------------------------------------------------------------------------------


@cache
def _columns() -> pa.Schema:
    import pyarrow as pa  # takes 0.1 s: only where metadata is read

    lists = {
        "rows": pa.int32(),  # the rows that have the key, ascending; null: every row
        "bounds": pa.int64(),  # entry i holds codes[bounds[i]:bounds[i + 1]]; null: one code each
        "codes": pa.int32(),  # indices into the distinct values
        "texts": pa.large_string(),  # distinct strings, in the order of their code points
        "numbers": pa.float64(),  # distinct numbers and booleans, two floats each: see `exact`
        "instants": pa.int64(),  # for dates, the instant of each text: see `parse_instant`
    }
    columns = [(name, pa.large_list(values)) for name, values in lists.items()]
    return pa.schema([("key", pa.string()), ("type", pa.string()), *columns])


class MetadataTable:
    """The metadata of one segment; immutable.

    Args:
        read: returns the table, one row per key and type, ascending, with the number of passages in
            the metadata of its schema; called at first use.
    """

    def __init__(self, read: Callable[[], pa.Table]) -> None:
        self._read = read

    @cached_property
    def _table(self) -> pa.Table:
        return self._read()

    @cached_property
    def rows(self) -> int:
        """Number of passages of the segment."""
        return int(self._table.schema.metadata[b"rows"])

    @cached_property
    def counts(self) -> Counts:
        """Number of rows with a value, by key and type; keys ascending."""
        import pyarrow.compute as pc

        counts: dict[str, dict[ValueType, int]] = {}
        lengths = pc.list_value_length(self._table["rows"]).to_pylist()
        for (key, kind), rows in zip(self._table_rows, lengths, strict=True):
            counts.setdefault(key, {})[kind] = self.rows if rows is None else rows
        return MappingProxyType(counts)

    @cached_property
    def schema(self) -> Mapping[str, ValueType]:
        """The type of each key in this segment alone, keys ascending."""
        return MappingProxyType(merge_schemas([self.counts]))

    @cached_property
    def _table_rows(self) -> dict[tuple[str, ValueType], int]:
        keys, types = (self._table[name].to_pylist() for name in ("key", "type"))
        return {column: row for row, column in enumerate(zip(keys, types, strict=True))}

    @classmethod
    def build(cls, metadata: Iterable[Mapping[str, Any]]) -> MetadataTable:
        """Encode the metadata of a segment's passages; row i belongs to passage i.

        Linear in the values except for sorting the distinct ones of each key, which are held in
        memory, with 8 bytes per value. A segment has fewer than 2**31 rows and list elements.

        Raises:
            InvalidPassage: a key is no string, or a string is not Unicode text.
        """
        import pyarrow as pa

        keys: defaultdict[tuple[str, ValueType], _Entries] = defaultdict(_Entries)
        count = 0
        for row, passage_metadata in enumerate(metadata):
            count = row + 1
            for key, value in passage_metadata.items():
                kind = _kind(value)
                if kind is not None:
                    keys[key, kind].add(row, kind, value)
        columns = [_encoded(*column, entries, count) for column, entries in keys.items()]
        columns.sort(key=lambda column: (column["key"], column["type"]))
        schema = _columns().with_metadata({"rows": str(count)})
        arrays = [_arrow(f.type, [column[f.name] for column in columns]) for f in schema]
        table = pa.Table.from_arrays(arrays, schema=schema)
        return cls(lambda: table)

    def rows_with(self, key: str) -> Mask:
        """Mask `[rows]` of rows with a value of any type, even `[]`, under a key; O(rows + e)."""
        mask = np.zeros(self.rows, np.bool_)
        for kind in self.counts.get(key, ()):
            rows = self._cell(key, kind, "rows")
            mask[slice(None) if rows is None else rows] = True
        return mask

    def counts_among(self, rows: Mask) -> Counts:
        """Number of these rows with a value, by key and type, as a table of them alone has it.

        Args:
            rows: mask `[rows]`.
        """
        counts: dict[str, dict[ValueType, int]] = {}
        for key, kind in self._table_rows:
            having = self._cell(key, kind, "rows")
            count = int(np.count_nonzero(rows if having is None else rows[having]))
            if count:
                counts.setdefault(key, {})[self._kind_among(key, kind, rows)] = count
        return counts

    def _kind_among(self, key: str, kind: ValueType, rows: Mask) -> ValueType:
        """The type of a key's values in some rows: strings may all be dates there."""
        if kind != "string":
            return kind
        texts, present = self.distinct(key, kind), np.flatnonzero(self.occurrences(key, kind, rows))
        is_date = all(parse_instant(texts[code].as_py()) is not None for code in present.tolist())
        return "date" if is_date else kind

    def occurrences(self, key: str, kind: ValueType, rows: Mask) -> npt.NDArray[np.int64]:
        """Number `[d]` of these rows that hold each distinct value, or a list with it; O(rows + e).

        Args:
            key: a key of the schema.
            kind: a type of its values in this table; see `kind_of`.
            rows: mask `[rows]`.
        """
        having, bounds = self._cell(key, kind, "rows"), self._cell(key, kind, "bounds")
        codes, count = self._cell(key, kind, "codes"), len(self.distinct(key, kind))
        counted = rows if having is None else rows[having]
        if bounds is not None and len(codes):  # a list may repeat a value
            lists = np.repeat(np.arange(len(counted)), np.diff(bounds))
            lists, codes = np.divmod(np.unique(lists * count + codes), count)
            counted = counted[lists]
        return np.bincount(codes[counted[: len(codes)]], minlength=count)

    def instants(self, key: str) -> npt.NDArray[np.int64]:
        """Instants `[rows]` of a key's dates in microseconds since 1970; `NEVER` for other rows.

        Each value counts by itself, even if the key has other values that are not dates.
        """
        instants = np.full(self.rows, NEVER, np.int64)
        kind = self.kind_of(key, "string")  # includes dates
        if kind is None:
            return instants
        distinct = self.distinct_instants(key, kind)
        rows = self._cell(key, kind, "rows")
        instants[slice(None) if rows is None else rows] = distinct[self._cell(key, kind, "codes")]
        return instants

    def rows_matching(self, key: str, kind: ValueType, matches: Mask) -> Mask:
        """Mask `[rows]` of rows whose value, or an element of it, matches; O(rows + e).

        Args:
            key: a key of the schema.
            kind: a type of its values in this table; see `kind_of`.
            matches: mask `[d]` of the distinct values.
        """
        mask = np.zeros(self.rows, np.bool_)
        rows, bounds = self._cell(key, kind, "rows"), self._cell(key, kind, "bounds")
        hits: Any = matches[self._cell(key, kind, "codes")]
        if bounds is not None:
            before = offsets(hits)[bounds]
            hits = before[1:] > before[:-1]
        mask[slice(None) if rows is None else rows] = hits
        return mask

    def kind_of(self, key: str, kind: ValueType) -> ValueType | None:
        """The type in this table of values with a type of the merged schema; None without any.

        Dates of this table are text in the merged schema if other rows of it have other strings,
        and strings of this table may be dates where only some rows are counted.
        """
        kinds = self.counts.get(key, {})
        if kind in ("string", "date"):
            return next((each for each in _TEXTS if each in kinds), None)
        return kind if kind in kinds else None

    def distinct(
        self, key: str, kind: ValueType, as_text: bool = False
    ) -> pa.Array | npt.NDArray[Any]:
        """The distinct values of a key, ascending, `[d]`, in the form in which they are compared.

        Args:
            key: a key of the schema.
            kind: a type of its values in this table.
            as_text: whether dates stay strings.

        Returns:
            Instants (int64) for dates, complex numbers (see `exact`) for numbers and booleans, else
            an Arrow array of strings.
        """
        if kind == "date" and not as_text:
            return self._cell(key, kind, "instants")
        if kind in ("number", "boolean", "list of numbers"):
            return self._cell(key, kind, "numbers").view(np.complex128)
        return self._table["texts"][self._table_rows[key, kind]].values

    def distinct_instants(self, key: str, kind: ValueType) -> npt.NDArray[np.int64]:
        """The instant `[d]` of each distinct text of a key; `NEVER` for one that is no date."""
        texts = self._table["texts"][self._table_rows[key, kind]].values.to_pylist()
        parsed = (parse_instant(text) for text in texts)
        return np.array([NEVER if instant is None else instant for instant in parsed], np.int64)

    def _cell(self, key: str, kind: ValueType, name: str) -> Any:
        values = self._table[name][self._table_rows[key, kind]].values
        return None if values is None else np.asarray(values)

    def save(self, writer: ArtifactWriter, name: str) -> None:
        """Write the table as `NAME.arrow`."""
        import pyarrow as pa

        table = self._table.combine_chunks()  # one batch, so that no cell is searched for
        path = writer.path(f"{name}.arrow")
        with path.open("wb") as file, pa.ipc.new_file(file, table.schema) as sink:
            sink.write_table(table)

    @classmethod
    def open(cls, artifact: Artifact, name: str, rows: int) -> MetadataTable:
        """Map a table that `save` wrote; it is read and checked at first use.

        Args:
            artifact: the version.
            name: of the table.
            rows: number of passages of the segment.

        Raises:
            CorruptArtifact: the file is missing or, at first use, not a table as `save` writes.
        """
        path = artifact.path(f"{name}.arrow")
        with content_of(path):  # an empty file cannot be mapped
            content = np.memmap(path, np.uint8, "r")

        def read() -> pa.Table:
            import pyarrow as pa

            with content_of(path):
                table = pa.ipc.open_file(pa.py_buffer(content)).read_all()
                if table.schema != _columns() or b"rows" not in (table.schema.metadata or {}):
                    raise ValueError(f"columns {table.schema.names}")
                table.validate(full=True)
                _check(table, rows)
            return table

        return cls(read)

    @classmethod
    def joined(cls, tables: Iterable[MetadataTable]) -> MetadataTable:
        """Join at least one table of the same rows, whose keys all differ and ascend."""
        import pyarrow as pa

        table = pa.concat_tables([table._table for table in tables])
        return cls(lambda: table)


def _check(table: pa.Table, rows: int) -> None:
    """Raise `ValueError` where an entry of a table leads past what it indexes."""
    if int(table.schema.metadata[b"rows"]) != rows:
        raise ValueError(f"{table.schema.metadata[b'rows']!r} passages, wanted {rows}")
    lists = [name for name in table.column_names if name not in ("key", "type")]
    for column in table.to_batches():
        for i in range(len(column)):
            cells = {name: column[name][i].values for name in lists}
            if any(cell is not None and cell.null_count for cell in cells.values()):
                raise ValueError("an empty value within a list")
            texts = len(cells.pop("texts"))
            arrays = {name: None if c is None else np.asarray(c) for name, c in cells.items()}
            _check_column(column["type"][i].as_py(), texts, rows, **arrays)
    if None in table["key"].to_pylist():
        raise ValueError("a key that is empty")


def _check_column(
    kind: str, texts: int, count: int, rows: Any, bounds: Any, codes: Any, numbers: Any,
    instants: Any,
) -> None:  # fmt: skip
    """Check one key and type; the arguments are the cells of `_columns`."""
    if kind not in (*_FAMILIES, "mixed"):
        raise ValueError(f"type {kind!r}")
    if rows is not None:
        if (np.diff(rows, prepend=-1, append=count) <= 0).any():
            raise ValueError("rows that do not ascend below the number of passages")
        count = len(rows)
    if kind == "empty list" or kind in _LISTS:
        if len(bounds) != count + 1 or bounds[0] != 0 or (np.diff(bounds) < 0).any():
            raise ValueError("bounds that do not ascend from 0")
        count = int(bounds[-1])
    is_text = kind in ("string", "date", "list of strings")
    distinct = texts if is_text else len(numbers) // 2
    wanted = (0 if kind == "mixed" else count, distinct if kind == "date" else 0)
    if (len(codes), len(instants)) != wanted or (not is_text and len(numbers) % 2):
        raise ValueError("columns of unequal length")
    if len(codes) and not 0 <= codes.min() <= codes.max() < distinct:
        raise ValueError("codes past the distinct values")


def _arrow(kind: pa.DataType, values: Sequence[Any] | npt.NDArray[Any]) -> pa.Array:
    """An array of a type of `_columns`; `pa.array` would load pandas, which takes 0.3 CPU s."""
    import pyarrow as pa

    children: list[pa.Array] = []
    contents: list[npt.NDArray[Any] | None] = [None]
    if pa.types.is_large_list(kind):
        dtype = kind.value_type.to_pandas_dtype()  # of strings: object
        cells = [np.asarray(() if cell is None else cell, dtype) for cell in values]
        children = [_arrow(kind.value_type, np.concatenate([np.zeros(0, dtype), *cells]))]
        is_valid = np.array([cell is not None for cell in values], np.bool_)
        contents = [np.packbits(is_valid, None, "little"), offsets([len(cell) for cell in cells])]
    elif pa.types.is_primitive(kind):
        contents.append(np.asarray(values, kind.to_pandas_dtype()))
    else:
        strings = StringTable.pack(values)
        width = np.int64 if pa.types.is_large_string(kind) else np.int32
        contents += [strings.offsets.astype(width), strings.data]
    buffers = [None if each is None else pa.py_buffer(each) for each in contents]
    return pa.Array.from_buffers(kind, len(values), buffers, children=children)


class _Entries:
    """The values of one key and type.

    Attributes:
        rows: the rows with a value, ascending.
        lengths: number of elements per list.
        positions: the distinct values, numbered in the order in which they first occur.
        codes: the position of each value; the elements of a list follow each other.
    """

    def __init__(self) -> None:
        self.rows, self.lengths, self.codes = array("i"), array("i"), array("i")
        self.positions: dict[Any, int] = {}

    def add(self, row: int, kind: ValueType, value: Any) -> None:
        """Add the value of a row."""
        self.rows.append(row)
        is_list = kind in ("empty list", *_LISTS)
        values = value if is_list else () if kind == "mixed" else (value,)
        if is_list:
            self.lengths.append(len(value))
        for each in values:
            self.codes.append(self.positions.setdefault(each, len(self.positions)))


def _encoded(key: object, kind: ValueType, entries: _Entries, count: int) -> dict[str, Any]:
    """The table's row of one key and type; the segment has `count` passages."""
    if not isinstance(key, str):
        raise InvalidPassage(f"metadata key {key!r}: a {type(key).__name__}, wanted a string")
    rows, bounds = np.array(entries.rows, np.int32), None
    if kind in ("empty list", *_LISTS):
        bounds = offsets(np.array(entries.lengths, np.int64))
    distinct = sorted(entries.positions)
    texts = distinct if distinct and isinstance(distinct[0], str) else []
    instants = [parse_instant(text) for text in texts] if kind == "string" else [None]
    is_date = None not in instants
    try:
        "".join([key, *texts]).encode()
    except UnicodeEncodeError:
        raise InvalidPassage(
            f"metadata key {key!r}: it or one of its values holds a lone surrogate, "
            "not Unicode text; remove it"
        ) from None
    positions = np.fromiter(map(entries.positions.__getitem__, distinct), np.int64, len(distinct))
    ranks = np.empty(len(distinct), np.int32)
    ranks[positions] = np.arange(len(distinct))
    return {
        "key": key,
        "type": "date" if is_date else kind,
        "rows": None if len(rows) == count else rows,
        "bounds": bounds,
        "codes": ranks[np.array(entries.codes, np.int64)],
        "texts": texts,
        "numbers": np.array([] if texts else [*map(exact, distinct)], complex).view(np.float64),
        "instants": instants if is_date else [],
    }
