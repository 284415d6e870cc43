"""Tables in a grid of cells, such as a sheet or a CSV file: where they are, and their column names.

Blank rows separate the parts of a grid. The header of a part is found by the shape of the rows
below it: some columns hold mostly numbers, dates or codes, and the header is a row of texts above
the first row that fits these columns. The rows above it are a title and notes. A row of units below
the header and a row of groups above it belong to the column names. A part without a header of its
own continues the table above if it has the same columns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from graphagg.rag.documents.reading.rules import pattern_of, section

Rows = Sequence[Sequence[str]]
"""Rows of cells without white space around them, of the same length."""

_SAMPLE = 200  # rows of a part whose shape is read
_LONGEST = 200  # characters of a column name
_MOST_PADDING, _FEW_CELLS = 4, 1_000  # a wide row and many short ones take quadratic time
_LONGEST_VALUE = 40
_FEWEST_WORDS = 3  # of a note below a table
_KINDS = {kind: pattern_of("languages", "cells", kind) for kind in section("languages", "cells")}
_MISSING = re.compile(r"[-\u2013\u2014.?]+|n/?a|nan|null|none|tbd", re.I)
_UNIT = pattern_of("languages", "units", "unit")


def padded(rows: Rows) -> Rows:
    """Rows of the same length; unchanged if most cells would be padding."""
    width = max(map(len, rows), default=0)
    if width * len(rows) > _MOST_PADDING * (sum(map(len, rows)) + _FEW_CELLS):
        return rows
    return [[*row, *[""] * (width - len(row))] for row in rows]


class TablePart(NamedTuple):
    """Rows `start` to `end` of a grid, in the columns `left` to `right`.

    `names` are the column names of a table, "" where a column has none; None: the rows are a title,
    notes, or a table without names. `title` is the row of the grid that is the title of a table.
    """

    start: int
    end: int
    left: int
    right: int
    names: tuple[str, ...] | None
    title: int | None = None


def parts_of(rows: Rows, headed: bool | None = None) -> Iterator[TablePart]:
    """Find the tables and the notes of a grid, from the top.

    With `headed`, the first row is the header unless only one of its cells is filled; False: a
    header is recognized only by columns of numbers, dates or codes below it.
    """
    if len({*map(len, rows)}) > 1:  # too many cells to pad
        yield TablePart(0, len(rows), 0, max(map(len, rows)), None)
        return
    last: TablePart | None = None
    title: int | None = None
    for start, end in _runs(map(any, rows)):
        for left, right in _side_by_side(rows[start:end]):
            own = [row[left:right] for row in rows[start:end]]
            for first, after in _runs(map(any, own)):
                block = _CellBlock(own[first:after], (start + first, left, right), headed)
                is_below = last is not None and last.left <= left < right - 1 < last.right
                above = last.names[left - last.left :] if is_below and last and last.names else None
                for part in block.parts(above and above[: right - left]):
                    if part.names is not None:
                        is_first = last is None and title is not None
                        own_title = title if is_first or part.title is None else part.title
                        part = part._replace(title=own_title)
                        last, title = part, title if part.start == part.end else None
                    elif _filled(own[first]) == 1 and (last or title is None):
                        title = start + first
                    if part.start < part.end:
                        yield part
                headed = None if headed else headed


def _runs(filled: Iterable[bool]) -> list[tuple[int, int]]:
    """Start and end of each run of filled cells."""
    edges = [i for i, (a, b) in enumerate(pairwise([False, *filled, False])) if a != b]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _side_by_side(rows: Rows) -> list[tuple[int, int]]:
    """The columns of each table of a run of rows: several if their heights or names show it."""
    runs = _runs(map(any, zip(*rows, strict=True)))
    heights = {max(i for i, row in enumerate(rows) if any(row[a:b])) for a, b in runs}
    twins = (Counter(tuple(row[a:b]) for a, b in runs if _filled(row[a:b]) > 1) for row in rows)
    are_several = len(heights) > 1 or any(max(each.values(), default=0) > 1 for each in twins)
    are_wide = min(b - a for a, b in runs) > 1
    return runs if are_wide and are_several else [(runs[0][0], runs[-1][1])]


@lru_cache(maxsize=2**14)  # many small tables below each other read the same cells again
def _kind(cell: str) -> str:
    """The kind of a cell's content: a key of `_KINDS`, "text", or "" for an empty cell."""
    if not cell or (len(cell) < 5 and _MISSING.fullmatch(cell)):
        return ""
    if len(cell) > _LONGEST_VALUE:
        return "text"
    return next((kind for kind, each in _KINDS.items() if each.fullmatch(cell)), "text")


def _filled(row: Sequence[str]) -> int:
    return sum(map(bool, row))


