"""Filters on passage metadata: a user's conditions become a mask of rows.

A filter is a mapping. Several keys in one mapping are joined by and:

    {"lang": "en"}                           a bare value: equal
    {"lang": ["en", "de"]}                   a bare list: one of these
    {"year": {"gte": 2000, "lt": 2010}}      operators: eq ne gt gte lt lte in nin exists
    {"or": [FILTER, ...]}  {"and": [FILTER, ...]}  {"not": FILTER}

- `{}` and an empty `and` match every passage, an empty `in` none; an empty `or` is an error.
- `ne`, `nin` and `not` are complements: they also match passages that lack the key.
- On a key with lists, `eq` and `in` match if any element does, so `ne` and `nin` match if none
  does. Lists and booleans have no order.
- `exists` takes true or false; null in a passage counts as absent.
- Strings compare by Unicode code points, dates by the instant they name (`parse_instant`), numbers
  exactly. A key of dates and other strings is of type string: dates then compare as text.
- The type of a key is the type of most of its values. Values of other types match only `exists`
  and the complements.
- A metadata key named `and`, `or` or `not` cannot be filtered.

A filter is checked and compiled once, against the merged schema of all segments; then we compute
one mask per segment.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from graphagg.arrays import Mask
from graphagg.checks import shown
from graphagg.errors import InvalidFilter
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.documents.value_types import ORDERS, ValueType, parse_instant

MAX_DEPTH = 32
MAX_CLAUSES = 1_000

_EQUALITY = ("eq", "ne", "in", "nin", "exists")
_ORDERED: tuple[ValueType, ...] = ("string", "number", "date")
_TEXTS: tuple[ValueType, ...] = ("string", "list of strings", "empty list")
_NUMBERS: tuple[ValueType, ...] = ("number", "list of numbers", "empty list")
_TEXT, _NUMBER_WORDS = "a string of Unicode text", "a finite number"
_WANTED: dict[ValueType, str] = {
    "string": _TEXT,
    "number": _NUMBER_WORDS,
    "boolean": "true or false",
    "date": "an ISO 8601 date like 2024-05-31 or 2024-05-31T12:00:00+02:00",
    "list of strings": _TEXT,
    "list of numbers": _NUMBER_WORDS,
    "empty list": "a string or a finite number",
}
_KEYS_SHOWN = 20
_SEVERAL = (list, tuple, set, frozenset)
_SURROGATE = re.compile("[\ud800-\udfff]")

# --- filters on the command line ------------------------------------------------------------------

_SIGN = re.compile(r"!=|>=|<=|==?|<|>|(?<=\s)in(?!\S)")
SIGNS = {"=": "eq", "==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class CliText(str):
    """A value without a type; it is converted to the type of the key it is compared with."""


def parse_cli(text: str) -> dict[str, Any]:
    """Parse one filter of a command line; join several with `{"and": [...]}`.

    Accepts `k=v`, `k!=v`, `k>v`, `k>=v`, `k<v`, `k<=v`, `k in a,b` or a JSON object; `==` means
    `=`. The first operator counts, white space around keys and values is dropped, and values are
    `CliText`. Use JSON, whose values have types, for everything else. Raises `InvalidFilter` for
    any other text.
    """
    text = text.strip()
    if text.startswith("{"):
        try:
            parsed: dict[str, Any] = json.loads(text, object_pairs_hook=_no_key_twice)
        except (ValueError, RecursionError) as error:
            raise InvalidFilter(f"filter {shown(text)}: not readable as JSON ({error})") from None
        return parsed
    sign = _SIGN.search(text)
    key = text[: sign.start()].strip() if sign else ""
    if not sign or not key:
        raise InvalidFilter(
            f"filter {shown(text)}: expected k=v, k!=v, k>v, k>=v, k<v, k<=v, 'k in a,b' or JSON"
        )
    value = text[sign.end() :].strip()
    if sign[0] != "in":
        return {key: {SIGNS[sign[0]]: CliText(value)}}
    values = [CliText(item.strip()) for item in value.split(",")]
    if not all(values):
        raise InvalidFilter(f"filter {shown(text)}: an empty value in the list; remove it")
    return {key: {"in": values}}


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object; reject a repeated key, since one condition would be lost silently."""
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise InvalidFilter(f'the filter has {key!r} twice in one object; join them by "and"')
        members[key] = value
    return members


