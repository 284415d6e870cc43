"""Edges out of text files: SNAP, CSV, TSV; streamed in blocks, no Python object an edge."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graphagg.errors import InvalidGraph, UnreadableFile

IdType = Literal["auto", "integer", "string"]
Bytes = npt.NDArray[np.uint8]
Spans = npt.NDArray[np.int32]
Ids = Any
"""`[n]` int64, or an Arrow dictionary array of strings."""

BLOCK = 1 << 23
"""Bytes of text parsed at once; a block needs about eight times as much memory."""

HEADER_NAMES = frozenset(
    "src dst source target from to fromnodeid tonodeid node_1 node_2 node1 node2 u v id id_1 id_2 "
    "element set follower followee user page member group head tail".split()
)
_SPACE, _TAB, _COMMA = ord(" "), ord("\t"), ord(",")


@dataclass
class TextCounts:
    """What a reader met besides edges; it grows while the file is read."""

    lines: int = 0
    comments: int = 0
    header: str | None = None
    third_ignored: int = 0
    weights_ignored: int = 0


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open a file; gzip is recognised by its magic bytes."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}; wanted a readable file of edges") from None
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.open(raw) if packed else raw


def read_pairs(
    file: io.BufferedIOBase,
    name: str,
    counts: TextCounts,
    id_types: tuple[IdType, IdType] = ("auto", "auto"),
    header: bool | None = None,
) -> Iterator[tuple[Ids, Ids]]:
    """Yield the first two columns, block by block.

    Comments begin with `#` or `%`; columns are set apart by commas, by tabs, or by white space,
    whichever the first line shows. A header is recognised by integers below it or by the usual
    names; `header` overrides.

    Args:
        file: the text.
        name: what messages call it.
        counts: filled in.
        id_types: the type of each column; `auto` takes that of the first line.
        header: True, False, or None to recognise it.

    Yields:
        Two columns of one length: int64 arrays, or Arrow string arrays.

    Raises:
        InvalidGraph: a line with one column, ids of two types, a negative id.
        UnreadableFile: not UTF-8, or a broken gzip stream.
    """
    state: _Columns | None = None
    for block in _blocks(file, name):
        if state is None:
            state = _Columns.sniff(block, name, id_types, header, counts)
        if state is not None:
            yield state.parse(block, counts)


def looks_integer_columns(
    block: bytes,
    name: str,
    id_types: tuple[IdType, IdType],
    header: bool | None,
    counts: TextCounts,
) -> list[bool] | None:
    """Whether each of the first two columns is read as integers, by the first lines of a text.

    `counts.header` is set where there is one; None if no line holds data.
    """
    columns = _Columns.sniff(block, name, id_types, header, counts)
    return None if columns is None else columns.integer


def _blocks(file: io.BufferedIOBase, name: str) -> Iterator[bytes]:
    """Whole lines of about `BLOCK` bytes; the last one ends in a newline too."""
    rest = b""
    while True:
        try:
            block = file.read(BLOCK)
        except (OSError, EOFError) as error:
            raise UnreadableFile(f"{name}: broken gzip stream ({error}); fetch it again") from None
        if not block:
            break
        cut = block.rfind(b"\n") + 1
        if cut == 0:
            rest += block
            continue
        yield rest + block[:cut]
        rest = block[cut:]
    if rest:
        yield rest + b"\n"


@dataclass
class _Columns:
    """How this file's lines are read: separator, header, the type of each column."""

    name: str
    separator: int
    integer: list[bool]
    automatic: bool
    skip: int

    @classmethod
    def sniff(
        cls,
        block: bytes,
        name: str,
        id_types: tuple[IdType, IdType],
        header: bool | None,
        counts: TextCounts,
    ) -> _Columns | None:
        """Look at the first two lines that hold data; None if the block has none."""
        lines: list[bytes] = []
        for number, line in enumerate(io.BytesIO(block), 1):
            text = line.strip()
            if text and text[:1] not in (b"#", b"%"):
                lines.append(text)
                if len(lines) == 1:
                    first_number = number
                if len(lines) == 2:
                    break
        if not lines:
            counts.comments += sum(1 for line in io.BytesIO(block) if line.strip())
            counts.lines += block.count(b"\n")
            return None
        separator = _SPACE
        if b"," in lines[0]:
            separator = _COMMA
        elif b"\t" in lines[0]:
            separator = _TAB
        rows = [_cells(line, separator) for line in lines]
        if header is None:
            header = _is_header(rows, id_types)
        if header:
            counts.header = lines[0].decode("utf-8", "replace")
        typed = rows[-1] if header else rows[0]
        integer = [
            _looks_integer(cell) if wanted == "auto" else wanted == "integer"
            for cell, wanted in zip([*typed, b"", b""][:2], id_types, strict=True)
        ]
        automatic = "string" not in id_types
        return cls(name, separator, integer, automatic, first_number if header else 0)

    def parse(self, block: bytes, counts: TextCounts) -> tuple[Ids, Ids]:
        """The two columns of a block of whole lines."""
        text = np.frombuffer(block, dtype=np.uint8)
        lines = block.count(b"\n")
        spans = np.empty((lines, 4), dtype=np.int32)
        line_of = np.empty(lines, dtype=np.int32)
        found = _split(text, self.separator, self.skip, spans, line_of)
        rows, bad_line, comments, third_text, third_number = found
        if bad_line >= 0:
            line = block.split(b"\n", bad_line + 1)[bad_line].decode("utf-8", "replace").strip()
            raise InvalidGraph(
                f"{self.name}, line {counts.lines + bad_line + 1}: one column ({line[:80]!r}), "
                "wanted two vertex ids; remove the line, or begin it with #"
            )
        columns = [
            self._column(text, spans[:rows, 2 * c : 2 * c + 2], c, line_of, counts.lines)
            for c in range(2)
        ]
        counts.lines += lines
        counts.comments += comments
        counts.third_ignored += third_text
        counts.weights_ignored += third_number
        self.skip = 0
        return columns[0], columns[1]

    def _column(self, text: Bytes, spans: Spans, c: int, line_of: Any, before: int) -> Ids:
        if self.integer[c]:
            values = np.empty(len(spans), dtype=np.int64)
            bad = _integers(text, spans, values)
            if bad >= 0:
                start, stop = spans[bad]
                self._refuse(text[start:stop].tobytes(), before + int(line_of[bad]) + 1)
            return values
        return self._strings(text, spans, line_of, before)

    def _strings(self, text: Bytes, spans: Spans, line_of: Any, before: int) -> pa.Array:
        offsets = np.zeros(len(spans) + 1, dtype=np.int32)
        np.cumsum(spans[:, 1] - spans[:, 0], out=offsets[1:])
        data = np.empty(int(offsets[-1]), dtype=np.uint8)
        _copy(text, spans, offsets, data)
        array = pa.StringArray.from_buffers(len(spans), pa.py_buffer(offsets), pa.py_buffer(data))
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            raise UnreadableFile(
                f"{self.name}: not UTF-8 near line {before + 1}; convert the file to UTF-8"
            ) from None
        encoded = array.dictionary_encode()
        if self.automatic:
            self._check_strings(encoded, line_of, before)
        return encoded

    def _check_strings(self, encoded: pa.Array, line_of: Any, before: int) -> None:
        """The column began with text: an integer in it is a mixed type."""
        numeric = pc.match_substring_regex(encoded.dictionary, "^(0|[1-9][0-9]*)$")
        if not pc.any(numeric).as_py():
            return
        entry = numeric.index(True).as_py()
        row = int(np.flatnonzero(encoded.indices.to_numpy() == entry)[0])
        raise InvalidGraph(
            f"{self.name}, line {before + int(line_of[row]) + 1}: id "
            f"{encoded.dictionary[entry].as_py()!r} is an integer among strings, wanted one type "
            "of id in a file; read the ids as strings (--ids string), or mend the line"
        )

    def _refuse(self, cell: bytes, line: int) -> None:
        shown = cell.decode("utf-8", "replace")
        where = f"{self.name}, line {line}"
        if cell[:1] == b"-" and cell[1:].isdigit():
            raise InvalidGraph(
                f"{where}: negative id {shown}, wanted integers of 0 to 2^63 - 1; "
                "renumber, or read the ids as strings"
            )
        raise InvalidGraph(
            f"{where}: id {shown!r} among integers, wanted one type of id in a file; "
            "read the ids as strings (--ids string), or mend the line"
        )


