"""Edges from text files: SNAP, CSV, TSV; streamed in blocks, no Python object an edge."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphagg.arrays import Doubles, Ints
from graphagg.errors import InvalidGraph, UnreadableFile
from graphagg.graph.kinds import IdType as IdType
from graphagg.graph.reading.batches import EdgeBatch, Ids, ReadCounts
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
from graphagg.graph.reading.files import line_blocks

HEADER_NAMES = frozenset(
    "src dst source target from to fromnodeid tonodeid node_1 node_2 node1 node2 u v id id_1 id_2 "
    "element set follower followee user page member group head tail".split()
)
_INTEGER = re.compile(rb"-?(0|[1-9][0-9]*)")
_NUMBER_LIKE = re.compile(rb"[+\-.]*[0-9][0-9+\-.eE]*")
_ATTRIBUTES = re.compile(rb"(?<=[\s,])\{.*")
_COMMA_CELL = re.compile(rb'[ \t]*"((?:[^"]|"")*)"[ \t]*(?:,|$)|([^,]*)(?:,|$)')


def read_text(
    file: io.BufferedIOBase,
    name: str,
    counts: ReadCounts,
    id_types: tuple[IdType, IdType] = ("auto", "auto"),
    header: bool | None = None,
    weighted: bool = False,
) -> Iterator[EdgeBatch]:
    """Yield the edges of the first two columns, block by block.

    Comments begin with `#` or `%`; columns are set apart by tabs, by commas, or by white space,
    the first of these that the first line shows before a `{`. Between commas, a quoted cell may
    hold commas, and a quote as two quotes. A header is recognized by integers below it or by the
    usual names, and holds no number; `header` overrides. Lines end in LF, CR LF or CR; a byte
    order mark is left out. The third column holds weights where it is a number in the first line.

    Args:
        file: the text.
        name: what messages call it.
        counts: filled in.
        id_types: the type of each column; `auto` takes that of the first line.
        header: True, False, or None to recognize it.
        weighted: read weights where there are any.

    Raises:
        InvalidGraph: a line with one column, an open quote, ids of two types, a negative id; a
            third cell that is no number among weights.
        UnreadableFile: not UTF-8, or a broken gzip stream.
    """
    columns: Columns | None = None
    for block in line_blocks(file, name):
        if columns is None:
            columns = Columns.sniff(block, name, id_types, header, weighted, counts)
        if columns is not None:
            yield columns.parse(block, counts)


@dataclass
class Columns:
    """How the lines of one text are read.

    Attributes:
        name: what messages call the text.
        separator: what sets columns apart.
        integer: whether each of the two columns holds integers.
        automatic: whether the types of ids were told by the first line.
        skip: lines at the top of the next block to leave out: the header.
        weighted: whether the third column holds weights; None until a line has told.
    """

    name: str
    separator: int
    integer: list[bool]
    automatic: bool
    skip: int
    weighted: bool | None

    @classmethod
    def sniff(
        cls,
        block: bytes,
        name: str,
        id_types: tuple[IdType, IdType],
        header: bool | None,
        weighted: bool,
        counts: ReadCounts,
    ) -> Columns | None:
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
        cells = [*(rows[-1] if header else rows[0]), b"", b""][:2]
        integer = [
            _looks_integer(cell) if kind == "auto" else kind == "integer"
            for cell, kind in zip(cells, id_types, strict=True)
        ]
        automatic = "string" not in id_types
        skip = first_number if header else 0
        return cls(name, separator, integer, automatic, skip, None if weighted else False)

    def parse(self, block: bytes, counts: ReadCounts) -> EdgeBatch:
        """The edges of a block of whole lines."""
        text = np.frombuffer(block, dtype=np.uint8)
        lines = block.count(b"\n")
        spans = np.empty((lines, 6), dtype=np.int32)
        line_of = np.empty(lines, dtype=np.int64)
        rows, (bad_line, reason), comments, third_text, third_number = split_lines(
            text, self.separator, self.skip, spans, line_of
        )
        if bad_line >= 0:
            line = block.split(b"\n", bad_line + 1)[bad_line]
            self._refuse_line(line, counts.lines + bad_line + 1, reason)
        spans, line_of = spans[:rows], line_of[:rows] + counts.lines + 1
        weights = self._weights(text, spans[:, 4:], line_of)
        if self.separator == COMMA and b'""' in block:
            text = text.copy()
            undouble(text, spans[:, :4])
        sources, targets = (self._ids(text, spans[:, 2 * c :], c, line_of) for c in range(2))
        counts.lines += lines
        counts.comments += comments
        counts.third_ignored += third_text
        counts.weights_ignored += third_number
        self.skip = 0
        return EdgeBatch(sources, targets, weights)

    def _ids(self, text: Bytes, spans: Spans, column: int, line_of: Ints) -> Ids:
        if not self.integer[column]:
            return self._strings(text, spans, line_of)
        values = np.empty(len(spans), dtype=np.int64)
        bad = parse_integers(text, spans, values)
        if bad >= 0:
            cell = text[spans[bad, 0] : spans[bad, 1]]
            self._refuse(cell.tobytes(), int(line_of[bad]))
        return values

    def _strings(self, text: Bytes, spans: Spans, line_of: Ints) -> pa.Array:
        cells = _arrow_strings(text, spans)
        try:
            cells.validate(full=True)
        except pa.ArrowInvalid:
            raise UnreadableFile(
                f"{self.name}: not UTF-8 near line {line_of[0]}; convert the file to UTF-8"
            ) from None
        encoded = cells.dictionary_encode()
        if self.automatic:
            self._check_strings(encoded, line_of)
        return encoded

    def _weights(self, text: Bytes, spans: Spans, line_of: Ints) -> Doubles | None:
        """The third column; None where it holds no weights."""
        if self.weighted is None and len(spans):
            self.weighted = _doubles(_arrow_strings(text, spans[:1])) is not None
        if not self.weighted:
            return None
        cells = _arrow_strings(text, spans)
        weights = _doubles(cells)
        if weights is None:
            bad = next(row for row in range(len(cells)) if _doubles(cells[row : row + 1]) is None)
            cell = text[spans[bad, 0] : spans[bad, 1]].tobytes().decode("utf-8", "replace")
            raise InvalidGraph(
                f"{self.name}, line {line_of[bad]}: weight {cell!r} beside numbers in the third "
                "column, wanted a number in each line or in none; mend it, or leave weights out "
                "(--unweighted)"
            )
        return weights

    def _check_strings(self, encoded: pa.Array, line_of: Ints) -> None:
        """The column began with text: an integer in it is a mixed type."""
        numeric = pc.match_substring_regex(encoded.dictionary, "^(0|[1-9][0-9]*)$")
        if not pc.any(numeric).as_py():
            return
        entry = numeric.index(True).as_py()
        row = int(np.flatnonzero(encoded.indices.to_numpy() == entry)[0])
        raise InvalidGraph(
            f"{self.name}, line {line_of[row]}: id "
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


def _arrow_strings(text: Bytes, spans: Spans) -> pa.Array:
    """The cells at the first two columns of `spans`, unchecked."""
    offsets = np.zeros(len(spans) + 1, dtype=np.int32)
    np.cumsum(spans[:, 1] - spans[:, 0], out=offsets[1:])
    data = np.empty(int(offsets[-1]), dtype=np.uint8)
    copy_cells(text, spans, offsets, data)
    return pa.StringArray.from_buffers(len(spans), pa.py_buffer(offsets), pa.py_buffer(data))


def _doubles(cells: pa.Array) -> Doubles | None:
    """The numbers of cells; None if one of them is no number."""
    try:
        numbers: Doubles = pc.cast(cells, pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return numbers


def _separator(line: bytes) -> int:
    """The separator of a line's columns; attributes as networkx writes them are left out."""
    plain = _ATTRIBUTES.sub(b"", line)
    if b"\t" in plain:
        return TAB
    return COMMA if b"," in plain else SPACE


