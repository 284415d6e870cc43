"""Read edges from text files: SNAP, CSV, TSV.

`pyarrow.csv` parses a block of whole lines. Lines whose number of cells differs from the first line
are split in Python. Row numbers of the table map to line numbers, so that errors can report the
line.
"""

from __future__ import annotations

import csv as plain_csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from graphagg.arrays import Doubles, Ints, Mask
from graphagg.errors import GraphAggError, InvalidGraph, UnreadableFile
from graphagg.graph.reading.batches import EdgeBatch, Ids, ReadCounts, wrong_weights
from graphagg.graph.reading.columns import INTEGER, NUMBER, SAMPLE, Columns, text_columns
from graphagg.graph.reading.files import line_blocks, open_bytes
from graphagg.graph.reading.settings import EdgeReading

_ATTRIBUTES = re.compile(r"(?<=[\s,])\{.*")
_QUOTED = re.compile('"[^"]*"')
_COMMENT = re.compile(rb"(?m)^[ \t]*[#%][^\n]*")
_COMMENTS_AT_TOP = re.compile(rb"(?:[ \t]*[#%][^\n]*\n)+")
_CANONICAL = "^(0|[1-9][0-9]*)$"
_ZERO = ord("0")
_LARGEST = 2**63 - 1


def read_lines(path: Path, counts: ReadCounts, reading: EdgeReading) -> Iterator[EdgeBatch]:
    """Yield the edges of a text file in blocks; the file is opened when the first is requested.

    Comments begin with `#` or `%`. The separator is the first of tab, semicolon, comma and bar that
    occurs in the first line, else white space. With the last three, a quoted cell may contain the
    separator, and a quote as two quotes. The module `columns` finds the header and the columns.
    Without a header the third column holds weights if it is a number in the first line. Lines end
    in LF or CR LF; a byte order mark is skipped.

    Unless bad rows are skipped, a bad line raises `InvalidGraph`. Text that is not UTF-8, or a
    broken gzip stream, raises `UnreadableFile`.
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
    """Layout of the lines of one text."""

    name: str  # name of the text in messages
    separator: str  # separator of columns; a space means any white space
    width: int  # cells of most lines
    columns: Columns  # the columns that are read
    integer: list[bool]  # whether the ids are integers, for each of the two id columns
    automatic: bool  # whether the types of ids were detected from the first line
    header: int  # line number of the header in the next block, from 1; 0: no header
    weighted: bool  # whether the third column has weights
    lenient: bool  # skip rows that cannot be read
    # whether messages have line numbers: a Spark task cannot count the lines before its own
    numbered: bool = True

    @classmethod
    def sniff(
        cls, block: bytes, name: str, reading: EdgeReading, counts: ReadCounts
    ) -> TextLayout | None:
        """Inspect the first data lines; None if the block has none."""
        if block.startswith(b"%%MatrixMarket"):
            raise InvalidGraph(
                f"{name}: is a Matrix Market file, expected lines of edges; read it with "
                "scipy.io.mmread and pass the matrix"
            )
        lines = list(islice(_data_lines(block), SAMPLE))
        if not lines:
            counts.comments += sum(1 for line in io.BytesIO(block) if line.strip())
            counts.lines += block.count(b"\n")
            return None
        separator = reading.delimiter or find_separator(_ATTRIBUTES.sub("", lines[0][1]))
        rows = [_cells(line, separator) for _, line in lines]
        columns = text_columns(rows, reading, name)
        below = rows[1:] if columns.header and len(rows) > 1 else rows
        cells = [[row[at] if at < len(row) else "" for row in below] for at in columns[:2]]
        is_integer = [[INTEGER.fullmatch(cell) is not None for cell in column] for column in cells]
        # A few numbers among names are names too, such as the package 2048.
        few = [not column[0] and 0 < 2 * sum(column) < len(column) for column in is_integer]
        mixed = reading.ids == "auto" and any(few)
        columns = columns._replace(mixed=mixed)
        counts.columns = counts.columns or columns
        if columns.header:
            counts.header = counts.header or lines[0][1].strip()
        integer = [reading.ids == "integer"] * 2
        if reading.ids == "auto":
            integer = [column[0] for column in is_integer]
        weighted = reading.wants_weights and columns.weight >= 0
        if weighted and not (reading.weight_column or columns.weight_is_named):
            cell = pa.array(below[0][columns.weight :][:1], pa.string())
            weighted = len(cell) == 1 and _doubles(cell) is not None
        return cls(
            name, separator, max(2, len(rows[0])), columns, integer,
            reading.ids != "string" and not mixed, lines[0][0] if columns.header else 0,
            weighted, reading.skip_bad_rows,
        )  # fmt: skip

    def parse(self, block: bytes, counts: ReadCounts) -> EdgeBatch:
        """Parse the edges of a block of whole lines."""
        cells, lines = self._read(block, counts)
        edges = self._edges(cells)
        if edges is None:
            valid = pa.array(self._readable(cells, lines, counts))
            edges = self._edges([column.filter(valid) for column in cells])
            assert edges is not None
        if not self.weighted:
            is_number = pc.match_substring_regex(cells[2], f"^{NUMBER}$")
            counts.weights_ignored += pc.sum(is_number).as_py() or 0
        counts.lines += block.count(b"\n")
        return edges

    def _read(self, block: bytes, counts: ReadCounts) -> tuple[list[pa.Array], Ints]:
        """Return the cells of sources, targets and weights `[E]`, and their line numbers from 1."""
        text = self._plain(block, counts)
        table, others = self._table(text, block, counts)
        count = table.num_rows + len(others)
        if count != text.count(b"\n"):
            raise self._unreadable(block, counts, "a cell spans several lines")
        lines = np.delete(np.arange(1, 1 + count), [number - 1 for number, _ in others])
        others = [(n, line) for n, line in others if line.strip(" \t")]
        cells = [pc.fill_null(column.combine_chunks(), "") for column in table.itercolumns()]
        if b" " in text and self.separator != " ":
            cells = [pc.utf8_trim(column, " \t") for column in cells]
        if others:
            rows = [_cells(line, self.separator) for _, line in others]
            lines = np.append(lines, [number for number, _ in others])
            for i, at in enumerate(self.columns[:3]):
                added = [row[at] if 0 <= at < len(row) else "" for row in rows]
                cells[i] = pa.concat_arrays([cells[i], pa.array(added, pa.string())])
        is_empty = np.flatnonzero(pc.equal(pc.binary_length(cells[0]), 0))
        if len(is_empty):  # comments and empty lines
            numbers, filled = lines[is_empty], np.ones(len(lines), dtype=np.bool_)
            texts = text.split(b"\n", int(numbers.max()))
            filled[is_empty] = [bool(texts[i - 1].strip(b" \t")) for i in numbers.tolist()]
            cells, lines = [column.filter(pa.array(filled)) for column in cells], lines[filled]
        return cells, lines

    def _table(
        self, text: bytes, block: bytes, counts: ReadCounts
    ) -> tuple[pa.Table, list[tuple[int, str]]]:
        """Parse the columns; also return lines with more or fewer cells, and their line numbers."""
        others: list[tuple[int, str]] = []

        def collect(row: Any) -> str:
            others.append((row.number, row.text))
            return "skip"

        names = [f"f{at}" for at in self.columns[:3]]
        columns = [f"f{at}" for at in range(self.width)]
        try:
            table = csv.read_csv(
                pa.py_buffer(text),
                csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=columns),
                csv.ParseOptions(
                    delimiter=self.separator,
                    quote_char='"' if self._quotes else False,
                    ignore_empty_lines=False,
                    invalid_row_handler=collect,
                ),
                csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=names,
                    include_missing_columns=True,
                ),
            )
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise self._unreadable(block, counts, str(error)) from None
        return table, others

    def _plain(self, block: bytes, counts: ReadCounts) -> bytes:
        """Replace the header, comments and lines with an unclosed quote with empty lines."""
        text = block
        if self.header:
            lines = text.split(b"\n", self.header)
            lines[self.header - 1] = b""
            text, self.header = b"\n".join(lines), 0
        if top := _COMMENTS_AT_TOP.match(text):  # often the only ones; this avoids a full search
            counts.comments += (comments := top[0].count(b"\n"))
            text = b"\n" * comments + text[top.end() :]
        if b"#" in text or b"%" in text:
            text, comments = _COMMENT.subn(b"", text)
            counts.comments += comments
        if self.separator == " ":
            text = text.replace(b"\t", b" ")
            while b"  " in text:
                text = text.replace(b"  ", b" ")
            text = text.replace(b"\n ", b"\n").replace(b" \n", b"\n").removeprefix(b" ")
        elif self._quotes and b'"' in text:
            lines = text.split(b"\n")
            for i, line in enumerate(lines):
                if line.count(b'"') % 2:
                    excerpt = line.decode("utf-8", "replace").rstrip()[:80]
                    fault = f"a quote that is not closed ({excerpt!r}); close it"
                    self._refuse(fault, i + 1, counts)
                    lines[i] = b""
            mark = re.escape(self.separator.encode())
            blanks = rb'(?m)("[^"]*")|(^|%b) +(?=")' % mark  # before a quoted cell, not inside it
            text = re.sub(blanks, rb"\1\2", b"\n".join(lines))
        return text

    @property
    def _quotes(self) -> bool:
        """Whether quotes enclose cells; between tabs and white space quotes are literal."""
        return self.separator not in "\t "

    def _unreadable(self, block: bytes, counts: ReadCounts, fault: str) -> GraphAggError:
        """Create the error for a block that `pyarrow.csv` cannot read."""
        try:
            block.decode()
        except UnicodeDecodeError as error:
            line = counts.lines + block.count(b"\n", 0, error.start) + 1
            return UnreadableFile(
                f"{self.name}: not UTF-8 in line {line}; convert the file to UTF-8"
            )
        return InvalidGraph(f"{self.name}: {fault}; correct the file")

    def _edges(self, cells: list[pa.Array]) -> EdgeBatch | None:
        """Convert cells to edges; None if a cell is invalid."""
        sources, targets = (self._ids(cells[end], end) for end in range(2))
        if sources is None or targets is None:
            return None
        if not self.weighted:
            return EdgeBatch(sources, targets)
        weights = _doubles(cells[2])
        if weights is None or (self.lenient and wrong_weights(weights).any()):
            return None
        return EdgeBatch(sources, targets, weights)

    def _ids(self, cells: pa.Array, end: int) -> Ids | None:
        """Convert a column of ids; None if an id is missing or has another type."""
        if not len(cells):
            return np.zeros(0, np.int64) if self.integer[end] else cells.dictionary_encode()
        _, starts, data = cells.buffers()
        bounds = np.frombuffer(starts, np.int32)[: len(cells) + 1]
        lengths = np.diff(bounds)
        if not lengths.all():
            return None
        if not self.integer[end]:
            encoded = cells.dictionary_encode()
            wrong = (
                self.automatic
                and pc.any(pc.match_substring_regex(encoded.dictionary, _CANONICAL)).as_py()
            )
            return None if wrong else encoded
        digits = np.frombuffer(data, np.uint8) - _ZERO
        first, last = digits[bounds[:-1]], digits[bounds[1:] - 1]
        if not ((first < 10) & (last < 10) & ((first > 0) | (lengths == 1))).all():
            return None  # a sign, or leading zeros
        try:
            values: Ints = pc.cast(cells, pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            return None
        return values

    def _readable(self, cells: list[pa.Array], lines: Ints, counts: ReadCounts) -> Mask:
        """Return a mask of the valid rows; call `_refuse` for the others in line order."""
        columns, valid = [column.to_pylist() for column in cells], np.ones(len(lines), np.bool_)
        for i in np.argsort(lines, kind="stable").tolist():
            fault = self._fault(*(column[i] for column in columns))
            if fault is not None:
                self._refuse(fault, int(lines[i]), counts)
                valid[i] = False
        return valid

    def _fault(self, source: str, target: str, weight: str) -> str | None:
        """Describe what is wrong with a row; None if it is valid."""
        if not (source and target):
            return (
                f"an id is missing or empty ({source!r}, {target!r}), expected two vertex ids; "
                "remove the line, begin it with #, or leave bad lines out (`skip_bad_rows=True`)"
            )
        for cell, integer in zip((source, target), self.integer, strict=True):
            canonical = re.fullmatch(_CANONICAL, cell)
            if integer and not (canonical and int(cell) <= _LARGEST):
                return _about_id(cell)
            if canonical and not integer and self.automatic:
                return (
                    f"id {cell!r} is an integer among strings, expected one type of id in a file; "
                    'read the ids as strings (`ids="string"`), or correct the line'
                )
        if not self.weighted:
            return None
        number = _doubles(pa.array([weight]))
        if number is None:
            return (
                f"weight {weight!r} beside numbers in {self.columns.weight_label}, expected "
                "a number in each line or in none; correct it, or skip weights (`weighted=False`)"
            )
        if self.lenient and wrong_weights(number)[0]:
            return f"weight {number[0]}, expected a number of 0 or more"
        return None

    def _refuse(self, fault: str, line: int, counts: ReadCounts) -> None:
        """Raise `InvalidGraph` about a line, or count it and note the first fault."""
        place = f"{self.name}, line {counts.lines + line}" if self.numbered else self.name
        if not self.lenient:
            raise InvalidGraph(f"{place}: {fault}")
        counts.bad_rows += 1
        counts.first_bad = counts.first_bad or f"{place}: {fault}"
        if counts.faults is not None:
            counts.faults.append(f"{place}: {fault}")


def find_separator(line: str) -> str:
    """Find the separator: a tab, else a mark outside quotes, else a space (any white space)."""
    plain = "\t" if "\t" in line.strip() else _QUOTED.sub("", line)
    return next((mark for mark in "\t;,|" if mark in plain), " ")


def _cells(line: str, separator: str) -> list[str]:
    """Split a line into cells, and strip blanks around them."""
    if separator == " ":
        return line.split()
    if separator == "\t" or '"' not in line:
        return [cell.strip(" \t") for cell in line.split(separator)]
    reader = plain_csv.reader([line], delimiter=separator, skipinitialspace=True)
    return [cell.strip(" \t") for row in reader for cell in row]


def _doubles(cells: pa.Array) -> Doubles | None:
    """Parse cells as numbers; None if one of them is not a number."""
    try:
        values: Doubles = pc.cast(cells, pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return values


def _about_id(cell: str) -> str:
    """Return the message for an invalid id in a column of integers."""
    advice = 'read the ids as strings (`ids="string"`)'
    if INTEGER.fullmatch(cell) and cell[0] == "-":
        return f"negative id {cell}, expected integers of 0 to 2^63 - 1; renumber, or {advice}"
    if INTEGER.fullmatch(cell):
        return f"id {cell[:80]} is out of range, expected integers of 0 to 2^63 - 1; {advice}"
    return (
        f"id {cell!r} among integers, expected one type of id in a file; {advice}, or fix the line"
    )


def _data_lines(block: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank or comments, each with its number from 1."""
    for number, line in enumerate(io.BytesIO(block), 1):
        text = line.decode("utf-8", "replace").strip(" \n")
        if text.strip() and text.lstrip()[:1] not in ("#", "%"):
            yield number, text
