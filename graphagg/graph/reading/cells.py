"""The separator of a text's columns, and the cells of one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

_QUOTED = re.compile(r'(?:^|(?<=[,;|]))[ \t]*"(?:[^"]|"")*"')
_PLAIN_COMMA = re.compile(r"(?<![0-9]),|,(?![0-9])")


def find_separator(lines: Sequence[str]) -> str:
    """Recognize the separator by the first lines, without attributes; a space: white space."""
    if "\t" in lines[0].strip():
        return "\t"
    bare = [_QUOTED.sub("", line.strip()) for line in lines]
    marks = [",", "|"]
    if not any(map(_PLAIN_COMMA.search, bare)):
        marks.insert(0, ";")
    present = [mark for mark in marks if mark in bare[0]]
    for mark in present:
        if len({line.count(mark) for line in bare}) == 1:
            return mark
    return present[0] if present else " "


@cache
def _cell_pattern(separator: str) -> re.Pattern[str]:
    """A cell, quoted or plain, up to its separator or the line's end."""
    blanks = "" if separator == " " else " *" if separator == "\t" else "[ \t]*"
    mark = "[ \t]+" if separator == " " else re.escape(separator)
    plain = "[^ \t]*" if separator == " " else f"[^{mark}]*"
    return re.compile(f'{blanks}"((?:[^"]|"")*)"{blanks}(?:{mark}|$)|({plain})(?:{mark}|$)')


def cells_of(line: str, separator: str) -> list[str | None]:
    """The cells of a line; None for one whose quote is not closed.

    Between tabs and spaces such a quote is a character of the cell.
    """
    if separator != "\t":
        line = line.strip(" \t")
    matches = _cell_pattern(separator).findall(line)
    if matches and line and not line.endswith(separator):
        matches.pop()  # the empty match at the line's end
    cells: list[str | None] = []
    for quoted, plain in matches:
        cell = quoted.replace('""', '"') or plain.strip(" \t")
        is_open = not quoted and cell[:1] == '"' and separator not in " \t"
        cells.append(None if is_open else cell)
    return cells
