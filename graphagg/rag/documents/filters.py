"""Filters over passage metadata: from the words of a user to a mask of rows.

A filter is a mapping. Several keys in one mapping are joined by and:

    {"lang": "en"}                           a bare value: equal
    {"lang": ["en", "de"]}                   a bare list: one of these
    {"year": {"gte": 2000, "lt": 2010}}      operators: eq ne gt gte lt lte in nin exists
    {"or": [FILTER, ...]}  {"and": [FILTER, ...]}  {"not": FILTER}

- `{}` and an empty `and` match every passage, an empty `in` none; an empty `or` is an error.
- `ne`, `nin` and `not` are complements: they also match passages that lack the key.
- On a key with lists, `eq` and `in` mean "holds an element that is", so `ne` and `nin` mean
  "holds none". Lists and booleans have no order.
- `exists` takes true or false; null in a passage counts as absent.
- Strings compare by Unicode code points, dates by the instant they name (`parse_instant`), numbers
  exactly. A key of dates and other strings is of type string: dates then compare as text.
- A metadata key named `and`, `or` or `not` cannot be filtered.

A filter is compiled once against the merged schema of all segments, which finds every mistake, and
then gives one mask a segment.
"""

from __future__ import annotations

import json
import re
import reprlib
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np

from graphagg.errors import InvalidFilter
from graphagg.rag.documents.metadata import (
    Column,
    Mask,
    MetadataTable,
    ValueType,
    join_types,
    parse_instant,
)

MAX_DEPTH = 32
MAX_CLAUSES = 1_000

_EQUALITY = ("eq", "ne", "in", "nin", "exists")
_ORDER = ("gt", "gte", "lt", "lte")
_ORDERED: tuple[ValueType, ...] = ("string", "number", "date")
_TEXTS: tuple[ValueType, ...] = ("string", "list of strings", "empty list")
_NUMBERS: tuple[ValueType, ...] = ("number", "list of numbers", "empty list")
_WANTED: dict[ValueType, str] = {
    "string": "a string of Unicode text",
    "number": "a finite number",
    "boolean": "true or false",
    "date": "an ISO 8601 date like 2024-05-31 or 2024-05-31T12:00:00+02:00",
    "list of strings": "a string of Unicode text",
    "list of numbers": "a finite number",
    "empty list": "a string or a finite number",
}
_KEYS_SHOWN = 20
_SEVERAL = (list, tuple, set, frozenset)
_SURROGATE = re.compile("[\ud800-\udfff]")

# --- the command line's form -------------------------------------------------------------------

