"""Documentation of dataclass fields: the texts under `Attributes:` of a class's docstring."""

from __future__ import annotations

import inspect
import re
from functools import cache


def text_of(kind: type, name: str) -> str:
    """The documentation of a field, in one line; "" where neither the class nor a base has one.

    Examples:
        >>> class Box:
        ...     '''A box.
        ...
        ...     Attributes:
        ...         width: in meters.
        ...     '''
        >>> text_of(Box, "width")
        'in meters.'
    """
    return next((texts[name] for texts in map(_attributes, kind.__mro__) if name in texts), "")


@cache
def _attributes(kind: type) -> dict[str, str]:
    """The texts of the section "Attributes" of a class's own docstring, by field."""
    texts: dict[str, str] = {}
    _, _, section = inspect.cleandoc(kind.__dict__.get("__doc__") or "").partition("Attributes:\n")
    for entry in re.split(r"\n(?=    \S)", section.split("\n\n")[0]):
        name, _, text = entry.strip().partition(": ")
        texts[name] = " ".join(text.split())
    return texts