class _CellBlock:
    """A run of rows without a blank one: notes, a header, rows, and perhaps further tables."""

    def __init__(self, rows: Rows, place: tuple[int, int, int], headed: bool | None) -> None:
        self._rows, self._headed = rows, headed
        self._top, self._left, self._right = place  # in the grid
        self._types: dict[int, str] = {}  # kind of each column that is not of texts

    def parts(self, above: tuple[str, ...] | None) -> Iterator[TablePart]:
        """The parts; `above` are the names of the table above, if it has the same columns."""
        start = 0
        while start < len(self._rows):
            end = min(len(self._rows), start + _SAMPLE)
            self._types = dict(self._types_of(start + (end - start) // 2, end))
            head = self._header(start, end)
            if above and head in (None, start) and (not self._types or end == start + 1):
                head = None  # the rows of the table above go on
            first, body, names = start, start, above
            if head is not None:
                first, body, names = self._names(start, head, end)
            title = start if first > start and _filled(self._rows[start]) == 1 else None
            yield self._part(start, first, None)
            stop = self._next_table(first, body) if names else len(self._rows)
            foot = stop
            while foot > body and self._is_note(foot - 1):
                foot -= 1
            if head is not None and body == stop:  # names alone
                yield self._part(first, body, None)
            yield self._part(body, foot, names, title)
            yield self._part(foot, stop, None)
            start, above, self._headed = stop, None, self._headed and None

    def _part(
        self, start: int, end: int, names: tuple[str, ...] | None, title: int | None = None
    ) -> TablePart:
        title = None if title is None else title + self._top
        return TablePart(start + self._top, end + self._top, self._left, self._right, names, title)

    def _types_of(self, start: int, end: int) -> Iterator[tuple[int, str]]:
        for i in range(len(self._rows[0])):
            counts = Counter(map(_kind, (row[i] for row in self._rows[start:end])))
            del counts[""]
            total = counts.total()
            if counts["year"] < total:  # some numbers look like years
                counts["number"] += counts.pop("year", 0)
            kind, count = max(counts.items(), key=itemgetter(1), default=("text", 0))
            if kind != "text" and 2 * count >= total:
                yield i, kind

    def _fits(self, row: Sequence[str]) -> bool:
        """Whether most cells of a row have the kinds of their columns, columns of texts aside."""
        kinds = [_kind(cell) for cell in row]
        if _are_periods(kinds, row):
            kinds = ["text" if kind == "year" else kind for kind in kinds]
        pairs = ((kinds[i], kind) for i, kind in self._types.items() if kinds[i])
        fits = [own == kind or (own, kind) == ("year", "number") for own, kind in pairs]
        return 2 * sum(fits) > len(fits)

    def _is_header(self, row: Sequence[str]) -> bool:
        kinds = [_kind(cell) for cell in row]
        are_names = all(len(cell) <= _LONGEST and not cell.endswith(":") for cell in row)
        has_years = "year" in kinds and not _are_periods(kinds, row)
        has_values = has_years or {"number", "date"} & {*kinds}
        return _filled(row) > 1 and are_names and not has_values

    def _header(self, start: int, end: int) -> int | None:
        """The row that names the columns."""
        rows = self._rows
        is_short = all(len(cell) <= _LONGEST for cell in rows[0])  # each row repeats it
        if self._headed and not start and is_short and (_filled(rows[0]) > 1 or len(rows[0]) == 1):
            return 0
        widest = max(_filled(row) for row in rows[start:end])
        data = next((i for i in range(start, end) if self._fits(rows[i])), end)
        if not self._types and self._headed is False:
            return None
        least = 0.6 * widest if self._types else widest
        names = {i: _filled(rows[i]) for i in range(start, data) if self._is_header(rows[i])}
        usable = [i for i, count in names.items() if count + (not rows[i][0]) >= least]
        best = max(map(names.__getitem__, usable), default=0)
        full = [i for i in usable if names[i] + (not rows[i][0]) >= best]
        # A row of texts may be the first row of a table with one column of numbers.
        return full[-1 if len(self._types) > 1 else 0] if full else None

    def _names(self, start: int, head: int, end: int) -> tuple[int, int, tuple[str, ...]]:
        """The first row of a header, the row after it, and the names of the columns."""
        rows = self._rows
        if head > start and _are_units(rows[head]) and self._is_header(rows[head - 1]):
            head -= 1
        first, body, names = head, head + 1, list(rows[head])
        above = rows[head - 1] if head > start else []
        is_group = 1 < _filled(above) < _filled(names) and (
            not above[0] or _filled(above[: _filled(above)]) < _filled(above)
        )
        if is_group and self._is_header(above):
            first, group = head - 1, ""
            for i, name in enumerate(names):
                group = above[i] or (group if name else "")
                names[i] = f"{group} {name}".strip()
        if body + 1 < end and _are_units(rows[body]) and not self._fits(rows[body]):
            units = (unit.strip("()[]") for unit in rows[body])
            names = [f"{n} ({u})" if n and u else n or u for n, u in zip(names, units, strict=True)]
            body += 1
        return first, body, tuple(names)

    def _next_table(self, first: int, body: int) -> int:
        """Where the next table begins: at a title above a row of names, or at the same names."""
        rows = self._rows
        for i in range(body + 1, len(rows) - 1):
            if rows[i] == rows[first] and first < body:
                return i
            if _filled(rows[i]) == 1 and self._is_header(rows[i + 1]):
                typed = [_kind(rows[i + 1][c]) for c in self._types if rows[i + 1][c]]
                if typed and not self._fits(rows[i + 1]) and {*typed} <= {"text", "year"}:
                    return i
        return len(rows)

    def _is_note(self, i: int) -> bool:
        cells = list(filter(None, self._rows[i]))
        is_short = len(cells[0].split()) < _FEWEST_WORDS
        return len(cells) == 1 < len(self._rows[i]) and not is_short


def _are_periods(kinds: Sequence[str], row: Sequence[str]) -> bool:
    """Whether the numbers of a row are several years, each once, as names of columns."""
    years = [cell for kind, cell in zip(kinds, row, strict=True) if kind == "year"]
    return len({*years}) == len(years) > 1


def _are_units(row: Sequence[str]) -> bool:
    cells = list(filter(_kind, row))
    return bool(cells) and all(len(each) < 20 and _UNIT.fullmatch(each) for each in cells)