def _cells(line: bytes, separator: int) -> list[bytes]:
    if separator == _SPACE:
        return line.split()
    return [cell.strip(b' \t\r"') for cell in line.split(bytes([separator]))]


def _looks_integer(cell: bytes) -> bool:
    """Whether an id comes back as written when it is read as an integer, or is a negative one."""
    digits = cell[1:] if cell[:1] == b"-" else cell
    return digits.isdigit() and (digits == b"0" or digits[:1] != b"0") and len(digits) < 19


def _is_header(rows: list[list[bytes]], id_types: tuple[IdType, IdType]) -> bool:
    first = rows[0][:2]
    if any(_looks_integer(cell) for cell in first):
        return False
    if all(c.decode("utf-8", "replace").casefold() in HEADER_NAMES for c in first):
        return True
    below = rows[1][:2] if len(rows) > 1 else []
    return len(below) == 2 and all(
        _looks_integer(cell) and kind != "string"
        for cell, kind in zip(below, id_types, strict=True)
    )


@numba.njit(cache=True)
def _split(
    text: Bytes, separator: int, skip: int, spans: Spans, line_of: Spans
) -> tuple[int, int, int, int, int]:
    """Find the first two cells of each line.

    Returns rows, the 0-based line that has one cell (or -1), comment lines, lines whose third cell
    is text, lines whose third cell is a number.
    """
    rows = comments = third_text = third_number = line = start = 0
    for end in range(len(text)):
        if text[end] != 10:
            continue
        at = start
        while at < end and _is_blank(text[at]):
            at += 1
        if line >= skip and at < end:
            if text[at] == 35 or text[at] == 37:
                comments += 1
            else:
                kind = _split_line(text, at, end, separator, spans[rows])
                if kind < 0:
                    return rows, line, comments, third_text, third_number
                third_text += kind == 1
                third_number += kind == 2
                line_of[rows] = line
                rows += 1
        line += 1
        start = end + 1
    return rows, -1, comments, third_text, third_number


