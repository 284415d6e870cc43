"""Edges from text files: SNAP, CSV, TSV; streamed in blocks, no Python object per edge."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphagg.arrays import Doubles, Ints, Mask
from graphagg.errors import InvalidGraph, UnreadableFile
from graphagg.graph.kinds import IdType as IdType
from graphagg.graph.reading.batches import EdgeBatch, Ids, ReadCounts, wrong_weights
from graphagg.graph.reading.cells import (
    BAR,
    COMMA,
    SEMICOLON,
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
from graphagg.graph.reading.columns import INTEGER, SAMPLE, Columns, text_columns
from graphagg.graph.reading.files import line_blocks, open_bytes
from graphagg.graph.reading.settings import Reading

_ATTRIBUTES = re.compile(rb"(?<=[\s,])\{.*")
_QUOTED = re.compile(rb'(?:^|(?<=[,;|]))[ \t]*"(?:[^"]|"")*"')
_PLAIN_COMMA = re.compile(rb"(?<![0-9]),|,(?![0-9])")
_ALIKE = 10
"""Lines that must have as many columns as the first one for a separator to be sure."""


def read_lines(path: Path, counts: ReadCounts, reading: Reading) -> Iterator[EdgeBatch]:
    """Yield the edges of a text, block by block; it is opened when the first are asked for.

    Comments begin with `#` or `%`. Columns are set apart by tabs where the first line shows one
    before a `{`; else by semicolons, commas or bars: the first of these that parts the first lines
    into the same number of columns, else the first that the first line shows; else by white space.
    A comma between digits is a decimal comma where semicolons stand. Between commas, semicolons and
    bars a quoted cell may hold any of them, and a quote as two quotes. `columns` says which line is
    a header and which columns are read. Without a header the third column holds weights where it is
    a number in the first line. Lines end in LF, CR LF or CR; a byte order mark is left out.

    Args:
        path: the text.
        counts: filled in.
        reading: the options.

    Raises:
        InvalidGraph: a header that is not known; and, unless bad rows are skipped, a line without
            two ids, an open quote, ids of two types, a negative id, a weight that is no number.
        UnreadableFile: not UTF-8, or a broken gzip stream.
    """
    layout: TextLayout | None = None
    with open_bytes(path) as file:
        counts.lines = 0
        for block in line_blocks(file, str(path)):
            layout = layout or TextLayout.sniff(block, str(path), reading, counts)
            if layout is not None:
                yield layout.parse(block, counts)


@dataclass
class TextLayout:
    """Layout of the lines of one text.

    Attributes:
        name: name of the text in messages.
        separator: separator of columns, a byte.
        columns: the columns that are read.
        integer: whether each of the two columns of ids holds integers.
        automatic: whether the types of ids were told by the first line.
        skip: lines at the top of the next block to leave out: the header.
        weighted: whether the column of weights holds some; None until a line has told.
        lenient: leave out the rows that cannot be read.
        numbered: whether messages count lines: a task of Spark does not know where its lines are.
        needed: whether each row must have a weight above 0.
    """

    name: str
    separator: int
    columns: Columns
    integer: list[bool]
    automatic: bool
    skip: int
    weighted: bool | None
    lenient: bool
    numbered: bool = True
    needed: bool = False

    @classmethod
    def sniff(
        cls, block: bytes, name: str, reading: Reading, counts: ReadCounts
    ) -> TextLayout | None:
        """Look at the first lines that hold data; None if the block has none."""
        if block.startswith(b"%%MatrixMarket"):
            raise InvalidGraph(
                f"{name}: a Matrix Market file, wanted lines of edges; call it .mtx and read it "
                "in process, or convert it"
            )
        lines = list(islice(_data_lines(block), SAMPLE))
        if not lines:
            counts.comments += sum(1 for line in io.BytesIO(block) if line.strip())
            counts.lines += block.count(b"\n")
            return None
        plain = [_ATTRIBUTES.sub(b"", line) for _, line in lines]
        separator = (
            ord(reading.delimiter)
            if reading.delimiter
            else _separator([line.strip() for line in plain[:_ALIKE]])
        )
        rows = [_cells(line, separator) for line in plain]
        columns = text_columns(rows, reading, name)
        counts.columns = counts.columns or columns
        header = columns.header
        if header:
            counts.header = counts.header or lines[0][1].decode("utf-8", "replace").strip()
        row = rows[1 if header and len(rows) > 1 else 0]
        ids = [row[at] if at < len(row) else "" for at in columns[:2]]
        if reading.ids == "auto":
            integer = [INTEGER.fullmatch(cell) is not None for cell in ids]
        else:
            integer = [reading.ids == "integer"] * 2
        weighted = None if reading.wants_weights and columns.weight >= 0 else False
        if weighted is None and (reading.weight_column or columns.weight_is_named):
            weighted = True
        return cls(
            name, separator, columns, integer, reading.ids != "string",
            lines[0][0] if header else 0, weighted, reading.skip_bad_rows,
            needed=reading.needs_weights,
        )  # fmt: skip

    def parse(self, block: bytes, counts: ReadCounts) -> EdgeBatch:
        """The edges of a block of whole lines."""
        text = np.frombuffer(block, dtype=np.uint8)
        lines = block.count(b"\n")
        spans = np.empty((lines, 6), dtype=np.int32)
        line_of = np.empty(lines, dtype=np.int64)
        rows, refused, comments, texts, numeric = split_lines(
            text, self.separator, self.skip, self.columns[:3], self.lenient, spans, line_of
        )
        if refused[0]:
            self._refuse_lines(block, refused, counts)
        spans, line_of = spans[:rows], line_of[:rows] + counts.lines + 1
        bad = np.zeros(rows, dtype=np.bool_)
        weights = self._weights(text, spans[:, 4:], line_of, bad, counts)
        if self.separator not in (SPACE, TAB) and b'""' in block:
            text = text.copy()
            undouble(text, spans[:, :4])
        sources, targets = (
            self._ids(text, spans[:, 2 * c :], c, line_of, bad, counts) for c in range(2)
        )
        counts.lines += lines
        counts.comments += comments
        counts.third_ignored += texts
        counts.weights_ignored += numeric
        self.skip = 0
        batch = EdgeBatch(sources, targets, weights)
        if bad.any():
            counts.bad_rows += int(np.count_nonzero(bad))
            batch = batch.where(~bad)
        return batch

    def _ids(
        self, text: Bytes, spans: Spans, column: int, line_of: Ints, bad: Mask, counts: ReadCounts
    ) -> Ids:
        if not self.integer[column]:
            return self._strings(text, spans, line_of, bad, counts)
        values = np.zeros(len(spans), dtype=np.int64)
        wrong = np.zeros(len(spans), dtype=np.bool_)
        parse_integers(text, spans, values, wrong)
        if wrong.any():
            row = int(wrong.argmax())
            cell = text[spans[row, 0] : spans[row, 1]].tobytes()
            self._refuse(_about_id(cell), int(line_of[row]), counts)
            bad |= wrong
        return values

    def _strings(
        self, text: Bytes, spans: Spans, line_of: Ints, bad: Mask, counts: ReadCounts
    ) -> pa.Array:
        cells = _arrow_strings(text, spans)
        try:
            cells.validate(full=True)
        except pa.ArrowInvalid:
            raise UnreadableFile(
                f"{self.name}: not UTF-8 near line {line_of[0]}; convert the file to UTF-8"
            ) from None
        encoded = cells.dictionary_encode()
        if not self.automatic:
            return encoded
        # The column began with text: an integer in it is a mixed type.
        numeric = pc.match_substring_regex(encoded.dictionary, "^(0|[1-9][0-9]*)$")
        if pc.any(numeric).as_py():
            wrong = numeric.to_numpy(zero_copy_only=False)[encoded.indices.to_numpy()]
            row = int(wrong.argmax())
            about = (
                f"id {encoded[row].as_py()!r} is an integer among strings, wanted one type "
                "of id in a file; read the ids as strings (--ids string), or mend the line"
            )
            self._refuse(about, int(line_of[row]), counts)
            bad |= wrong
        return encoded

    def _weights(
        self, text: Bytes, spans: Spans, line_of: Ints, bad: Mask, counts: ReadCounts
    ) -> Doubles | None:
        """The column of weights; None where it holds none."""
        if self.weighted is None and len(spans):
            self.weighted = self._doubles(text, spans[:1]) is not None
        if not self.weighted:
            return None
        weights = self._doubles(text, spans)
        if weights is None:
            each = [self._doubles(text, spans[row : row + 1]) for row in range(len(spans))]
            row = next(row for row, value in enumerate(each) if value is None)
            cell = text[spans[row, 0] : spans[row, 1]].tobytes().decode("utf-8", "replace")
            about = (
                f"weight {cell!r} beside numbers in {self.columns.weight_called}, wanted "
                "a number in each line or in none; mend it, or leave weights out (--unweighted)"
            )
            self._refuse(about, int(line_of[row]), counts)
            weights = np.array([np.nan if value is None else value[0] for value in each])
        if self.lenient:
            wrong = wrong_weights(weights, self.needed)
            if wrong.any():
                row = int(wrong.argmax())
                about = f"weight {weights[row]}, wanted a number " + (
                    "above 0" if self.needed else "of 0 or more"
                )
                self._refuse(about, int(line_of[row]), counts)
                bad |= wrong
        return weights

    def _doubles(self, text: Bytes, spans: Spans) -> Doubles | None:
        """The numbers of cells; None if one of them is no number."""
        cells = _arrow_strings(text, spans)
        if self.separator == SEMICOLON:
            cells = pc.replace_substring(cells, ",", ".")  # decimal commas
        try:
            values: Doubles = pc.cast(cells, pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            return None
        return values

    def _refuse_lines(
        self, block: bytes, refused: tuple[int, int, int], counts: ReadCounts
    ) -> None:
        """Lines without two ids: the first of them is an error, or all are counted."""
        count, first, reason = refused
        line = block.split(b"\n", first + 1)[first]
        shown = line.decode("utf-8", "replace").rstrip()[:80]
        if reason == UNCLOSED:
            about = (
                f"a quote that is not closed before the next separator or the line's end "
                f'({shown!r}), wanted cells like "a, b"; mend the quotes'
            )
        else:
            about = (
                f"an id is missing or empty ({shown!r}), wanted two vertex ids; remove "
                "the line, begin it with #, or leave bad lines out (--skip-bad-rows)"
            )
        self._refuse(about, counts.lines + first + 1, counts)
        counts.bad_rows += count

    def _refuse(self, about: str, line: int, counts: ReadCounts) -> None:
        """Raise `InvalidGraph` about a line, or only note it."""
        message = f"{self.name}, line {line}: {about}" if self.numbered else f"{self.name}: {about}"
        if not self.lenient:
            raise InvalidGraph(message)
        counts.first_bad = counts.first_bad or message


def _about_id(cell: bytes) -> str:
    """Message about a bad id among integers."""
    shown = cell.decode("utf-8", "replace")
    if cell[:1] == b"-" and cell[1:].isdigit():
        return (
            f"negative id {shown}, wanted integers of 0 to 2^63 - 1; "
            "renumber, or read the ids as strings"
        )
    if INTEGER.fullmatch(shown):
        return (
            f"id {shown[:80]} is out of range, wanted integers of 0 to 2^63 - 1; "
            "read the ids as strings (--ids string)"
        )
    return (
        f"id {shown!r} among integers, wanted one type of id in a file; "
        "read the ids as strings (--ids string), or mend the line"
    )


def _data_lines(block: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that hold data, stripped, each with its number from 1."""
    for line_number, line in enumerate(io.BytesIO(block), 1):
        text = line.strip(b" \n")
        if text.strip() and text.lstrip()[:1] not in (b"#", b"%"):
            yield line_number, text


