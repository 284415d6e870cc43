"""Encoding of metadata: the values of a key as columns, and columns as Arrow arrays."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import offsets
from graphagg.errors import InvalidPassage
from graphagg.rag.documents.value_types import LISTS, NEVER, ValueType, is_int64, parse_instant
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa


def arrow_array(kind: pa.DataType, values: Sequence[Any] | npt.NDArray[Any]) -> pa.Array:
    """An array of a type of the table; `pa.array` and `to_pandas_dtype` would load pandas."""
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
        """The table's row of one key and type; the segment has `count` passages."""
        if not isinstance(key, str):
            raise InvalidPassage(f"metadata key {key!r}: a {type(key).__name__}, wanted a string")
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
                f"metadata key {key!r}: it or one of its values holds a lone surrogate; remove it"
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
