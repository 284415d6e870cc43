"""Helpers for frozen settings dataclasses: field checks, JSON parsing, and differences."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from graphagg.checks import integer, number, one_of, shown
from graphagg.errors import CheckpointMismatch, InvalidParameter
from graphagg.nn.resolver import suggestion

STRICT = ConfigDict(extra="forbid", strict=True)
"""`__pydantic_config__` that makes `parse` reject unknown fields and wrong types."""

LARGE = 2**31
_SHOWN = 4  # number of differences listed in an error
PROBABILITY = {"least": 0.0, "below": 1.0}
_T = TypeVar("_T")


def check_choices(settings: object, **literals: Any) -> None:
    """Check that each field has a value of its `Literal` type."""
    for name, literal in literals.items():
        one_of(name, getattr(settings, name), get_args(literal))


def check_integers(settings: object, **bounds: tuple[int, int | None]) -> None:
    """Check fields against (least, most); convert numpy integers to Python integers."""
    for name, (least, most) in bounds.items():
        object.__setattr__(settings, name, integer(name, getattr(settings, name), least, most))


def check_sizes(settings: object, **bounds: tuple[int, int | None]) -> None:
    """Check each entry of fields that are lists of integers; convert them to tuples."""
    for name, (least, most) in bounds.items():
        sizes = getattr(settings, name)
        if not isinstance(sizes, list | tuple):
            raise InvalidParameter(
                f"{name} is {shown(sizes)}, expected a list of integers such as [10, 5]"
            )
        checked = tuple(integer(name, size, least, most) for size in sizes)
        object.__setattr__(settings, name, checked)


def check_numbers(settings: object, **bounds: dict[str, float]) -> None:
    """Check fields against the bounds of `graphagg.checks.number`; convert them to floats."""
    for name, limits in bounds.items():
        object.__setattr__(settings, name, number(name, getattr(settings, name), **limits))


def part_width(name: str, count: Any, of: str, width: int) -> int:
    """Return the width of one of `count` equal parts, such as heads; `count` divides `width`."""
    if integer(name, count, 1) > width or width % count:
        raise InvalidParameter(f"{name} is {count}, expected a divisor of {of}, which is {width}")
    return width // int(count)


def parse(kind: type[_T], values: dict[str, Any], where: str) -> _T:
    """Create a dataclass, possibly nested, from plain values, without type conversions.

    `where` names the values in error messages. Raises `InvalidParameter` for an unknown field, or
    for a value of the wrong type or out of range.
    """
    if not isinstance(values, dict):
        raise InvalidParameter(f"{where} is {shown(values)}, expected a table of settings")
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        location = first["loc"]
        name = ".".join([where, *map(str, location)])
        message = first["msg"][:1].lower() + first["msg"][1:]
        if first["type"] in ("unexpected_keyword_argument", "dataclass_type"):
            owner, last = _at(kind, location[:-1]), str(location[-1])
            meant = suggestion(last, [other for other in _names(owner) if other != last])
            if first["type"] == "unexpected_keyword_argument":
                raise InvalidParameter(f"{name} is not a field{meant}; {_choice(owner)}") from None
            message = f"expected a table, {_choice(_at(kind, location))}{meant}"
        raise InvalidParameter(f"{name} is {shown(first['input'])}: {message}") from None
    except TypeError as error:
        raise InvalidParameter(f"{where} cannot be written as JSON: {error}") from None


def differences(saved: Any, current: Any, where: str = "") -> list[str]:
    """List the entries in which two nested dicts of plain values differ, sorted."""
    if isinstance(saved, dict) and isinstance(current, dict):
        return [
            line
            for name in sorted({**saved, **current})
            for line in differences(
                saved.get(name), current.get(name), f"{where}.{name}" if where else name
            )
        ]
    return [] if saved == current else [f"{where}: there {saved!r}, now {current!r}"]


def check_same(path: Path, saved: Any, current: Any, remedy: str) -> None:
    """Raise `CheckpointMismatch` if the settings in a file differ from the current settings."""
    fields = differences(saved, current)
    if fields:
        more = f" and {len(fields) - _SHOWN} more" if len(fields) > _SHOWN else ""
        listed = "; ".join(fields[:_SHOWN])
        raise CheckpointMismatch(f"{path} has another configuration ({listed}{more}); {remedy}")


def _names(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)]


def _choice(kind: Any) -> str:
    return f"the fields are {', '.join(_names(kind))}"


def _at(kind: Any, location: tuple[int | str, ...]) -> Any:
    for name in location:
        if isinstance(name, str):
            hint = get_type_hints(kind)[name]
            kind = get_args(hint)[0] if get_origin(hint) is tuple else hint
    return kind
