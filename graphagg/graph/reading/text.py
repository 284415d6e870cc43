"""Read edges from text files: SNAP, CSV, TSV.

A block of whole lines is read by `pyarrow.csv`, which requires lines of one form. So comments and
blanks around cells are removed first. A block that has lines of several forms, or in which
anything is wrong, is read again line by line in Python: this names the line and its fault, or
leaves the line out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from graphagg.arrays import Doubles, Ints
from graphagg.errors import InvalidGraph, UnreadableFile
from graphagg.graph.reading.batches import EdgeBatch, Ids, ReadCounts, wrong_weights
from graphagg.graph.reading.cells import cells_of, find_separator
from graphagg.graph.reading.columns import INTEGER, NUMBER, SAMPLE, Columns, text_columns
from graphagg.graph.reading.files import line_blocks, open_bytes
from graphagg.graph.reading.settings import EdgeReading

_ATTRIBUTES = re.compile(rb"(?<=[\s,])\{.*")
_COMMENT = re.compile(rb"\n[ \t]*[#%][^\n]*")
_COMMENTS_AT_TOP = re.compile(rb"(?:[ \t]*[#%][^\n]*\n)+")
_CANONICAL = "(0|[1-9][0-9]*)"
_ALIKE = 10
"""Lines that must have as many columns as the first one for a separator to be sure."""
_ZERO = ord("0")
_LARGEST = 2**63 - 1


def read_lines(path: Path, counts: ReadCounts, reading: EdgeReading) -> Iterator[EdgeBatch]:
    """Yield the edges of a text file, block by block; the file is opened on the first one.

    Comments begin with `#` or `%`. The separator is a tab if the first line has one before a `{`;
    else a semicolon, comma or bar: the first that splits the first lines into the same number of
    columns, else the first that the first line has; else white space. A comma between digits is a
    decimal comma if the separator is a semicolon. A quoted cell may hold the separator, and a quote
    as two quotes. `columns` says which line is a header and which columns are read. Without a
    header the third column holds weights if it is a number in the first line. Lines end in LF, CR
    LF or CR; a byte order mark is skipped.

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
    columns: Columns  # the columns that are read
    integer: list[bool]  # whether each of the two columns of ids is of integers
    automatic: bool  # whether the types of ids were recognized by the first line
    skip: int  # lines at the top of the next block to leave out: the header
    weighted: bool | None  # whether the third column has weights; None until a line is read
    lenient: bool  # leave out the rows that cannot be read
    # whether messages have line numbers: a task of Spark cannot count the lines before its own
    numbered: bool = True
    needed: bool = False  # whether each row must have a weight above 0

    @classmethod
    def sniff(
        cls, block: bytes, name: str, reading: EdgeReading, counts: ReadCounts
    ) -> TextLayout | None:
        """Inspect the first data lines; None if the block has none."""
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
        texts = [_ATTRIBUTES.sub(b"", line).decode("utf-8", "replace") for _, line in lines]
        separator = reading.delimiter or find_separator(texts[:_ALIKE])
        rows = [[cell or "" for cell in cells_of(text, separator)] for text in texts]
        columns = text_columns(rows, reading, name)
        header = columns.header
        below = rows[1:] if header and len(rows) > 1 else rows
        cells = [[row[at] if at < len(row) else "" for row in below] for at in columns[:2]]
        is_integer = [[INTEGER.fullmatch(cell) is not None for cell in column] for column in cells]
        # A few numbers after names, such as the package 2048, are names.
        few = [not each[0] and 0 < 2 * sum(each) < len(each) for each in is_integer]
        mixed = reading.ids == "auto" and any(few)
        columns = columns._replace(mixed=mixed)
        counts.columns = counts.columns or columns
        if header:
            counts.header = counts.header or lines[0][1].decode("utf-8", "replace").strip()
        integer = [reading.ids == "integer"] * 2
        if reading.ids == "auto":
            integer = [each[0] for each in is_integer]
        weighted = None if reading.wants_weights and columns.weight >= 0 else False
        if weighted is None and (reading.weight_column or columns.weight_is_named):
            weighted = True
        return cls(
            name, separator, columns, integer, reading.ids != "string" and not mixed,
            lines[0][0] if header else 0, weighted, reading.skip_bad_rows,
            needed=reading.needs_weights,
        )  # fmt: skip

    def parse(self, block: bytes, counts: ReadCounts) -> EdgeBatch:
        """The edges of a block of whole lines."""
        text, edges = block.split(b"\n", self.skip)[-1], None
        if top := _COMMENTS_AT_TOP.match(text):  # they are often all; a search reads every byte
            counts.comments += top[0].count(b"\n")
            text = text[top.end() :]
        if b"#" in text or b"%" in text:
            text, comments = _COMMENT.subn(b"", b"\n" + text)
            text = text[1:]
            counts.comments += comments
        if self.separator == " " and b"\t" not in text:
            edges = self._read(text, counts)
        if edges is None:
            trimmed = _trimmed(text, self.separator)
            edges = None if trimmed is None else self._read(trimmed, counts)
        if edges is None:
            edges = self._read_by_line(block, counts)
        counts.lines += block.count(b"\n")
        self.skip = 0
        return edges

    def _read(self, text: bytes, counts: ReadCounts) -> EdgeBatch | None:
        """Read all lines at once; None if they have several forms, or an error."""
        columns = self._columns(text)
        if columns is None:
            return None
        sources, targets = (self._ids(columns[end], end) for end in range(2))
        if sources is None or targets is None:
            return None
        cells, weights, weighted = columns[2], None, self.weighted
        if weighted is None and len(cells):
            weighted = self._doubles(cells[:1]) is not None
        if weighted:
            weights = self._doubles(cells)
            if weights is None or (self.lenient and wrong_weights(weights, self.needed).any()):
                return None
        else:
            _count_unused(cells, counts)
        self.weighted = weighted
        return EdgeBatch(sources, targets, weights)

    def _columns(self, text: bytes) -> list[pa.Array] | None:
        """The cells of sources, targets and weights; None if not all lines have the same form."""
        if not text.strip():
            return [pa.array([], pa.string())] * 3
        if b'"' in text and not _are_quoted_whole(text, self.separator):
            return None
        names = [f"f{at}" for at in self.columns[:3]]
        try:
            table = csv.read_csv(
                pa.py_buffer(text),
                csv.ReadOptions(
                    use_threads=False, block_size=len(text) + 1, autogenerate_column_names=True
                ),
                csv.ParseOptions(delimiter=self.separator),
                csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=names,
                    include_missing_columns=True,
                ),
            )
        except pa.ArrowInvalid:  # another number of columns, or not UTF-8
            return None
        if table.num_rows != text.count(b"\n"):
            if table.num_rows != sum(map(bool, text.split(b"\n"))):
                return None  # a quoted cell goes over several lines
        if self.separator == " " and any(pc.any(pc.equal(cells, "")).as_py() for cells in table):
            return None  # runs of spaces
        return [pc.fill_null(table[name].combine_chunks(), "") for name in names]

    def _ids(self, cells: pa.Array, end: int) -> Ids | None:
        """A column of ids; None if one is missing or of another type."""
        _, starts, data = cells.buffers()
        bounds = np.frombuffer(starts, np.int32)[: len(cells) + 1] if len(cells) else np.zeros(1)
        lengths = np.diff(bounds)
        if not lengths.all():
            return None
        if not self.integer[end]:
            encoded = cells.dictionary_encode()
            mixed = (
                self.automatic
                and pc.any(pc.match_substring_regex(encoded.dictionary, f"^{_CANONICAL}$")).as_py()
            )
            return None if mixed else encoded
        if not len(cells):
            return np.zeros(0, dtype=np.int64)
        digits = np.frombuffer(data, np.uint8) - _ZERO
        first, last = digits[bounds[:-1]], digits[bounds[1:] - 1]
        if not ((first < 10) & (last < 10) & ((first > 0) | (lengths == 1))).all():
            return None  # a sign, or leading zeros
        try:
            values: Ints = pc.cast(cells, pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            return None
        return values

    def _doubles(self, cells: pa.Array) -> Doubles | None:
        """The numbers of cells; None if one of them is no number."""
        if self.separator == ";":
            cells = pc.replace_substring(cells, ",", ".")  # decimal commas
        try:
            values: Doubles = pc.cast(cells, pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            return None
        return values

    def _read_by_line(self, block: bytes, counts: ReadCounts) -> EdgeBatch:
        """Read line by line: name a line that is wrong, or leave it out."""
        try:
            lines = block.decode().split("\n")[self.skip : -1]
        except UnicodeDecodeError as error:
            line = counts.lines + block.count(b"\n", 0, error.start) + 1
            raise UnreadableFile(
                f"{self.name}: not UTF-8 in line {line}; convert the file to UTF-8"
            ) from None
        rows: list[list[str]] = []
        at = self.columns.weight
        for number, text in enumerate(lines, counts.lines + self.skip + 1):
            if not text.strip(" \t") or text.lstrip(" \t")[0] in "#%":
                continue
            cells = cells_of(text, self.separator)
            cells += [""] * (max(self.columns[:3]) + 1 - len(cells))
            fault = self._fault(cells, text)
            weight = (cells[at] or "").strip(' \t"') if at >= 0 else ""
            if fault is None and self.weighted is None:
                self.weighted = self._doubles(pa.array([weight])) is not None
            if fault is None and self.weighted:
                fault = self._weight_fault(weight)
            if fault is None:
                rows.append([*(str(cells[end]) for end in self.columns[:2]), weight])
            else:
                self._refuse(fault, number, counts)
        first, second, weights = (pa.array([row[i] for row in rows], pa.string()) for i in range(3))
        sources, targets = self._ids(first, 0), self._ids(second, 1)
        assert sources is not None and targets is not None
        if self.weighted:
            return EdgeBatch(sources, targets, self._doubles(weights))
        _count_unused(weights, counts)
        return EdgeBatch(sources, targets)

    def _fault(self, cells: list[str | None], line: str) -> str | None:
        """What is wrong with the ids of a line; None if nothing is."""
        ids = [cells[at] for at in self.columns[:2]]
        excerpt = line.rstrip()[:80]
        if None in ids:
            return (
                f"a quote that is not closed before the next separator or the end of the line "
                f'({excerpt!r}), wanted cells like "a, b"; mend the quotes'
            )
        if "" in ids:
            return (
                f"an id is missing or empty ({excerpt!r}), wanted two vertex ids; remove "
                "the line, begin it with #, or leave bad lines out (`skip_bad_rows=True`)"
            )
        for cell, integer in zip(ids, self.integer, strict=True):
            assert cell is not None
            canonical = re.fullmatch(_CANONICAL, cell)
            if integer and not (canonical and int(cell) <= _LARGEST):
                return _about_id(cell)
            if canonical and not integer and self.automatic:
                return (
                    f"id {cell!r} is an integer among strings, wanted one type of id in a file; "
                    'read the ids as strings (`ids="string"`), or mend the line'
                )
        return None

    def _weight_fault(self, cell: str) -> str | None:
        """What is wrong with a weight; None if nothing is."""
        weight = self._doubles(pa.array([cell]))
        if weight is None:
            return (
                f"weight {cell!r} beside numbers in {self.columns.weight_label}, wanted "
                "a number in each line or in none; mend it, or leave weights out (`weighted=False`)"
            )
        if self.lenient and wrong_weights(weight, self.needed)[0]:
            return f"weight {weight[0]}, wanted a number " + (
                "above 0" if self.needed else "of 0 or more"
            )
        return None

    def _refuse(self, fault: str, line: int, counts: ReadCounts) -> None:
        """Raise `InvalidGraph` about a line, or count it and note the first fault."""
        message = f"{self.name}, line {line}: {fault}" if self.numbered else f"{self.name}: {fault}"
        if not self.lenient:
            raise InvalidGraph(message)
        counts.bad_rows += 1
        counts.first_bad = counts.first_bad or message
        if counts.faults is not None:
            counts.faults.append(message)


def _count_unused(cells: pa.Array, counts: ReadCounts) -> None:
    """Count numbers and text in a column of weights that is not used."""
    numbers = pc.sum(pc.match_substring_regex(cells, f"^{NUMBER}$")).as_py() or 0
    empty = pc.sum(pc.equal(cells, "")).as_py() or 0
    counts.weights_ignored += numbers
    counts.third_ignored += len(cells) - numbers - empty


def _about_id(cell: str) -> str:
    """Message about a bad id among integers."""
    if INTEGER.fullmatch(cell) and cell[0] == "-":
        return (
            f"negative id {cell}, wanted integers of 0 to 2^63 - 1; "
            'renumber, or read the ids as strings (`ids="string"`)'
        )
    if INTEGER.fullmatch(cell):
        return (
            f"id {cell[:80]} is out of range, wanted integers of 0 to 2^63 - 1; "
            'read the ids as strings (`ids="string"`)'
        )
    return (
        f"id {cell!r} among integers, wanted one type of id in a file; "
        'read the ids as strings (`ids="string"`), or mend the line'
    )


def _data_lines(block: bytes) -> Iterator[tuple[int, bytes]]:
    """The data lines, stripped, each with its line number from 1."""
    for line_number, line in enumerate(io.BytesIO(block), 1):
        text = line.strip(b" \n")
        if text.strip() and text.lstrip()[:1] not in (b"#", b"%"):
            yield line_number, text


def _trimmed(text: bytes, separator: str) -> bytes | None:
    """Remove blanks around cells; None if they may be blanks in a quoted cell."""
    trimmed, mark = text, separator.encode()
    if separator == " ":
        trimmed = trimmed.replace(b"\t", b" ")
    elif separator != "\t" and b"\t" in text:
        trimmed = re.sub(rb"[ \t]*([\n%b])[ \t]*" % re.escape(mark), rb"\1", trimmed.lstrip(b" \t"))
    if b" " in trimmed:
        for blank, alone in (
            (mark + b" ", mark), (b" " + mark, mark), (b"\n ", b"\n"), (b" \n", b"\n"),
        ):  # fmt: skip
            while blank in trimmed:
                trimmed = trimmed.replace(blank, alone)
        trimmed = trimmed.lstrip(b" ")
    return None if trimmed != text and b'"' in text else trimmed


def _are_quoted_whole(text: bytes, separator: str) -> bool:
    """Whether each quote begins or ends a cell, so that no cell contains a quote."""
    content = np.frombuffer(b"\n" + text, dtype=np.uint8)
    quotes = np.flatnonzero(content == ord('"'))
    if len(quotes) % 2:
        return False
    around = np.concatenate([content[quotes[::2] - 1], content[quotes[1::2] + 1]])
    return bool(np.isin(around, [ord(separator), ord("\n")]).all())
