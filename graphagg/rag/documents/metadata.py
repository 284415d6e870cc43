"""The metadata of a segment's passages: a memory-mapped Arrow table, one row per key and type.

The distinct values of a key are stored once, ascending, and a passage stores their positions, so a
condition is evaluated once per distinct value. A filter on a key compares only values of the key's
type, so one passage with `year: unknown` does not hide the years of the others.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Ints, Mask, offsets
from graphagg.errors import InvalidPassage
from graphagg.rag.documents.value_types import (
    FAMILIES,
    LISTS,
    NEVER,
    TEXTS,
    Counts,
    ValueType,
    compare,
    compare_texts,
    is_int64,
    merge_schemas,
    parse_instant,
    type_of,
)
from graphagg.store import Artifact, ArtifactWriter
from graphagg.store.reading import content_of
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa


def arrow_array(kind: pa.DataType, values: Sequence[Any] | npt.NDArray[Any]) -> pa.Array:
    """Build an Arrow array of a given type; `pa.array` and `to_pandas_dtype` would load pandas."""
    import pyarrow as pa

    children: list[pa.Array] = []
    contents: list[npt.NDArray[Any] | None] = [None]
    if pa.types.is_large_list(kind):
        dtype = str(kind.value_type) if pa.types.is_primitive(kind.value_type) else "object"
        cells = [np.asarray(() if cell is None else cell, dtype) for cell in values]
        children = [arrow_array(kind.value_type, np.concatenate([np.zeros(0, dtype), *cells]))]
        is_valid = np.array([cell is not None for cell in values], np.bool_)
        contents = [np.packbits(is_valid, None, "little"), offsets([len(cell) for cell in cells])]
    elif pa.types.is_primitive(kind):
        contents.append(np.asarray(values, str(kind)))
    else:
        strings = StringTable.pack(values)
        width = np.int64 if pa.types.is_large_string(kind) else np.int32
        contents += [strings.offsets.astype(width), strings.data]
    buffers = [None if each is None else pa.py_buffer(each) for each in contents]
    return pa.Array.from_buffers(kind, len(values), buffers, children=children)


class KeyValues:
    """The values of one key and type.

    `rows` ascend; `lengths` counts the elements of each list; `codes` holds the position of each
    value in `positions`, which numbers the distinct values in the order in which they first occur.
    """

    def __init__(self) -> None:
        self.rows, self.lengths, self.codes = array("i"), array("i"), array("i")
        self.positions: dict[Any, int] = {}

    def add(self, row: int, kind: ValueType, value: Any) -> None:
        """Add the value of a row."""
        self.rows.append(row)
        is_list = kind in ("empty list", *LISTS)
        values = value if is_list else () if kind == "mixed" else (value,)
        if is_list:
            self.lengths.append(len(value))
        for each in values:
            self.codes.append(self.positions.setdefault(each, len(self.positions)))

    def encoded(self, key: object, kind: ValueType, count: int) -> dict[str, Any]:
        """Return the table row of one key and type; the segment has `count` passages."""
        if not isinstance(key, str):
            raise InvalidPassage(f"metadata key {key!r}: a {type(key).__name__}, expected a string")
        is_text = kind in ("string", "list of strings")
        texts = sorted(self.positions) if is_text else []
        integers = [] if is_text else sorted(filter(is_int64, self.positions))
        floats = [] if is_text else sorted(self.positions.keys() - integers)
        distinct = [*texts, *integers, *floats]
        if kind == "string":
            instants = [parse_instant(text) for text in texts]
            kind = "string" if None in instants else "date"
            if any(instant is not None for instant in instants):
                integers = [NEVER if instant is None else instant for instant in instants]
        try:
            "".join([key, *texts]).encode()
        except UnicodeEncodeError:
            raise InvalidPassage(
                f"metadata key {key!r}: the key or a value contains a lone surrogate; remove it"
            ) from None
        ranks = np.empty(len(distinct), np.int32)
        ranks[[self.positions[value] for value in distinct]] = np.arange(len(distinct))
        return {
            "key": key,
            "type": kind,
            "texts": texts,
            "integers": integers,
            "floats": floats,
            "rows": None if len(self.rows) == count else np.array(self.rows, np.int32),
            "bounds": offsets(np.array(self.lengths, np.int64)) if self.lengths else None,
            "codes": ranks[np.array(self.codes, np.int64)],
        }


READER_KEYS = frozenset(("anchor", "anchors", "links", "marks"))
"""Keys that the file reader sets for links and positions of hits; not for filters or prompts."""
WHEN = "when"
"""The key of the date when a passage was written, or when the events in it happened."""


@cache
def _columns() -> pa.Schema:
    import pyarrow as pa  # takes 0.1 s, so it is imported only if metadata is read

    lists = {
        "rows": pa.int32(),  # the rows that have the key, ascending; null: every row
        "bounds": pa.int64(),  # codes[bounds[i]:bounds[i + 1]] are of rows[i]; null: one code each
        "codes": pa.int32(),  # positions among the distinct values
        "texts": pa.large_string(),  # distinct strings, in the order of their code points
        "integers": pa.int64(),  # distinct integers or booleans; of dates, the instant of each text
        "floats": pa.float64(),  # all other distinct numbers; their codes follow the integers
    }
    columns = [(name, pa.large_list(values)) for name, values in lists.items()]
    return pa.schema([("key", pa.string()), ("type", pa.string()), *columns])


class _KeyColumn(NamedTuple):
    """The values of one key and type; see `_columns`."""

    rows: Array | slice
    bounds: Array | None
    codes: Array
    texts: pa.LargeStringArray
    integers: Array
    floats: Array

    @property
    def distinct(self) -> int:
        """Number of distinct values."""
        return len(self.texts) or len(self.integers) + len(self.floats)


class MetadataTable:
    """The metadata of one segment; immutable. At first use, `read` is called for its table."""

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
    def _positions(self) -> dict[tuple[str, ValueType], int]:
        keys, types = (self._table[name].to_pylist() for name in ("key", "type"))
        return {column: i for i, column in enumerate(zip(keys, types, strict=True))}

    @cached_property
    def counts(self) -> Counts:
        """Number of rows with a value, by key and type; keys ascending."""
        counts: dict[str, dict[ValueType, int]] = {}
        for (key, kind), row in self._positions.items():
            rows = self._table["rows"][row].values
            counts.setdefault(key, {})[kind] = self.rows if rows is None else len(rows)
        return MappingProxyType(counts)

    @cached_property
    def schema(self) -> Mapping[str, ValueType]:
        """The type of each key in this segment alone, keys ascending."""
        return MappingProxyType(merge_schemas([self.counts]))

    def counts_among(self, rows: Mask) -> Counts:
        """Count the values of masked rows by key and type, as in a table of only these rows."""
        counts: dict[str, dict[ValueType, int]] = {}
        for key, kind in self._positions:
            column = self._column(key, kind)
            present = rows[column.rows]
            count = int(np.count_nonzero(present))
            if kind == "string" and len(column.integers):  # perhaps all of these are dates
                instants = column.integers[column.codes][present]
                kind = "string" if (instants == NEVER).any() else "date"
            if count:
                counts.setdefault(key, {})[kind] = count
        return counts

    def occurrences(self, key: str, kind: ValueType, rows: Mask) -> Ints:
        """Count `[d]` the masked rows that have each distinct value, alone or in a list."""
        column = self._column(key, kind)
        codes, present, count = column.codes, rows[column.rows], column.distinct
        if column.bounds is not None and len(codes):  # a list may repeat a value
            lists = np.repeat(np.arange(len(present)), np.diff(column.bounds))
            lists, codes = np.divmod(np.unique(lists * count + codes), count)
            present = present[lists]
        return np.bincount(codes[present[: len(codes)]], minlength=count)

    @classmethod
    def build(cls, metadata: Iterable[Mapping[str, Any]]) -> MetadataTable:
        """Encode the metadata of a segment's passages; row i belongs to passage i.

        Linear in the values except for sorting the distinct ones of each key. A segment has fewer
        than 2**31 rows and list elements. Raises `InvalidPassage` if a key or value is not Unicode
        text.
        """
        import pyarrow as pa

        keys: defaultdict[tuple[str, ValueType], KeyValues] = defaultdict(KeyValues)
        count = 0
        for row, passage_metadata in enumerate(metadata):
            count = row + 1
            for key, value in passage_metadata.items():
                kind = type_of(value)
                is_own = key in READER_KEYS and "path" in passage_metadata
                if kind is not None and not (is_own and (kind == "mixed" or key == "anchor")):
                    keys[key, kind].add(row, kind, value)
        columns = [values.encoded(*column, count) for column, values in keys.items()]
        columns.sort(key=lambda column: (column["key"], column["type"]))
        schema = _columns().with_metadata({"rows": str(count)})
        arrays = [arrow_array(f.type, [column[f.name] for column in columns]) for f in schema]
        table = pa.Table.from_arrays(arrays, schema=schema)
        return cls(lambda: table)

    def rows_with(self, key: str) -> Mask:
        """Return a mask `[rows]` of rows that have a value of any type, even `[]`, under a key."""
        mask = np.zeros(self.rows, np.bool_)
        for kind in self.counts.get(key, ()):
            mask[self._column(key, kind).rows] = True
        return mask

    def instants(self, key: str) -> npt.NDArray[np.int64]:
        """Return the dates `[rows]` of a key, as microseconds since 1970; `NEVER` if missing."""
        instants = np.full(self.rows, NEVER, np.int64)
        kind = self.kind_of(key, "date")
        if kind is not None and len((column := self._column(key, kind)).integers):
            instants[column.rows] = column.integers[column.codes]
        return instants

    def matching(
        self, key: str, kind: ValueType, operator: str, operands: Sequence[str | float]
    ) -> Mask:
        """Return a mask `[rows]` of rows whose value, or an element of it, fits a comparison.

        `kind` is the type of the key over all segments; values of other types never match.
        `operator` is `in` or one of `ORDERS`, which takes one operand. Dates are given as instants.
        """
        mask, own_kind = np.zeros(self.rows, np.bool_), self.kind_of(key, kind)
        if own_kind is None:
            return mask
        column = self._column(key, own_kind)
        if not len(column.codes) or (kind == "date" and not len(column.integers)):
            return mask  # only empty lists, or texts that are not dates
        if kind == "date":
            matches = compare(column.integers, operator, operands) & (column.integers != NEVER)
        elif len(column.texts):
            matches = compare_texts(column.texts, operator, operands)
        else:
            numbers = (column.integers, column.floats)
            matches = np.concatenate([compare(each, operator, operands) for each in numbers])
        hits: Any = matches[column.codes]
        if column.bounds is not None:
            before = offsets(hits)[column.bounds]
            hits = before[1:] > before[:-1]
        mask[column.rows] = hits
        return mask

    def kind_of(self, key: str, kind: ValueType) -> ValueType | None:
        """Return the type in this table of a merged type; here, all texts may be dates."""
        kinds = self.counts.get(key, {})
        own = TEXTS if kind in TEXTS else (kind,)
        return next((each for each in own if each in kinds), None)

    def distinct(self, key: str, kind: ValueType) -> Array:
        """Return the distinct values of a key as Python objects `[d]`: texts or numbers."""
        column = self._column(key, kind)
        values = column.texts.to_pylist()
        if kind not in TEXTS:  # the integers of texts are instants
            integers = column.integers.astype(np.bool_ if kind == "boolean" else np.int64)
            values += [*integers.tolist(), *column.floats.tolist()]
        return np.array([*values, None], object)[:-1]  # always an array of objects

    def _column(self, key: str, kind: ValueType) -> _KeyColumn:
        row = self._positions[key, kind]
        cells: dict[str, Any] = {name: self._table[name][row].values for name in _KeyColumn._fields}
        if any(cell is not None and cell.null_count for cell in cells.values()):
            raise ValueError("a list contains an empty value")
        arrays: dict[str, Any] = {
            name: cell if cell is None or name == "texts" else np.asarray(cell)
            for name, cell in cells.items()
        }
        if arrays["rows"] is None:
            arrays["rows"] = slice(None)
        return _KeyColumn(**arrays)

    def save(self, writer: ArtifactWriter, name: str) -> None:
        """Write the table as `NAME.arrow`."""
        import pyarrow as pa

        table = self._table.combine_chunks()  # one batch, so that cells are found without a search
        path = writer.path(f"{name}.arrow")
        with path.open("wb") as file, pa.ipc.new_file(file, table.schema) as sink:
            sink.write_table(table)

    @classmethod
    def open(cls, artifact: Artifact, name: str, rows: int) -> MetadataTable:
        """Memory-map a table that `save` wrote; it is read and checked at first use."""
        path = artifact.path(f"{name}.arrow")
        with content_of(path):  # an empty file cannot be mapped
            content = np.memmap(path, np.uint8, "r")

        def read() -> pa.Table:
            import pyarrow as pa

            with content_of(path):
                table = pa.ipc.open_file(pa.py_buffer(content)).read_all()
                if table.schema != _columns() or b"rows" not in (table.schema.metadata or {}):
                    raise ValueError(f"the table has the columns {table.schema.names}")
                table.validate(full=True)
                cls(lambda: table)._check(rows)
            return table

        return cls(read)

    def _check(self, rows: int) -> None:
        """Raise `ValueError` for an index that is out of range."""
        if self.rows != rows:
            raise ValueError(f"the table has {self.rows} passages, expected {rows}")
        for key, kind in self._positions:
            if key is None or kind not in (*FAMILIES, "mixed"):
                raise ValueError(f"key {key!r} has the unknown type {kind!r}")
            _check_column(kind, rows, self._column(key, kind))


def _check_column(kind: str, count: int, column: Iterable[Any]) -> None:
    """Check one key and type; `column` is a `_KeyColumn`."""
    rows, bounds, codes, texts, integers, floats = column
    if not isinstance(rows, slice):
        if (np.diff(rows, prepend=-1, append=count) <= 0).any():
            raise ValueError("the rows do not ascend, or exceed the number of passages")
        count = len(rows)
    if kind == "empty list" or kind in LISTS:
        if len(bounds) != count + 1 or bounds[0] != 0 or (np.diff(bounds) < 0).any():
            raise ValueError("the bounds do not ascend from 0")
        count = int(bounds[-1])
    elif bounds is not None:
        raise ValueError("values that are not lists have bounds")
    has_instants = kind == "date" or (kind == "string" and len(integers))
    is_even = len(codes) == (0 if kind == "mixed" else count)
    if not is_even or (has_instants and len(integers) != len(texts)):
        raise ValueError("the columns have different lengths")
    distinct = len(texts) if kind in (*TEXTS, "list of strings") else len(integers) + len(floats)
    if len(codes) and not 0 <= codes.min() <= codes.max() < distinct:
        raise ValueError("a code exceeds the number of distinct values")
