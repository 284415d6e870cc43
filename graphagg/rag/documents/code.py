"""Lines of code in a text: they begin with a tab, and contain no sentences and no names but codes.

Codes (`graphagg.rag.documents.codes`) are found in all of a text; extractors read the prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

CODE = "\t"
"""Lines of code begin with it."""
_BLOCK = re.compile(r"^\t.*+(?:\n\t.*+)*+", re.MULTILINE)


def code_blocks(text: str) -> list[tuple[int, int]]:
    """Find the runs of lines of code, `(start, end)`."""
    return [match.span() for match in _BLOCK.finditer(text)] if CODE in text else []


def prose(text: str) -> Iterator[tuple[int, int]]:
    """Find the text between the blocks of code, `(start, end)`."""
    start = 0
    for begin, end in code_blocks(text):
        if text[start:begin].strip():
            yield start, begin
        start = end
    if text[start:].strip():
        yield start, len(text)
