"""Checks of parameters: one wording for what was found and what was wanted.

Each raises `InvalidParameter` and returns the value, so that a check can stand where the value is
used. Booleans are no numbers here, numpy's integers and floats are.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any, TypeVar

from graphagg.errors import InvalidParameter

T = TypeVar("T")

_LARGEST = sys.float_info.max
_LONGEST = 100
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def one_of(name: str, value: T, choices: Collection[Any]) -> T:
    """Check a choice."""
    if not any(value is choice or value == choice for choice in choices):
        raise _wrong(name, value, f"one of {', '.join(map(str, choices))}")
    return value


def integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Check an integer, bounds included."""
    found = _plain(value)
    if not isinstance(found, int) or found < least or (most is not None and found > most):
        raise _wrong(name, value, _integers(least, most))
    return found


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
    found = _plain(value)
    # Integers are compared as they are: a float may hold no number that large.
    if found is None or not (least <= found <= most and above < found < below):
        raise _wrong(name, value, _numbers(least, above, most, below))
    return float(found)


def bytes_of(name: str, value: int | str) -> int:
    """A size in bytes: a number, or a text such as `8GiB`, `512 MiB` or `4G` (powers of 1,024)."""
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if isinstance(value, str) and found is None:
        raise _wrong(name, value, "a size such as 8GiB or 512MiB")
    if found is None:
        return integer(name, value, 1)
    return integer(name, int(float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " ")), 1)


def _plain(value: object) -> int | float | None:
    """The Python number of a number of any library; None for booleans and for all else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return int(value) if isinstance(value, Integral) else float(value)


def shown(value: object) -> str:
    """The value as an error shows it: at most 100 characters."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        return "an integer of thousands of digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _integers(least: int, most: int | None) -> str:
    return f"an integer of at least {least}" if most is None else f"an integer of {least} to {most}"


def _numbers(least: float, above: float, most: float, below: float) -> str:
    bounds = {"of at least": least, "above": above, "of at most": most, "below": below}
    said = [f"{word} {bound:g}" for word, bound in bounds.items() if abs(bound) < _LARGEST]
    return " and ".join([" ".join(["a finite number", *said[:1]]), *said[1:]])


def _wrong(name: str, value: object, wanted: str) -> InvalidParameter:
    return InvalidParameter(f"{name} is {shown(value)}, wanted {wanted}")
