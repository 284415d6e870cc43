"""Find the columns of sources, targets and weights by the names in a header or a table.

Only the letters and digits of names are compared, ignoring case, so `Source`, `FromNodeId` and
`node_1` are recognized. A pair of known names may be in any columns and any order. The first line
of text is a header

1. if the options require it, or name a column;
2. if it has no number, but a pair of known names that do not occur as ids in the lines below.

A first line without a number is an unknown header, which is an error, if the ids below it are
integers, or a later column below it has only numbers. Any other first line is an edge. The report
states the decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from graphagg.errors import InvalidGraph
from graphagg.graph.reading.settings import EdgeReading

# Names of the columns of sources (elements) and of targets (sets).
_PAIRS = [
    pair.split("-")
    for pair in (
        "source-target src-dst src-dest src-tgt source-destination from-to fromnodeid-tonodeid "
        "fromnode-tonode fromid-toid fromuser-touser sourceid-targetid sourcenode-targetnode "
        "srcid-dstid startid-endid start-end node1-node2 id1-id2 u-v i-j head-tail "
        "follower-followee sender-receiver citing-cited element-set member-group user-group "
        "follower-page user-page user-item"
    ).split()
]
_WEIGHTS = ("weight", "weights", "edgeweight", "w")
NUMBER = "[-+.,]*[0-9][-+.,0-9eE]*"  # digits, signs, points and commas
INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")  # canonical; may be out of range
SAMPLE = 1000  # number of first lines used to detect the header and the columns


class Columns(NamedTuple):
    """The columns of edges, counted from 0."""

    source: int  # of sources, or elements
    target: int  # of targets, or sets
    weight: int  # of weights; -1 if there is none
    header: bool  # whether the first line has the names; always true for a table
    names: tuple[str, ...]  # the cells of the first line, or the names of a table's columns
    mixed: bool = False  # a few ids of a text are integers among names; all are read as strings

    def describe(self, two_mode: bool) -> str:
        """Describe for a report which columns are read."""
        roles = ("element", "set") if two_mode else ("source", "target")
        used = ", ".join(
            f"{role} {self._label(at)}"
            for role, at in zip((*roles, "weight"), self[:3], strict=True)
            if 0 <= at < len(self.names)
        )
        used += "; ids are strings, some of digits" if self.mixed else ""
        if not self.header:
            return f"{used}; no header"
        others = [self._label(at) for at in range(len(self.names)) if at not in self[:3]]
        return f"{used}; not used: {', '.join(others)}" if others else used

    @property
    def weight_is_named(self) -> bool:
        """Whether the header has a known name for the weight column."""
        has_name = self.header and 0 <= self.weight < len(self.names)
        return has_name and _letters_and_digits(self.names[self.weight]) in _WEIGHTS

    @property
    def weight_label(self) -> str:
        """The name of the weight column, for messages."""
        third = not self.header and self.weight == 2
        return "the third column" if third else self._label(self.weight)

    def _label(self, at: int) -> str:
        return repr(self.names[at]) if self.header else f"column {at + 1}"


def named_columns(names: Sequence[str], reading: EdgeReading, where: str) -> Columns:
    """Find the columns of a table, or of a text with a header, by their names.

    Raises `InvalidGraph` if a column is missing or there is no known pair of names.
    """
    ends = [_position(names, name, where) for name in (reading.source, reading.target)]
    if None in ends:
        for i, column in enumerate(_known_pair(names, ends) or ()):
            ends[i] = column
    source, target = ends
    if source is None or target is None:
        raise InvalidGraph(
            f"{where}: the columns {_quoted(names)} have no known pair of names, such as source "
            "and target; name the columns (`source`, `target`)"
        )
    return _distinct(names, source, target, _weight(names, reading, where), True, where)


def text_columns(rows: Sequence[Sequence[str]], reading: EdgeReading, where: str) -> Columns:
    """Find the columns of a text from its first data lines; see the module docstring.

    Raises `InvalidGraph` for an unknown header.
    """
    first, below = rows[0], rows[1:]
    requested = (reading.source, reading.target, reading.weight_column)
    by_name = any(name is not None and not _is_place(name, first) for name in requested)
    if reading.header is False or (reading.header is None and any(map(is_number, first))):
        if by_name:
            raise InvalidGraph(
                f"{where}: the first line {_line(first)} is an edge, so the columns have no "
                'names; use their numbers (`source="2"`, `target="3"`)'
            )
        return _by_number(first, reading, where, header=False)
    pair, ids = _known_pair(first, (None, None)), {c for row in below if row != first for c in row}
    if by_name or (pair and not any(first[at] in ids for at in pair)):
        return named_columns(first, reading, where)
    if reading.header:
        return _by_number(first, reading, where, header=True)
    if _reads_as_header(first, below, reading):
        raise InvalidGraph(
            f"{where}: the first line {_line(first)} looks like a header with unknown names; "
            "name its columns (`source`, `target`), take the first two (`header=True`), or "
            "declare it an edge (`header=False`)"
        )
    return _by_number(first, reading, where, header=False)


def _by_number(first: Sequence[str], reading: EdgeReading, where: str, *, header: bool) -> Columns:
    """Find columns by number: by default the first, the second and, for weights, the third."""
    # If the first line is an edge, do not match requested names with its cells.
    names = first if header else [""] * len(first)
    source, target = (
        default if requested is None else _position(names, requested, where)
        for requested, default in ((reading.source, 0), (reading.target, 1))
    )
    assert source is not None and target is not None
    weight = _weight(names, reading, where)
    if weight < 0:
        weight = next(at for at in (2, 1, 0) if at not in (source, target))
    return _distinct(first, source, target, weight, header, where)


def _distinct(
    names: Sequence[str], source: int, target: int, weight: int, header: bool, where: str
) -> Columns:
    if len({source, target, weight}) < 3:
        raise InvalidGraph(
            f"{where}: one column of {_line(names)} is used for two of source, target and weight; "
            "name different columns"
        )
    return Columns(source, target, weight, header, tuple(names))


def _reads_as_header(
    first: Sequence[str], below: Sequence[Sequence[str]], reading: EdgeReading
) -> bool:
    """Return whether a first line without a number is a header with unknown names."""
    below = [row for row in below if len(row) >= 2]
    if not below or len(first) < 2:
        return False
    if reading.ids != "string" and all(INTEGER.fullmatch(cell) for cell in below[0][:2]):
        return True
    width = min(len(first), *map(len, below))
    return any(all(is_number(row[i]) for row in below) for i in range(2, width))


def _known_pair(names: Sequence[str], positions: Iterable[int | None]) -> tuple[int, int] | None:
    """Find the first pair of known names that agrees with the requested columns."""
    plain = [_letters_and_digits(name) for name in names]
    for pair in _PAIRS:
        if all(name in plain for name in pair):
            source, target = (plain.index(name) for name in pair)
            if all(a in (None, b) for a, b in zip(positions, (source, target), strict=True)):
                return source, target
    return None


def _weight(names: Sequence[str], reading: EdgeReading, where: str) -> int:
    """Find the weight column by the requested name or a known name; -1 if there is none."""
    if reading.weight_column is not None:
        position = _position(names, reading.weight_column, where)
        assert position is not None
        return position
    plain = [_letters_and_digits(name) for name in names]
    return next((plain.index(name) for name in _WEIGHTS if name in plain), -1)


def _position(names: Sequence[str], requested: str | None, where: str) -> int | None:
    """Find a column by name, by name ignoring case, or by number."""
    if requested is None:
        return None
    for spelled in (str, str.casefold):
        matches = [i for i, name in enumerate(names) if spelled(name) == spelled(requested)]
        if len(matches) == 1:
            return matches[0]
    if _is_place(requested, names):
        return int(requested) - 1
    raise InvalidGraph(
        f"{where}: not exactly one column is called {requested!r}, expected one of {_quoted(names)}"
    )


def _is_place(requested: str, names: Sequence[str]) -> bool:
    """Return whether a column is requested by its number."""
    return requested.isascii() and requested.isdigit() and 0 < int(requested) <= len(names)


def _letters_and_digits(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def is_number(cell: str) -> bool:
    """Return whether a cell has only digits, signs, periods and commas, so it is no name."""
    return re.fullmatch(NUMBER, cell) is not None


def _line(cells: Sequence[str]) -> str:
    return repr(",".join(cells)[:80])


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:20])