@numba.njit(cache=True)
def _split_line(text: Bytes, at: int, end: int, separator: int, span: Spans) -> int:
    """Write where two cells begin and end; -1: there is one; 1, 2: a third is text, a number."""
    for cell in range(3):
        low = at
        while at < end and not _parts(text[at], separator):
            at += 1
        high = at
        at += 1
        while separator == 32 and at < end and _is_blank(text[at]):
            at += 1
        while low < high and _is_blank(text[low]):
            low += 1
        while high > low and _is_blank(text[high - 1]):
            high -= 1
        if high - low > 1 and text[low] == 34 and text[high - 1] == 34:
            low, high = low + 1, high - 1
        if low >= high:
            return -1 if cell < 2 else 0
        if cell == 2:
            return 2 if _is_number(text, low, high) else 1
        span[2 * cell] = low
        span[2 * cell + 1] = high
    return 0


@numba.njit(cache=True)
def _is_blank(byte: int) -> bool:
    return byte == 32 or byte == 9 or byte == 13


@numba.njit(cache=True)
def _parts(byte: int, separator: int) -> bool:
    return byte == separator or (separator == 32 and _is_blank(byte))


@numba.njit(cache=True)
def _is_number(text: Bytes, low: int, high: int) -> bool:
    digits = 0
    for i in range(low, high):
        c = text[i]
        if 48 <= c <= 57:
            digits += 1
        elif not (c == 43 or c == 45 or c == 46 or ((c == 101 or c == 69) and digits > 0)):
            return False
    return digits > 0


@numba.njit(cache=True)
def _integers(text: Bytes, spans: Spans, values: npt.NDArray[np.int64]) -> int:
    """Parse canonical non-negative integers; returns the first row that is none, or -1."""
    for row in range(len(spans)):
        low, high = spans[row, 0], spans[row, 1]
        size = high - low
        if size == 0 or size > 18 or (text[low] == 48 and size > 1):
            return row
        value = 0
        for i in range(low, high):
            digit = int(text[i]) - 48
            if digit < 0 or digit > 9:
                return row
            value = value * 10 + digit
        values[row] = value
    return -1


@numba.njit(cache=True)
def _copy(text: Bytes, spans: Spans, offsets: Spans, data: Bytes) -> None:
    for row in range(len(spans)):
        data[offsets[row] : offsets[row + 1]] = text[spans[row, 0] : spans[row, 1]]