def _cells(line: bytes, separator: int) -> list[bytes]:
    if separator == COMMA:
        matches = _COMMA_CELL.findall(line)
        return [quoted.replace(b'""', b'"') or plain.strip(b" \t") for quoted, plain in matches]
    cells = line.split() if separator == SPACE else line.split(b"\t")
    return [cell.strip(b' \t"') for cell in cells]


def _looks_integer(cell: bytes) -> bool:
    """Whether an id is written as a canonical integer; it may be out of range."""
    return _INTEGER.fullmatch(cell) is not None


def looks_like_number(cell: str) -> bool:
    """Whether a cell is made of digits, signs and dots, and so is no name of a column."""
    return _NUMBER_LIKE.fullmatch(cell.strip().encode("utf-8", "replace")) is not None


def _is_header(rows: list[list[bytes]], id_types: tuple[IdType, IdType]) -> bool:
    first = rows[0][:2]
    if any(_NUMBER_LIKE.fullmatch(cell) for cell in rows[0]):
        return False  # an edge taken for a header would be lost without a message
    if all(c.decode("utf-8", "replace").casefold() in HEADER_NAMES for c in first):
        return True
    below = rows[1][:2] if len(rows) > 1 else []
    return len(below) == 2 and all(
        _looks_integer(cell) and kind != "string"
        for cell, kind in zip(below, id_types, strict=True)
    )
