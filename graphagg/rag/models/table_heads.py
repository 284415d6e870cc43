"""Finds tables in plain text, such as the text of a PDF: rows of numbers and their header lines.

A row is a line that ends in at least two cells: numbers, dashes, currency signs, footnote marks.
The header is the lines above the first row, back to a sentence, an empty line or another table.
A line with several years starts a new table. Lines without cells belong to a table if more rows
follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

_NUMBER = re.compile(r"[$€£¥]?[-+\u2013\u2014]?\(?[$€£¥]?\d[\d.,]*\)?%?\)?|[-\u2013\u2014]+")
_CELL = re.compile(rf"{_NUMBER.pattern}|[$€£¥%*]|\(\w{{1,2}}\)|NM|N/?A")  # or a mark beside one
_YEAR = re.compile(r"(?<![\w.,])(?:19|20)\d\d(?![\w.,%)])")
_MOST_LINES, _MOST_BETWEEN = 6, 3
_SENTENCE, _LINE = 10, 24  # minimum words of a sentence's line, with and without a final ".;:"


class TextTable(NamedTuple):
    """A table `text[start:end]` with its header lines and the offset of each row."""

    start: int
    end: int
    head: Sequence[str]
    rows: list[int]


def tables_of(text: str) -> Iterator[TextTable]:
    r"""Yield the tables of a text in order.

    Examples:
        >>> text = "Sales by region\n(in millions) 2023 2022\nNorth 12 10\nSouth 9 8\nAll grew."
        >>> table, = tables_of(text)
        >>> table.head, len(table.rows)
        (['Sales by region', '(in millions) 2023 2022'], 2)
    """
    above: list[tuple[int, str]] = []  # possible header lines, or lines between rows
    table: TextTable | None = None
    at = 0
    for line in text.splitlines(keepends=True):
        start, at, words = at, at + len(line), line.split()
        cells = takewhile(_CELL.fullmatch, reversed(words))
        numbers = [cell for cell in cells if _NUMBER.fullmatch(cell)]
        is_row = len(numbers) > 1 and not all(map(_YEAR.fullmatch, numbers))
        is_sentence = len(words) >= (_SENTENCE if words[-1:] and words[-1][-1] in ".;:" else _LINE)
        is_end = not is_row and (not words or is_sentence)
        begins = is_row and any(len(_YEAR.findall(other)) > 1 for _, other in above)
        if table and (begins or is_end or len(above) > _MOST_BETWEEN):
            yield table
            table = None
        if is_row and table:
            table.rows.extend([*(offset for offset, _ in above), start])
            table, above = table._replace(end=at), []
        elif is_row:
            head = [" ".join(other.split()) for _, other in above]
            table, above = TextTable(above[0][0] if above else start, at, head, [start]), []
        else:
            above = [] if is_end else [*above, (start, line)][-_MOST_LINES:]
    if table:
        yield table
