"""Reads the documentation of fields from docstrings; a short `repr` for dataclasses."""

from __future__ import annotations

import inspect
import re
import reprlib
from functools import cache
from typing import Any


class _Short(reprlib.Repr):
    """A `repr` that shows the shape of an array instead of its values."""

    def repr_ndarray(self, array: Any, level: int) -> str:
        return f"<{' x '.join(map(str, array.shape))} {array.dtype}>"


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 3


class Brief:
    """Base of dataclasses (`repr=False`) with a `repr` that shortens long values."""

    def __repr__(self) -> str:
        fields = (f"{n}={short(v)}" for n, v in vars(self).items() if not n.startswith("_"))
        return f"{type(self).__name__}({', '.join(fields)})"


def short(value: object) -> str:
    """Format a value in at most 123 characters; longer text ends in dots."""
    text = _SHORT.repr(value)
    return text if len(text) <= 120 else f"{text[:120]}..."


def text_of(kind: type, name: str) -> str:
    """Return the text on a field in `Attributes:` of its class or a base class; "" if none."""
    return next((texts[name] for texts in map(_attributes, kind.__mro__) if name in texts), "")


@cache
def _attributes(kind: type) -> dict[str, str]:
    """Parse the section "Attributes" of a class's own docstring; return the text of each field."""
    texts: dict[str, str] = {}
    _, _, entries = inspect.cleandoc(kind.__dict__.get("__doc__") or "").partition("Attributes:\n")
    for entry in re.split(r"\n(?=    \S)", entries.split("\n\n")[0]):
        name, _, text = entry.strip().partition(": ")
        texts[name] = " ".join(text.split())
    return texts