_SIGN = re.compile(r"!=|>=|<=|==?|<|>|(?<=\s)in(?!\S)")
_SIGNS = {"=": "eq", "==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class CliText(str):
    """A value that was written without a type: it takes that of the key it is compared with."""


def parse_cli(text: str) -> dict[str, Any]:
    """Read one filter of a command line; several are joined by `{"and": [...]}`.

    Takes `k=v`, `k!=v`, `k>v`, `k>=v`, `k<v`, `k<=v`, `k in a,b` or a JSON object; `==` is `=`. The
    first sign counts, white space around keys and values is dropped, and values are `CliText`.
    JSON, with the types as written, is for everything else: a sign in a key, a comma in a listed
    value, `or`, `not`, `exists`.

    Raises:
        InvalidFilter: the text has none of these forms.
    """
    text = text.strip()
    if text.startswith("{"):
        return _parse_json(text)
    sign = _SIGN.search(text)
    key = text[: sign.start()].strip() if sign else ""
    if not sign or not key:
        raise InvalidFilter(
            f"filter {_shown(text)}: wanted k=v, k!=v, k>v, k>=v, k<v, k<=v, 'k in a,b' "
            "or a JSON object"
        )
    value = text[sign.end() :].strip()
    if sign[0] != "in":
        return {key: {_SIGNS[sign[0]]: CliText(value)}}
    values = [CliText(item.strip()) for item in value.split(",")]
    if not all(values):
        raise InvalidFilter(
            f"filter {_shown(text)}: an empty value in the list; remove it, or use a JSON object"
        )
    return {key: {"in": values}}


def _parse_json(text: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise InvalidFilter(f"filter {_shown(text)}: not readable as JSON ({error})") from None
    return parsed


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a key given twice would silently lose a condition."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidFilter(f"filter with {key!r} twice in one object; join the two by and")
        found[key] = value
    return found


def _typed(kind: ValueType, text: str) -> object:
    """A value of the command line as one of the key's type, or the text if it is none."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind not in ("number", "list of numbers"):
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


# --- the compiled form -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Comparison:
    """Operator `in`, `gt`, `gte`, `lt`, `lte` or `exists`; operands differ, dates are instants.

    `type` is that of the key in the merged schema; a segment's column may be narrower.
    """

    key: str
    type: ValueType
    operator: str
    operands: tuple[Any, ...]

    @cached_property
    def canonical(self) -> str:
        return json.dumps([self.operator, self.key, self.type, *self.operands])

    def mask(self, table: MetadataTable) -> Mask:
        column = table.columns.get(self.key)
        if column is None:
            return table.holding(self.key)
        if join_types(column.type, self.type) != self.type:
            raise InvalidFilter(
                f"key {self.key!r} is of type {column.type} in this segment, the filter was "
                f"compiled for {self.type}; compile it with the schema of this index"
            )
        if self.operator == "exists":
            return table.holding(self.key)
        return table.having(self.key, _wanted(column, self))


@dataclass(frozen=True)
class _Junction:
    """Every part, or any part; the parts differ and are ordered by their canonical form."""

    every: bool
    parts: tuple[_Node, ...]

    @cached_property
    def canonical(self) -> str:
        name = '"and"' if self.every else '"or"'
        return f"[{', '.join([name, *(part.canonical for part in self.parts)])}]"

    def mask(self, table: MetadataTable) -> Mask:
        combine = np.logical_and if self.every else np.logical_or
        mask = np.full(table.rows, self.every)
        for part in self.parts:
            combine(mask, part.mask(table), out=mask)
        return mask


@dataclass(frozen=True)
class _Not:
    part: _Node

    @cached_property
    def canonical(self) -> str:
        return f'["not", {self.part.canonical}]'

    def mask(self, table: MetadataTable) -> Mask:
        return ~self.part.mask(table)


_Node = _Comparison | _Junction | _Not


@dataclass(frozen=True)
class Predicate:
    """A compiled filter; equal and hashed by its key.

    Attributes:
        key: canonical JSON. Filters that differ only in order, repetition or spelling (a bare value
            or `eq`, `ne` or `not`, 1 or 1.0) share it; equal keys give equal masks.
    """

    key: str
    _root: _Node = field(repr=False, compare=False)

    def mask(self, table: MetadataTable) -> Mask:
        """Which rows match, `[rows]` bool; O(rows) for each comparison.

        Raises:
            InvalidFilter: a column's type does not fit the schema of the compilation.
        """
        return self._root.mask(table)


_COMPARE = {"gt": np.greater, "gte": np.greater_equal, "lt": np.less, "lte": np.less_equal}


def _wanted(column: Column, comparison: _Comparison) -> Mask:
    """Which values of the column's dictionary satisfy the comparison, `[d]`."""
    operands, name = comparison.operands, comparison.operator
    if comparison.type == "boolean":
        return np.array([False in operands, True in operands])
    if comparison.type == "date":
        assert column.instants is not None, "a column of dates has instants"
        if name == "in":
            return np.isin(column.instants, np.array(operands, dtype=np.int64))
        return np.asarray(_COMPARE[name](column.instants, operands[0]))
    values: Any = column.dictionary
    wanted = np.zeros(len(values), dtype=np.bool_)
    if name == "in":
        for operand in operands:
            place = bisect_left(values, operand)
            if place < len(values) and values[place] == operand:
                wanted[place] = True
        return wanted
    place = (bisect_right if name in ("gt", "lte") else bisect_left)(values, operands[0])
    wanted[slice(place, None) if name in ("gt", "gte") else slice(place)] = True
    return wanted


# --- compiling ---------------------------------------------------------------------------------


def compile_filter(filter: Mapping[str, Any], schema: Mapping[str, ValueType]) -> Predicate:
    """Check a filter against the merged schema of all segments and make it ready to evaluate.

    Args:
        filter: see the head of this file; values of type `CliText` take the type of their key.
        schema: the type of each key, see `merge_schemas`.

    Raises:
        InvalidFilter: an unknown or mixed key, an unknown operator, a value that does not fit the
            type of its key, or more than `MAX_DEPTH` levels or `MAX_CLAUSES` comparisons.
    """
    root = _Compiler(schema).filter(filter, depth=1)
    return Predicate(root.canonical, root)


class _Compiler:
    def __init__(self, schema: Mapping[str, ValueType]) -> None:
        self.schema = schema
        self.clauses = 0

    def filter(self, given: object, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise InvalidFilter(f"filter nested deeper than {MAX_DEPTH} levels; write it flatter")
        if not isinstance(given, Mapping):
            raise InvalidFilter(
                f"filter {_shown(given)}: a {type(given).__name__}, "
                'wanted a mapping like {"year": {"gte": 2000}}'
            )
        return _junction(True, [self.part(key, value, depth) for key, value in given.items()])

    def part(self, key: object, given: object, depth: int) -> _Node:
        if key == "not":
            return _negated(self.filter(given, depth + 1))
        if key not in ("and", "or"):
            return self.condition(key, given)
        if not isinstance(given, list | tuple) or (key == "or" and not given):
            wanted = "a list of filters" if key == "and" else "a list of at least one filter"
            raise InvalidFilter(f"{key!r} wants {wanted}, found {_shown(given)}")
        return _junction(key == "and", [self.filter(part, depth + 1) for part in given])

    def condition(self, key: object, given: object) -> _Node:
        name, kind = self.known(key)
        if not isinstance(given, Mapping):
            given = {"in" if isinstance(given, _SEVERAL) else "eq": given}
        if not given:
            raise InvalidFilter(f"key {name!r}: no operator; use {', '.join(_operators(kind))}")
        return _junction(True, [self.clause(name, kind, op, given[op]) for op in given])

    def known(self, key: object) -> tuple[str, ValueType]:
        if not isinstance(key, str):
            raise InvalidFilter(f"key {_shown(key)}: a {type(key).__name__}, wanted a string")
        kind = self.schema.get(key)
        if kind is None:
            raise InvalidFilter(_unknown(key, self.schema))
        if kind == "mixed":
            raise InvalidFilter(
                f"key {key!r} is of type mixed: its values differ in kind, or are objects; "
                "it can be filtered once every passage gives it one kind of value"
            )
        return key, kind

    def clause(self, key: str, kind: ValueType, name: object, value: object) -> _Node:
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise InvalidFilter(
                f"filter with more than {MAX_CLAUSES:,} comparisons; use 'in' for many values"
            )
        operators = _operators(kind)
        if not isinstance(name, str) or name not in operators:
            raise InvalidFilter(
                f"key {key!r} is of type {kind}: operator {_shown(name)} is none of "
                f"{', '.join(operators)}"
            )
        return _comparison(key, kind, name, value)


def _comparison(key: str, kind: ValueType, name: str, value: object) -> _Node:
    if name == "exists":
        if not isinstance(value, bool):
            raise InvalidFilter(f"key {key!r}: 'exists' wants true or false, found {_shown(value)}")
        return _Comparison(key, kind, name, ()) if value else _Not(_Comparison(key, kind, name, ()))
    given: Iterable[object] = (value,)
    if name in ("in", "nin"):
        if not isinstance(value, _SEVERAL):
            raise InvalidFilter(f"key {key!r}: {name!r} wants a list, found {_shown(value)}")
        given = value
    operands = {_operand(key, kind, name, item) for item in given}
    ordered = tuple(sorted(operands, key=repr))
    comparison = _Comparison(key, kind, name if name in _ORDER else "in", ordered)
    return _Not(comparison) if name in ("ne", "nin") else comparison


def _operand(key: str, kind: ValueType, name: str, value: object) -> str | float:
    operand = _fitted(kind, value)
    if operand is None:
        hint = ""
        if value is None:
            hint = '; for passages that lack the key use {"exists": false}'
        elif isinstance(value, _SEVERAL):
            hint = "; for one of several values use 'in'"
        raise InvalidFilter(
            f"key {key!r} is of type {kind}: {name!r} wants {_WANTED[kind]}, "
            f"found {_shown(value)}{hint}"
        )
    return operand


def _fitted(kind: ValueType, value: object) -> str | float | None:
    """The value in the form in which it is compared; None if it does not fit the type."""
    if isinstance(value, CliText):
        value = _typed(kind, str(value))
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "date":
        return parse_instant(value) if isinstance(value, str) else None
    if isinstance(value, str):
        return value if kind in _TEXTS and not _SURROGATE.search(value) else None
    return _number(value) if kind in _NUMBERS else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not abs(value) <= sys.float_info.max:  # NaN, infinite, or an integer beyond every float64
        return None
    return int(value) if value == int(value) else value


def _junction(every: bool, parts: Iterable[_Node]) -> _Node:
    found: dict[str, _Node] = {}
    for part in parts:
        flat = part.parts if isinstance(part, _Junction) and part.every == every else (part,)
        found |= {inner.canonical: inner for inner in flat}
    if len(found) == 1:
        return next(iter(found.values()))
    return _Junction(every, tuple(found[key] for key in sorted(found)))


def _negated(part: _Node) -> _Node:
    return part.part if isinstance(part, _Not) else _Not(part)


def _unknown(key: str, schema: Mapping[str, ValueType]) -> str:
    names = sorted(schema)
    listed = ", ".join(f"{_shown(name)} ({schema[name]})" for name in names[:_KEYS_SHOWN])
    more = f" and {len(names) - _KEYS_SHOWN} more" if len(names) > _KEYS_SHOWN else ""
    close = get_close_matches(key[:200], names, n=1)
    meant = f"; did you mean {_shown(close[0])}?" if close else "."
    return f"unknown key {_shown(key)}{meant} The keys are {listed or 'none'}{more}"


def _operators(kind: ValueType) -> tuple[str, ...]:
    return (*_EQUALITY, *_ORDER) if kind in _ORDERED else _EQUALITY


def _shown(value: object) -> str:
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = 60
    try:
        return brief.repr(value)
    except ValueError:  # an integer of thousands of digits
        return f"a huge {type(value).__name__}"
