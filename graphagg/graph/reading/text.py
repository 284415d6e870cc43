"""Edges out of text files: SNAP, CSV, TSV; streamed in blocks, no Python object an edge."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphagg.errors import InvalidGraph, UnreadableFile
from graphagg.graph.kinds import IdType as IdType
from graphagg.graph.reading.cells import (
    COMMA,
    SPACE,
    TAB,
    UNCLOSED,
    Bytes,
    Spans,
    copy_cells,
    parse_integers,
    split_lines,
    undouble,
)

Ids = Any
"""`[n]` int64, or an Arrow dictionary array of strings."""

BLOCK = 1 << 23
"""Bytes of text parsed at once; a block needs about eight times as much memory."""

HEADER_NAMES = frozenset(
    "src dst source target from to fromnodeid tonodeid node_1 node_2 node1 node2 u v id id_1 id_2 "
    "element set follower followee user page member group head tail".split()
)
BROKEN_GZIP = (OSError, EOFError, zlib.error)
"""What reading a damaged or truncated gzip stream raises."""

_BOM = b"\xef\xbb\xbf"
_INTEGER = re.compile(rb"-?(0|[1-9][0-9]*)")
_NUMBER_LIKE = re.compile(rb"[+\-.]*[0-9][0-9+\-.eE]*")
_ATTRIBUTES = re.compile(rb"(?<=[\s,])\{.*")
_COMMA_CELL = re.compile(rb'[ \t]*"((?:[^"]|"")*)"[ \t]*(?:,|$)|([^,]*)(?:,|$)')


@dataclass
class TextCounts:
    """What a reader met besides edges; it grows while the file is read."""

    lines: int = 0
    comments: int = 0
    header: str | None = None
    third_ignored: int = 0
    weights_ignored: int = 0


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open a file; gzip is recognized by its magic bytes."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}; wanted a readable file of edges") from None
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.open(raw) if packed else raw


def read_bytes(path: Path) -> bytes:
    """A whole file, unpacked, without a byte order mark; `UnreadableFile` if it is damaged."""
    with open_bytes(path) as file:
        try:
            return file.read().removeprefix(_BOM)
        except BROKEN_GZIP as error:
            raise UnreadableFile(f"{path}: cannot be read ({error}); fetch it again") from None


def read_pairs(
    file: io.BufferedIOBase,
    name: str,
    counts: TextCounts,
    id_types: tuple[IdType, IdType] = ("auto", "auto"),
    header: bool | None = None,
) -> Iterator[tuple[Ids, Ids]]:
    """Yield the first two columns, block by block.

    Comments begin with `#` or `%`; columns are set apart by tabs, by commas, or by white space,
    the first of these that the first line shows before a `{`. Between commas, a quoted cell may
    hold commas, and a quote as two quotes. A header is recognized by integers below it or by the
    usual names, and holds no number; `header` overrides. Lines end in LF, CR LF or CR; a byte
    order mark is left out.

    Args:
        file: the text.
        name: what messages call it.
        counts: filled in.
        id_types: the type of each column; `auto` takes that of the first line.
        header: True, False, or None to recognize it.

    Yields:
        Two columns of one length: int64 arrays, or Arrow string arrays.

    Raises:
        InvalidGraph: a line with one column, an open quote, ids of two types, a negative id.
        UnreadableFile: not UTF-8, or a broken gzip stream.
    """
    state: _Columns | None = None
    for block in _blocks(file, name):
        if state is None:
            state = _Columns.sniff(block, name, id_types, header, counts)
        if state is not None:
            yield state.parse(block, counts)


def _blocks(file: io.BufferedIOBase, name: str) -> Iterator[bytes]:
    """Whole lines of about `BLOCK` bytes; each ends in LF alone, the last one too."""
    rest = b""
    for block in _newlines(_chunks(file, name)):
        cut = block.rfind(b"\n") + 1
        if cut == 0:
            rest += block
            continue
        yield rest + block[:cut]
        rest = block[cut:]
    if rest:
        yield rest + b"\n"


def _chunks(file: io.BufferedIOBase, name: str) -> Iterator[bytes]:
    """The text as it comes, without a byte order mark."""
    start = True
    while True:
        try:
            block = file.read(BLOCK)
        except BROKEN_GZIP as error:
            raise UnreadableFile(f"{name}: broken gzip stream ({error}); fetch it again") from None
        if not block:
            return
        yield block.removeprefix(_BOM) if start else block
        start = False


def _newlines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """CR LF and CR become LF, as Spark and old Macintoshes mean them."""
    held = b""
    for chunk in chunks:
        block = held + chunk if held else chunk
        held = b"\r" if block.endswith(b"\r") else b""  # its LF may begin the next chunk
        if b"\r" in block:
            block = block.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield block
    if held:
        yield b"\n"


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
        separator = _separator(lines[0])
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
        found = split_lines(text, self.separator, self.skip, spans, line_of)
        rows, (bad_line, reason), comments, third_text, third_number = found
        if bad_line >= 0:
            line = block.split(b"\n", bad_line + 1)[bad_line]
            self._refuse_line(line, counts.lines + bad_line + 1, reason)
        if self.separator == COMMA and b'""' in block:
            text = text.copy()
            undouble(text, spans[:rows])
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
            bad = parse_integers(text, spans, values)
            if bad >= 0:
                start, stop = spans[bad]
                self._refuse(text[start:stop].tobytes(), before + int(line_of[bad]) + 1)
            return values
        return self._strings(text, spans, line_of, before)

    def _strings(self, text: Bytes, spans: Spans, line_of: Any, before: int) -> pa.Array:
        offsets = np.zeros(len(spans) + 1, dtype=np.int32)
        np.cumsum(spans[:, 1] - spans[:, 0], out=offsets[1:])
        data = np.empty(int(offsets[-1]), dtype=np.uint8)
        copy_cells(text, spans, offsets, data)
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

    def _refuse_line(self, line: bytes, number: int, reason: int) -> None:
        where, shown = f"{self.name}, line {number}", line.decode("utf-8", "replace").rstrip()[:80]
        if reason == UNCLOSED:
            raise InvalidGraph(
                f"{where}: a quote that is not closed before the next comma or the line's end "
                f'({shown!r}), wanted cells like "a, b"; mend the quotes'
            )
        raise InvalidGraph(
            f"{where}: one column ({shown!r}), "
            "wanted two vertex ids; remove the line, or begin it with #"
        )

    def _refuse(self, cell: bytes, line: int) -> None:
        shown = cell.decode("utf-8", "replace")
        where = f"{self.name}, line {line}"
        if cell[:1] == b"-" and cell[1:].isdigit():
            raise InvalidGraph(
                f"{where}: negative id {shown}, wanted integers of 0 to 2^63 - 1; "
                "renumber, or read the ids as strings"
            )
        if _looks_integer(cell):
            raise InvalidGraph(
                f"{where}: id {shown[:80]} is out of range, wanted integers of 0 to 2^63 - 1; "
                "read the ids as strings (--ids string)"
            )
        raise InvalidGraph(
            f"{where}: id {shown!r} among integers, wanted one type of id in a file; "
            "read the ids as strings (--ids string), or mend the line"
        )


def _separator(line: bytes) -> int:
    """What sets the columns of a line apart; the attributes that networkx writes do not tell."""
    plain = _ATTRIBUTES.sub(b"", line)
    if b"\t" in plain:
        return TAB
    return COMMA if b"," in plain else SPACE


def _cells(line: bytes, separator: int) -> list[bytes]:
    if separator == COMMA:
        found = _COMMA_CELL.findall(line)
        return [quoted.replace(b'""', b'"') or plain.strip(b" \t") for quoted, plain in found]
    parts = line.split() if separator == SPACE else line.split(b"\t")
    return [cell.strip(b' \t"') for cell in parts]


def _looks_integer(cell: bytes) -> bool:
    """Whether an id is an integer as integers are written; it may be out of range."""
    return _INTEGER.fullmatch(cell) is not None


def looks_like_number(cell: str) -> bool:
    """Whether a cell is made of digits, signs and dots, so names no column."""
    return _NUMBER_LIKE.fullmatch(cell.strip().encode("utf-8", "replace")) is not None


def _is_header(rows: list[list[bytes]], id_types: tuple[IdType, IdType]) -> bool:
    first = rows[0][:2]
    if any(_NUMBER_LIKE.fullmatch(cell) for cell in rows[0]):
        return False  # an edge taken for a header is lost without a word
    if all(c.decode("utf-8", "replace").casefold() in HEADER_NAMES for c in first):
        return True
    below = rows[1][:2] if len(rows) > 1 else []
    return len(below) == 2 and all(
        _looks_integer(cell) and kind != "string"
        for cell, kind in zip(below, id_types, strict=True)
    )
