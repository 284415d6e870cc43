"""Parameter checks. All errors state the value found and the values expected.

Each check raises `InvalidParameter` or returns the value, so it can be used in an expression.
NumPy integers and floats are accepted as numbers; booleans are not.
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
    """Check that a value is one of the choices."""
    if not any(value is choice or value == choice for choice in choices):
        raise _wrong(name, value, f"one of {', '.join(map(str, choices))}")
    return value


def integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Check that a value is an integer from `least` to `most` (inclusive; None: no maximum)."""
    checked = _plain(value)
    if not isinstance(checked, int) or checked < least or (most is not None and checked > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
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
    """Check that a value is a finite number within its bounds; return it as a float."""
    checked = _plain(value)
    # Compare integers without converting them first: they may be too large for a float.
    if checked is None or not (least <= checked <= most and above < checked < below):
        raise _wrong(name, value, _numbers(least, above, most, below))
    return float(checked)


def check_names(values: Iterable[str], names: Sequence[str]) -> None:
    """Raise `InvalidParameter` for a name that is not in `names`; suggest the closest one."""
    for name in values:
        if name not in names:
            from difflib import get_close_matches

            close = [f"did you mean `{each}`?" for each in get_close_matches(name, names, 1)]
            advice = close or [f"expected one of {', '.join(f'`{each}`' for each in names)}"]
            raise InvalidParameter(f"unknown parameter `{name}`, {advice[0]}")


def with_values(base: D, values: Mapping[str, Any]) -> D:
    """Copy a dataclass with some values replaced; errors for unknown names suggest a close one."""
    check_names(values, [each.name for each in fields(base)])
    return replace(base, **values) if values else base


def _plain(value: object) -> int | float | None:
    """Convert to a Python int or float; return None for booleans and all other types."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return int(value) if isinstance(value, Integral) else float(value)


def shown(value: object) -> str:
    """Format a value for an error message; cut after 100 characters."""
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
