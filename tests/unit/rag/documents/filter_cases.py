"""Metadata filters by brute force over the dicts, and random rows and filters."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from graphagg.rag.documents.filters import compile_filter
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.documents.value_types import ValueType, merge_schemas
from graphagg.store import open_artifact, write_artifact
from graphagg.store.manifest import Manifest

Row = dict[str, Any]
Schema = dict[str, ValueType]


def masks(filter: Mapping[str, Any], *segments: Sequence[Mapping[str, Any]]) -> list[bool]:
    tables = [MetadataTable.build(rows) for rows in segments]
    predicate = compile_filter(filter, merge_schemas(table.counts for table in tables))
    parts = [predicate.mask(table) for table in tables]
    assert all(part.dtype == np.bool_ for part in parts)
    return [bool(hit) for part in parts for hit in part]


def reopened(table: MetadataTable, folder: Path) -> MetadataTable:
    with write_artifact(folder) as publication:
        table.save(publication.writer, "segment-0.metadata")
        publication.publish(Manifest("test"))
    with open_artifact(folder) as artifact:
        return MetadataTable.open(artifact, "segment-0.metadata", table.rows)


# --- brute force, from the words of the documentation ------------------------------------------


def moment(text: str) -> datetime | None:
    if len(text) < 10 or text[4:8:3] != "--":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def brute_kind(value: Any) -> str | None:
    """The type of one value, None where it counts as absent."""
    if value is None or value != value:
        return None
    for name, types in (("boolean", {bool}), ("number", {int, float}), ("string", {str})):
        if type(value) in types:
            return name
    if type(value) is not list:
        return "mixed"
    kinds = {type(element) for element in value}
    for name, types in (
        ("empty list", set()),
        ("list of strings", {str}),
        ("list of numbers", {int, float}),
    ):
        if kinds <= types:
            return name
    return "mixed"


def brute_type(values: Iterable[Any]) -> str | None:
    """The type that most values of a key have, None if there are none."""
    present = [(brute_kind(value), value) for value in values]
    present = [(kind, value) for kind, value in present if kind]
    if not present:
        return None
    kinds = [kind for kind, _ in present]
    best, most = "mixed", 0
    for kind in ("string", "number", "boolean", "list of strings", "list of numbers"):
        count = kinds.count(kind)
        if count and kind.startswith("list"):
            count += kinds.count("empty list")
        if count > most:
            best, most = kind, count
    if kinds.count("empty list") > most and "list of" not in " ".join(kinds):
        best = "empty list"
    if best == "string" and all(moment(v) for kind, v in present if kind == "string"):
        best = "date"
    return best


def brute_fits(value: Any, kind: str) -> bool:
    """Whether a value is of the type of its key."""
    own = brute_kind(value)
    return own == {"date": "string"}.get(kind, kind)


COMPARE = {
    "eq": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def brute(filter: Mapping[str, Any], row: Row, types: Mapping[str, str]) -> bool:
    def part(key: str, wanted: Any) -> bool:
        if key in ("and", "or"):
            return (all if key == "and" else any)([brute(f, row, types) for f in wanted])
        if key == "not":
            return not brute(wanted, row, types)
        if not isinstance(wanted, dict):
            wanted = {"in" if isinstance(wanted, list) else "eq": wanted}
        return all(brute_clause(row.get(key), types[key], *item) for item in wanted.items())

    return all(part(key, wanted) for key, wanted in filter.items())


def brute_clause(value: Any, kind: str, name: str, wanted: Any) -> bool:
    if name == "exists":
        return (value is not None) is wanted
    if name in ("ne", "nin"):
        return not brute_clause(value, kind, {"ne": "eq", "nin": "in"}[name], wanted)
    if name == "in":
        return any(brute_clause(value, kind, "eq", item) for item in wanted)
    if not brute_fits(value, kind):
        return False
    found = value if isinstance(value, list) else [value]
    if kind == "date":
        found, wanted = [moment(v) for v in found], moment(wanted)
    return any(COMPARE[name](v, wanted) for v in found)


# --- random rows and filters -------------------------------------------------------------------

WORDS = st.one_of(
    st.sampled_from(["", "a", "ab", "b", "é", "e\u0301", "z", "\uffff", "\U0001f600", "2000", "Z"]),
    st.text(max_size=3),
)
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from(
        [
            2**53,
            2**53 + 1,
            2**53 + 2,
            -(2**53) - 1,
            2**62 + 1,
            2**63 - 1,
            -(2**63),
            2.0**64,
            2.0**63,
            0.5,
        ]
    ),
    st.floats(allow_nan=False, allow_infinity=False),
)
LARGE = st.sampled_from([2**63, 2**64 + 1, -(2**63) - 1, 2**100 + 1])
"""Integers of more than 64 bits, which a filter may name; metadata do not hold them."""
DATES = st.one_of(
    st.sampled_from(
        [
            "2020-01-01",
            "2020-01-01T00:00Z",
            "2020-01-01 02:00:00+02:00",
            "2019-12-31T19:00:00-0500",
            "2020-01-01T00:00:00.000001",
            "0001-01-01T00:00+10:00",
            "9999-12-31T23:59:59,5-10",
        ]
    ),
    st.dates().map(str),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "lang": WORDS,
    "year": NUMBERS,
    "flag": st.booleans(),
    "when": DATES,
    "note": st.one_of(DATES, DATES, DATES, WORDS),
    "tags": st.lists(WORDS | DATES, max_size=3),
    "marks": st.lists(NUMBERS, max_size=3),
    "none": st.just([]),
    "odd": st.one_of(WORDS, NUMBERS, st.lists(WORDS | NUMBERS, max_size=2), st.just({"a": 1})),
}
ROWS = st.fixed_dictionaries({}, optional={k: st.none() | v for k, v in VALUES.items()})
OPERANDS: dict[str, st.SearchStrategy[Any]] = {
    "string": WORDS | DATES,
    "number": NUMBERS | LARGE,
    "boolean": st.booleans(),
    "date": DATES,
    "list of strings": WORDS | DATES,
    "list of numbers": NUMBERS | LARGE,
    "empty list": WORDS | NUMBERS,
}


def clauses(key: str, kind: str) -> st.SearchStrategy[Row]:
    value = OPERANDS[kind]
    several = st.lists(value, max_size=4)
    operators = {"eq": value, "ne": value, "in": several, "nin": several, "exists": st.booleans()}
    if kind in ("string", "number", "date"):
        operators |= dict.fromkeys(("gt", "gte", "lt", "lte"), value)
    some = st.fixed_dictionaries({}, optional=operators).filter(bool)
    return st.one_of(value, several, some).map(lambda condition: {key: condition})


def filters(types: Mapping[str, str]) -> st.SearchStrategy[Row]:
    known = [clauses(key, kind) for key, kind in types.items() if kind != "mixed"]
    leaf = st.one_of(st.just({}), *known)
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"or": parts}),
            st.lists(inner, max_size=3).map(lambda parts: {"and": parts}),
            inner.map(lambda part: {"not": part}),
            st.tuples(inner, inner).map(lambda two: two[0] | two[1]),
        ),
        max_leaves=6,
    )
