"""Checks of parameters, with one wording of errors: the value found, and those expected.

Each check raises `InvalidParameter` or returns the value, so it can be part of an expression.
Numpy's integers and floats count as numbers; booleans do not.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeVar

from graphagg.errors import InvalidParameter

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
D = TypeVar("D", bound="DataclassInstance")

_LARGEST = sys.float_info.max
_LONGEST = 100


def one_of(name: str, value: T, choices: Collection[Any]) -> T:
    """Check that a value is one of some choices."""
    if not any(value is choice or value == choice for choice in choices):
        raise _wrong(name, value, f"one of {', '.join(map(str, choices))}")
    return value


def integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Check an integer, bounds included."""
    checked = _plain(value)
    if not isinstance(checked, int) or checked < least or (most is not None and checked > most):
        bounds = f"of at least {least}" if most is None else f"of {least} to {most}"
        raise _wrong(name, value, f"an integer {bounds}")
    return checked


def number(
    name: str,
    value: Any,
    *,
    least: float = -_LARGEST,
    above: float = -math.inf,
    most: float = _LARGEST,
    below: float = math.inf,
) -> float:
    """Check a finite number: at least or above a bound, at most or below another."""
    checked = _plain(value)
    # Integers are compared as they are: a float may hold no number that large.
    if checked is None or not (least <= checked <= most and above < checked < below):
        raise _wrong(name, value, _numbers(least, above, most, below))
    return float(checked)


def check_names(values: Iterable[str], names: Sequence[str]) -> None:
    """Raise `InvalidParameter` for a name that is none of `names`; it suggests the closest."""
    for name in values:
        if name not in names:
            from difflib import get_close_matches

            close = [f"did you mean `{each}`?" for each in get_close_matches(name, names, 1)]
            advice = close or [f"expected one of {', '.join(f'`{each}`' for each in names)}"]
            raise InvalidParameter(f"unknown parameter `{name}`, {advice[0]}")


def with_values(base: D, values: Mapping[str, Any]) -> D:
    """Copy a dataclass with other values; `InvalidParameter` suggests a name for a typo."""
    check_names(values, [each.name for each in fields(base)])
    return replace(base, **values) if values else base


def _plain(value: object) -> int | float | None:
    """Convert to a Python number; None for booleans and anything else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return int(value) if isinstance(value, Integral) else float(value)


def shown(value: object) -> str:
    """Show a value in an error, in at most 100 characters."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        return "an integer of thousands of digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _numbers(least: float, above: float, most: float, below: float) -> str:
    bounds = {"of at least": least, "above": above, "of at most": most, "below": below}
    phrases = [f"{word} {bound:g}" for word, bound in bounds.items() if abs(bound) < _LARGEST]
    return " and ".join([" ".join(["a finite number", *phrases[:1]]), *phrases[1:]])


def _wrong(name: str, value: object, allowed: str) -> InvalidParameter:
    return InvalidParameter(f"{name} is {shown(value)}, expected {allowed}")
