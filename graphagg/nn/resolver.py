"""The lookup of objects by name, shared by all registries of `graphagg.nn`.

Each package has its registry and its public function in a module `resolver`. Errors about unknown
names and unknown options are made here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

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
    """The entry of a registry.

    Args:
        kind: of the entries, such as `attention`, for the error.
        name: the user's.
        registry: the entries by name.
        otherwise: the alternative to a name, for the error.
        error: the class of the error.

    Raises:
        GraphAggError: no entry has this name; the message lists the nearest name and all others.
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
    """The error about an unknown name; see `find` for the arguments."""
    by_lower = {candidate.lower(): candidate for candidate in names}
    # Matching takes time in the square of the length, and the name is the user's.
    close = get_close_matches(str(name)[:_LONGEST].lower(), by_lower, n=1)
    meant = f" (did you mean {by_lower[close[0]]!r}?)" if close else ""
    choices = ", ".join(by_lower.values()) + (f", or {otherwise}" if otherwise else "")
    return error(f"no {kind} is named {shown(name)}{meant}; wanted one of {choices}")


def build(what: str, make: Callable[..., _T], /, *given: Any, **options: Any) -> _T:
    """Call `make(*given, **options)` after a check of the options' names.

    Args:
        what: name of the object in errors.
        make: a class or function; keywords that a `functools.partial` sets are no options.
        given: its first arguments.
        options: the user's.

    Raises:
        InvalidParameter: an option that `make` does not take; the message lists the others.
    """
    parameters = list(inspect.signature(make).parameters)[len(given) :]
    allowed = [name for name in parameters if name not in getattr(make, "keywords", {})]
    for option in options:
        if option not in allowed:
            raise InvalidParameter(
                f"{what} has no option {option!r}; wanted some of {', '.join(allowed) or 'none'}"
            )
    return make(*given, **options)
