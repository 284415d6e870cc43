"""Find tables in a grid of cells, such as a sheet: titles, column names and rows.

Blank rows separate the parts of a grid. A part begins with its titles (rows with one cell). The
next row has the column names, unless it has numbers; a part without names continues the last table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

Rows = Sequence[Sequence[str]]
"""Rows of cells, stripped of white space."""

LONGEST_NAME = 200  # characters of a column name, which each row repeats
_SAMPLE = 20  # rows checked for a number, which shows that the row above has the column names
_VALUE = re.compile(r"(?!(?:19|20)\d\d\Z)\W{0,3}\d[\d.,:/%' -]*\W{0,3}")  # a number, not a year


class TablePart(NamedTuple):
    """Rows `start:end` of a grid; `names` are the column names, () for titles and notes."""

    start: int
    end: int
    names: Sequence[str]


def parts_of(rows: Rows, headed: bool | None = None) -> Iterator[TablePart]:
    """Yield the tables and the notes of a grid, from the top.

    If `headed`, the first row with several cells is the header; if False, only above numbers.
    """
    names: Sequence[str] = ()
    for start, end in _runs(map(any, rows)):
        first = next((i for i in range(start, end) if filled(rows[i]) > 1), end)
        sample = chain(*rows[first + 1 : min(end, first + 1 + _SAMPLE)])
        is_first = headed is None and not names
        own: Sequence[str] = ()
        if first < end and (headed or is_first or any(map(_VALUE.fullmatch, sample))):
            own = rows[first] if are_names(rows[first], with_values=bool(headed)) else ()
        headed = headed and not own
        names = own or names
        yield from _part(start, first, ())
        is_alone = bool(own) and first + 1 == end  # names without rows below are a data row
        yield from _part(first + bool(own) - is_alone, end, () if is_alone else names)


def _part(start: int, end: int, names: Sequence[str]) -> Iterator[TablePart]:
    if start < end:
        yield TablePart(start, end, names)


def are_names(row: Sequence[str], *, with_values: bool = False) -> bool:
    """Return whether the cells of a row may be column names: all short, and none is a number."""
    return all(
        len(cell) <= LONGEST_NAME and (with_values or not _VALUE.fullmatch(cell)) for cell in row
    )


def filled(row: Sequence[str]) -> int:
    """Count the cells with text."""
    return sum(map(bool, row))


def _runs(is_filled: Iterable[bool]) -> list[tuple[int, int]]:
    """Return start and end of each run of rows with text."""
    edges = [i for i, (a, b) in enumerate(pairwise([False, *is_filled, False])) if a != b]
    return list(zip(edges[::2], edges[1::2], strict=True))