def _typed(kind: ValueType, text: CliText) -> object:
    """Convert a command-line value to the key's type; return the text if that is impossible."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind not in ("number", "list of numbers"):
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


# --- compiled filters ---------------------------------------------------------------------------

_Node = tuple[Any, ...]
"""A checked filter:

- `("and", NODE, ...)` and `("or", NODE, ...)`;
- `("not", NODE)`;
- `(OPERATOR, key, type, operand, ...)` with `in`, `gt`, `gte`, `lt`, `lte` or `exists`: the key's
  type in the merged schema, then distinct operands; dates are instants.
"""


@dataclass(frozen=True)
class Predicate:
    """A compiled filter; `key` identifies it in a cache."""

    _root: _Node

    @property
    def key(self) -> str:
        """A string that two different filters never share."""
        return repr(self._root)

    def mask(self, table: MetadataTable) -> Mask:
        """Return a mask `[rows]` of the rows that match; O(rows) per comparison."""
        return _mask(self._root, table)


def _mask(node: _Node, table: MetadataTable) -> Mask:
    match node:
        case ("not", inner):
            return ~_mask(inner, table)
        case ("and" | "or" as name, *inner_nodes):
            combine = np.logical_and if name == "and" else np.logical_or
            mask = np.full(table.rows, name == "and")
            for inner in inner_nodes:
                combine(mask, _mask(inner, table), out=mask)
            return mask
    operator, key, kind, *operands = node
    if operator == "exists":
        return table.rows_with(key)
    return table.matching(key, kind, operator, operands)


def compile_filter(
    filter: Mapping[str, Any],
    schema: Mapping[str, ValueType],
    has_dates: Callable[[str], bool] = lambda key: True,
) -> Predicate:
    """Check a filter against the merged schema of all segments, and compile it.

    `has_dates(key)` returns whether a key of type string has a value that is an ISO 8601 date.
    """
    return Predicate(_Compiler(schema, has_dates).filter(filter, depth=1))


class _Compiler:
    def __init__(self, schema: Mapping[str, ValueType], has_dates: Callable[[str], bool]) -> None:
        self.schema, self.has_dates = schema, has_dates
        self.clauses = 0

    def filter(self, condition: object, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise InvalidFilter(f"the filter is nested deeper than {MAX_DEPTH} levels; simplify it")
        if not isinstance(condition, Mapping):
            raise InvalidFilter(
                f"filter {shown(condition)}: a {type(condition).__name__}, "
                'expected a mapping like {"year": {"gte": 2000}}'
            )
        return ("and", *(self.entry(*item, depth) for item in condition.items()))

    def entry(self, key: object, condition: object, depth: int) -> _Node:
        if key == "not":
            return ("not", self.filter(condition, depth + 1))
        if key not in ("and", "or"):
            return self.condition(key, condition)
        if not isinstance(condition, list | tuple) or (key == "or" and not condition):
            expected = "a list of filters" if key == "and" else "a list of at least one filter"
            raise InvalidFilter(f"{key!r} needs {expected}, found {shown(condition)}")
        return (key, *(self.filter(each, depth + 1) for each in condition))

    def condition(self, key: object, condition: object) -> _Node:
        if not isinstance(key, str):
            raise InvalidFilter(f"key {shown(key)}: a {type(key).__name__}, expected a string")
        kind = self.schema.get(key)
        if kind is None:
            raise InvalidFilter(_unknown(key, self.schema))
        if kind == "mixed":
            raise InvalidFilter(
                f"key {key!r} is of type mixed: its values are objects, lists of differing kinds "
                "or integers of more than 64 bits; give it strings, numbers, dates or lists"
            )
        if not isinstance(condition, Mapping):
            condition = {"in" if isinstance(condition, _SEVERAL) else "eq": condition}
        operators = (*_EQUALITY, *ORDERS) if kind in _ORDERED else _EQUALITY
        if not condition:
            raise InvalidFilter(f"key {key!r} has no operator; use one of {', '.join(operators)}")
        self.clauses += len(condition)
        if self.clauses > MAX_CLAUSES:
            raise InvalidFilter(
                f"the filter has more than {MAX_CLAUSES:,} comparisons; use 'in' for many values"
            )
        for operator in condition:
            if not isinstance(operator, str) or operator not in operators:
                raise InvalidFilter(
                    f"operator {shown(operator)} does not apply to key {key!r} of type {kind}; "
                    f"use one of {', '.join(operators)}"
                )
            value = condition[operator]
            is_date = isinstance(value, str) and parse_instant(value) is not None
            if is_date and kind == "string" and operator in ORDERS and not self.has_dates(key):
                raise InvalidFilter(
                    f"key {key!r} holds texts, none of them an ISO 8601 date: {operator!r} cannot "
                    f"compare them with the date {value}; index dates such as 2024-05-31"
                )
        return ("and", *(_comparison(key, kind, *item) for item in condition.items()))


def _comparison(key: str, kind: ValueType, operator: str, value: Any) -> _Node:
    if operator == "exists":
        if not isinstance(value, bool):
            raise InvalidFilter(f"key {key!r}: 'exists' needs true or false, found {shown(value)}")
        return ("exists", key, kind) if value else ("not", ("exists", key, kind))
    if operator not in ("in", "nin"):
        value = (value,)
    elif not isinstance(value, _SEVERAL):
        raise InvalidFilter(f"key {key!r}: {operator!r} needs a list, found {shown(value)}")
    operands = dict.fromkeys(_operand(key, kind, operator, item) for item in value)
    name = operator if operator in ORDERS else "in"
    node = (name, key, kind, *operands)
    return ("not", node) if operator in ("ne", "nin") else node


def _operand(key: str, kind: ValueType, operator: str, value: object) -> str | float:
    """Convert a value to the type that is used in comparisons."""
    typed = _typed(kind, value) if isinstance(value, CliText) else value
    if kind == "boolean" and isinstance(typed, bool):
        return typed
    if kind == "date" and isinstance(typed, str):
        typed = parse_instant(typed)
        if typed is not None:
            return typed
    if kind in _TEXTS and isinstance(typed, str) and not _SURROGATE.search(typed):
        return typed
    if kind in _NUMBERS and isinstance(typed, int | float) and not isinstance(typed, bool):
        if abs(typed) <= sys.float_info.max:  # else infinite, NaN, or beyond every float64
            return int(typed) if typed == int(typed) else typed
    hint = ""
    if value is None:
        hint = '; for passages that lack the key use {"exists": false}'
    elif isinstance(value, _SEVERAL):
        hint = "; for one of several values use 'in'"
    raise InvalidFilter(
        f"key {key!r} is of type {kind}: {operator!r} needs {_WANTED[kind]}, "
        f"found {shown(value)}{hint}"
    )


def _unknown(key: str, schema: Mapping[str, ValueType]) -> str:
    names = sorted(schema)
    listed = ", ".join(f"{shown(name)} ({schema[name]})" for name in names[:_KEYS_SHOWN])
    more = f" and {len(names) - _KEYS_SHOWN} more" if len(names) > _KEYS_SHOWN else ""
    close = get_close_matches(key[:200], names, n=1)
    advice = f"; did you mean {shown(close[0])}?" if close else "."
    name = key.rstrip("=!<> ")
    if name in schema and (sign := SIGNS.get(key.removeprefix(name).strip())):
        advice = f"; write {{{shown(name)}: {{{shown(sign)}: VALUE}}}}."
    return f"unknown key {shown(key)}{advice} The keys are {listed or 'none'}{more}"
