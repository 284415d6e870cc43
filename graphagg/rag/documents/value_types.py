"""Types of metadata values, the type of a key over all segments, and comparisons of values.

Strings are of type `date` if each is an ISO 8601 date or date and time (`parse_instant`). Numbers
are floats and 64-bit integers. Objects, larger integers and lists with values of several types are
`mixed` and are not stored; `[]` counts as the type of the key's other lists.

A key has the type that most of its values have, over all segments; ties go to the first type of
`FAMILIES`, and a key is `mixed` only if all its values are. null and NaN count as absent.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from graphagg.arrays import Array, Mask
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa

ValueType = Literal[
    "string", "number", "boolean", "date",
    "list of strings", "list of numbers", "empty list", "mixed",
]  # fmt: skip

TEXTS: tuple[ValueType, ...] = ("date", "string")
LISTS: tuple[ValueType, ...] = ("list of strings", "list of numbers")
_LIST_TYPES: dict[frozenset[str | None], ValueType] = {
    frozenset(): "empty list",
    frozenset(["string"]): "list of strings",
    frozenset(["number"]): "list of numbers",
}
FAMILIES: tuple[ValueType, ...] = ("string", "date", "number", "boolean", *LISTS, "empty list")
"""The types that can be filtered, in the order of preference between equally frequent ones."""

ORDERS = {"gt": "greater", "gte": "greater_equal", "lt": "less", "lte": "less_equal"}
"""Operators that need an order, and the name of each in numpy and Arrow."""

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
    families = Counter({kind: counts[kind] for kind in FAMILIES})
    lists = [kind for kind in LISTS if counts[kind]]
    if counts["string"]:
        families["string"] += families.pop("date")
    if lists:
        empty = families.pop("empty list")
        families.update(dict.fromkeys(lists, empty))
    first = max(FAMILIES, key=lambda kind: families[kind])  # the first of the largest
    return first if families[first] else "mixed"


def type_of(value: object) -> ValueType | None:
    """Return the type of one value, None if it counts as absent; a date is of type string here."""
    if value is None:
        return None
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "number" if is_int64(value) else "mixed"
    if isinstance(value, float):
        return "number" if value == value else None
    if not isinstance(value, list | tuple):
        return "mixed"
    kinds = frozenset(map(type_of, value))
    return _LIST_TYPES.get(kinds, "mixed")


def is_int64(value: float) -> bool:
    """Return whether a number is a 64-bit integer."""
    return -(2**63) <= value < 2**63 and value == int(value)


# --- dates -------------------------------------------------------------------------------------

_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


NEVER = -(2**63)
"""The instant of a passage without a date, or of a text that is not a date; before all others."""


def parse_instant(text: str) -> int | None:
    """Parse an ISO 8601 date, or date and time, to microseconds since 1970 in UTC.

    Returns None for any other text. Accepts `YYYY-MM-DD`, then optionally `T` or a space and
    `hh:mm[:ss[.fraction]]` with or without `Z` or `+hh[[:]mm]`. A date is the instant at which it
    begins. Times without an offset are in UTC; digits beyond microseconds are cut off.
    """
    if not _DATE.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # no such day, minute or offset
        return None
    utc = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (utc - _EPOCH) // timedelta(microseconds=1)


def compare(values: Array, operator: str, operands: Sequence[Any]) -> Mask:
    """Compare int64 or float64 values with numbers of any size, exactly."""
    is_integer = values.dtype == np.int64
    if operator == "in":
        fits = is_int64 if is_integer else lambda x: float(x) == x
        return np.isin(values, np.array([x for x in operands if fits(x)], values.dtype))
    # Round a limit between two values of the dtype to the one that gives the same comparison.
    (limit,), is_down = operands, operator in ("gt", "lte")
    if is_integer:
        limit = math.floor(limit) if is_down else math.ceil(limit)
    elif (nearest := float(limit)) != limit and (nearest > limit) == is_down:
        limit = math.nextafter(nearest, -math.inf if is_down else math.inf)
    else:
        limit = nearest
    return np.asarray(getattr(np, ORDERS[operator])(values, limit))


def compare_texts(texts: pa.Array, operator: str, operands: Sequence[Any]) -> Mask:
    """Compare texts by their code points."""
    import pyarrow as pa
    import pyarrow.compute as pc

    packed = StringTable.pack(operands)
    buffers = map(pa.py_buffer, (packed.offsets, packed.data))
    sought = pa.LargeStringArray.from_buffers(len(packed), *buffers)  # `pa.array` loads pandas
    if operator == "in":
        return np.asarray(pc.is_in(texts, value_set=sought))
    return np.asarray(getattr(pc, ORDERS[operator])(texts, sought[0]))
