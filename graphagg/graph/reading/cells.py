"""Compiled loops over bytes that find and parse the cells of lines of text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from graphagg.kernels import kernel

Bytes = npt.NDArray[np.uint8]
Spans = npt.NDArray[np.integer]

SPACE, TAB, COMMA, SEMICOLON, BAR = ord(" "), ord("\t"), ord(","), ord(";"), ord("|")
MISSING, UNCLOSED = -1, -2
"""Why a line has no two ids: a cell is empty or missing; a quote is not closed."""
_BLANK_LINE, _COMMENT = -1, -2
_QUOTE, _HASH, _PERCENT, _NEWLINE = ord('"'), ord("#"), ord("%"), ord("\n")
_ZERO, _NINE, _SIGNS, _EXPONENTS = ord("0"), ord("9"), tuple(b"+-.,"), tuple(b"eE")
_DIGITS = len(str(2**63 - 1))
_LARGEST, _LAST = divmod(2**63 - 1, 10)


@kernel
def split_lines(
    text: Bytes,
    separator: int,
    skip: int,
    columns: tuple[int, int, int],
    lenient: bool,
    spans: Spans,
    line_of: Spans,
) -> tuple[int, tuple[int, int, int], int, int, int]:
    """Find the cells of source, target and weight in each line that holds data.

    Args:
        text: whole lines, each ends in LF.
        separator: what sets cells apart, a byte.
        skip: number of lines to leave out at the top.
        columns: of source, of target and of weight, counted from 0; -1: no weights.
        lenient: go on after a line that has no two ids.
        spans: `[lines, 6]`, filled in: begin and end of two cells, and of the weight or nothing.
        line_of: `[lines]`, filled in: the 0-based line of each row of `spans`.

    Returns:
        The number of rows; of lines without two ids, the first such line (0-based, or -1) and the
        reason; of comments; of lines whose weight is text; of lines whose weight is a number.
    """
    rows = comments = texts = numeric = line = start = bad = reason = 0
    bad_line = -1
    for end in range(len(text)):
        if text[end] != _NEWLINE:
            continue
        # The line is text[start:end]; `line` counts all lines, `rows` those that hold an edge.
        at = line_start(text, start, end, separator) if line >= skip else _BLANK_LINE
        if at == _COMMENT:
            comments += 1
        elif at >= 0:
            kind = _split_line(text, at, end, separator, columns, spans[rows])
            if kind >= 0:
                texts += kind == 1
                numeric += kind == 2
                line_of[rows] = line
                rows += 1
            else:
                bad += 1
                if bad_line < 0:
                    bad_line, reason = line, kind
                if not lenient:
                    break
        line += 1
        start = end + 1
    return rows, (bad, bad_line, reason), comments, texts, numeric


@kernel
def line_start(text: Bytes, start: int, end: int, separator: int) -> int:
    """Find where the first cell of a line begins; negative for a blank line and for a comment."""
    at = past_blanks(text, start, end)
    if at == end:
        return _BLANK_LINE
    if text[at] == _HASH or text[at] == _PERCENT:
        return _COMMENT
    return start if separator == TAB else at  # between tabs, a leading tab is an empty first cell


@kernel
def _split_line(
    text: Bytes, at: int, end: int, separator: int, columns: tuple[int, int, int], span: Spans
) -> int:
    """Write the spans of the cells.

    Returns:
        1 or 2: the weight is text or a number; negative: the line is refused.
    """
    source, target, weight = columns
    last = max(source, target)
    kind = 0
    span[4] = span[5] = at
    for cell in range(last + 1):
        stop = cell_stop(text, at, end, separator)
        if stop < 0:
            return UNCLOSED
        if cell == source or cell == target:
            low, high = past_blanks(text, at, stop), before_blanks(text, at, stop)
            if _is_quoted(text, low, high):
                low, high = low + 1, high - 1
            if low >= high:
                return MISSING  # an empty cell is refused: taken as none, it would shift the row
            slot = 0 if cell == source else 2
            span[slot] = low
            span[slot + 1] = high
        elif cell == weight:
            kind = _weight_cell(text, at, stop, span)
        at = next_cell(text, stop, end, separator)
    if weight <= last:
        return kind
    for _ in range(last + 1, weight):  # cells between the ids and the weight
        stop = cell_stop(text, at, end, separator)
        if stop < 0:
            return 1  # an open quote: text without a value
        at = next_cell(text, stop, end, separator)
    return _weight_cell(text, at, cell_stop(text, at, end, separator), span)


@kernel
def _weight_cell(text: Bytes, at: int, stop: int, span: Spans) -> int:
    """Write the span of the weight. Returns: 0: there is none, 1: it is text, 2: a number."""
    span[4] = span[5] = at
    if stop < 0:
        return 1  # an open quote: text without a value
    low, high = past_blanks(text, at, stop), before_blanks(text, at, stop)
    span[4], span[5] = low, high
    # The span of a weight leaves out all blanks and quotes around it.
    while span[4] < span[5] and _is_wrapping(text[span[4]]):
        span[4] += 1
    while span[4] < span[5] and _is_wrapping(text[span[5] - 1]):
        span[5] -= 1
    if _is_quoted(text, low, high):
        low, high = low + 1, high - 1
    if low >= high:
        return 0
    return 2 if _is_number(text, low, high) else 1


# Functions called several times per line return one number: a tuple would double their time.


@kernel
def cell_stop(text: Bytes, at: int, end: int, separator: int) -> int:
    """Find where the cell that begins at `at` ends; negative if its quote is not closed."""
    if separator != TAB and separator != SPACE:
        low = past_blanks(text, at, end)
        if low < end and text[low] == _QUOTE:
            return _quoted_stop(text, low + 1, end, separator)
    while at < end and text[at] != separator:
        if separator == SPACE and text[at] == TAB:  # both part cells there
            break
        at += 1
    return at


@kernel
def _quoted_stop(text: Bytes, at: int, end: int, separator: int) -> int:
    """`cell_stop` after an opening quote; two quotes within a cell mean one."""
    while at < end:
        if text[at] == _QUOTE:
            if at + 1 >= end or text[at + 1] != _QUOTE:
                break  # the closing quote
            at += 1  # two quotes: the second is passed below
        at += 1
    # After the closing quote, only blanks may come before the next separator or the end.
    stop = past_blanks(text, at + 1, end)
    closed = at < end and (stop >= end or text[stop] == separator)
    return min(stop, end) if closed else -1


@kernel
def next_cell(text: Bytes, stop: int, end: int, separator: int) -> int:
    """Find where the cell after one that ends at `stop` begins."""
    return past_blanks(text, stop + 1, end) if separator == SPACE else min(stop + 1, end)


@kernel
def past_blanks(text: Bytes, at: int, end: int) -> int:
    """The first byte from `at` on that is not blank; at most `end`."""
    while at < end and _is_blank(text[at]):
        at += 1
    return min(at, end)


@kernel
def before_blanks(text: Bytes, at: int, end: int) -> int:
    """Find where the text before `end` ends, without blanks; at least `at`."""
    while end > at and _is_blank(text[end - 1]):
        end -= 1
    return end


@kernel
def undouble(text: Bytes, spans: Spans) -> None:
    """Write the doubled quotes of quoted cells once, in place; the spans shrink."""
    for row in range(len(spans)):
        for cell in range(0, spans.shape[1], 2):
            low, high = spans[row, cell], spans[row, cell + 1]
            if low == 0 or text[low - 1] != _QUOTE:
                continue  # the cell is not quoted
            write = read = low  # `write` never passes `read`
            while read < high:
                text[write] = text[read]
                read += 2 if text[read] == _QUOTE else 1
                write += 1
            spans[row, cell + 1] = write


@kernel
def _is_blank(byte: int) -> bool:
    """Whether a byte is a space or a tab."""
    return byte == SPACE or byte == TAB


@kernel
def _is_wrapping(byte: int) -> bool:
    """Whether a byte is blank or a quote."""
    return _is_blank(byte) or byte == _QUOTE


@kernel
def _is_quoted(text: Bytes, low: int, high: int) -> bool:
    """Whether a cell begins and ends with a quote."""
    return high - low > 1 and text[low] == _QUOTE and text[high - 1] == _QUOTE


@kernel
def _is_number(text: Bytes, low: int, high: int) -> bool:
    """Whether a cell is made of digits, signs, points, commas and, after a digit, exponents."""
    digits = 0
    for i in range(low, high):
        byte = text[i]
        if _ZERO <= byte <= _NINE:
            digits += 1
        elif not (byte in _SIGNS or (byte in _EXPONENTS and digits > 0)):
            return False
    return digits > 0


@kernel
def parse_integers(
    text: Bytes, spans: Spans, values: npt.NDArray[np.int64], bad: npt.NDArray[np.bool_]
) -> None:
    """Parse canonical integers of 0 to 2^63 - 1; rows that hold none are marked in `bad`."""
    for row in range(len(spans)):
        low, high = spans[row, 0], spans[row, 1]
        size = high - low
        if size == 0 or size > _DIGITS or (text[low] == _ZERO and size > 1):
            bad[row] = True  # canonical integers have no leading zero: "007" is a string
            continue
        value = 0
        for i in range(low, high):
            digit = int(text[i]) - _ZERO
            # The next digit would pass 2^63 - 1; only the longest integers can.
            if (
                digit < 0
                or digit > 9
                or (size == _DIGITS and (value > _LARGEST or (value == _LARGEST and digit > _LAST)))
            ):
                bad[row] = True
                break
            value = value * 10 + digit
        values[row] = value


@kernel
def copy_cells(text: Bytes, spans: Spans, offsets: Spans, data: Bytes) -> None:
    """Write cells one after another; `offsets` says where each begins."""
    for row in range(len(spans)):
        # A loop: numba takes seconds to compile the copy of a slice.
        for i in range(spans[row, 1] - spans[row, 0]):
            data[offsets[row] + i] = text[spans[row, 0] + i]