def _arrow_strings(text: Bytes, spans: Spans) -> pa.Array:
    """The cells at the first two columns of `spans`, unchecked."""
    offsets = np.zeros(len(spans) + 1, dtype=np.int32)
    np.cumsum(spans[:, 1] - spans[:, 0], out=offsets[1:])
    data = np.empty(int(offsets[-1]), dtype=np.uint8)
    copy_cells(text, spans, offsets, data)
    return pa.StringArray.from_buffers(len(spans), pa.py_buffer(offsets), pa.py_buffer(data))


def _separator(lines: list[bytes]) -> int:
    """The separator of columns, by the first lines; attributes of networkx are left out already."""
    if b"\t" in lines[0]:
        return TAB
    bare = [_QUOTED.sub(b"", line) for line in lines]
    marks = [COMMA, BAR]
    if not any(_PLAIN_COMMA.search(line) for line in bare):
        marks.insert(0, SEMICOLON)
    shown = [mark for mark in marks if bytes([mark]) in bare[0]]
    for mark in shown:
        if len({line.count(mark) for line in bare}) == 1:
            return mark
    return shown[0] if shown else SPACE


@cache
def _cell_pattern(separator: int) -> re.Pattern[str]:
    """A cell, quoted or plain, up to its separator or the line's end."""
    mark = re.escape(chr(separator))
    return re.compile(rf'[ \t]*"((?:[^"]|"")*)"[ \t]*(?:{mark}|$)|([^{mark}]*)(?:{mark}|$)')


def _cells(line: bytes, separator: int) -> list[str]:
    text = line.decode("utf-8", "replace")
    if separator == SPACE:
        return [cell.strip('"') for cell in text.split()]
    if separator == TAB:
        return [cell.strip(' "') for cell in text.split("\t")]
    matches = _cell_pattern(separator).findall(text)
    if matches and text and not text.endswith(chr(separator)):
        matches.pop()  # the empty match at the line's end
    return [quoted.replace('""', '"') or plain.strip(" \t") for quoted, plain in matches]
