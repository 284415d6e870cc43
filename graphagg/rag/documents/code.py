"""Lines of code in a text: they begin with a tab, hold no sentences, and name identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator

CODE = "\t"
"""Lines of code begin with it."""
_BLOCK = re.compile(r"^\t.*+(?:\n\t.*+)*+", re.MULTILINE)
_IDENTIFIER = re.compile(r"(?<![\w.-])[A-Za-z_][\w-]{1,80}(?:\.[A-Za-z_][\w-]{0,80}){0,6}(?![\w-])")
_JOINED = re.compile(r"[A-Za-z0-9][_.-][A-Za-z0-9]|[a-z][A-Z]|[A-Za-z]{2}\d")


def code_blocks(text: str) -> list[tuple[int, int]]:
    """Find the runs of lines of code, `(start, end)`."""
    return [match.span() for match in _BLOCK.finditer(text)] if CODE in text else []


def prose(text: str) -> Iterator[tuple[int, int]]:
    """Find what lies between the blocks of code, `(start, end)`."""
    start = 0
    for begin, end in code_blocks(text):
        if text[start:begin].strip():
            yield start, begin
        start = end
    if text[start:].strip():
        yield start, len(text)


def identifiers(text: str) -> Iterator[tuple[int, int]]:
    """Find the identifiers in the code of a text: words of several parts, such as `max_words`."""
    for start, end in code_blocks(text):
        for match in _IDENTIFIER.finditer(text, start, end):
            if _JOINED.search(match[0]):
                yield match.span()
