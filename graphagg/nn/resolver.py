"""Looks up objects by name in the registries of `graphagg.nn`, with uniform error messages.

The registries are in modules named `resolver`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from graphagg.checks import shown
from graphagg.errors import GraphAggError, InvalidParameter

_T = TypeVar("_T")
_LONGEST = 100


def find(
    kind: str,
    name: object,
    registry: Mapping[str, _T],
    otherwise: str = "",
    error: type[GraphAggError] = InvalidParameter,
) -> _T:
    """Return an entry of a registry, or raise `error`, which lists the closest and all other names.

    `kind` describes the entries in the error, such as `attention`; `otherwise` is an alternative
    to a name.
    """
    if isinstance(name, str) and name in registry:
        return registry[name]
    raise unknown(kind, name, registry, otherwise, error)


def unknown(
    kind: str,
    name: object,
    names: Iterable[str],
    otherwise: str = "",
    error: type[GraphAggError] = InvalidParameter,
) -> GraphAggError:
    """Create the error for an unknown name; see `find`."""
    names = list(names)
    choices = ", ".join(names) + (f", or {otherwise}" if otherwise else "")
    meant = suggestion(str(name), names)
    return error(f"no {kind} is named {shown(name)}{meant}; expected one of {choices}")


def suggestion(name: str, names: Iterable[str]) -> str:
    """Return ` (did you mean NAME?)` with the closest name; empty if no name is close."""
    by_lower = {candidate.lower(): candidate for candidate in names}
    # Matching takes quadratic time in the length of the user's name.
    close = get_close_matches(name[:_LONGEST].lower(), by_lower, n=1)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""
