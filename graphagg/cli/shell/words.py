"""A line's words: split where there is white space, quoted where a word holds some."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphagg.errors import InvalidParameter

_QUOTES = "\"'"
_ESCAPES = {"\n": "n", "\r": "r", "\t": "t"}
_ESCAPED = {letter: character for character, letter in _ESCAPES.items()}


@dataclass(frozen=True)
class Word:
    """A word of a line.

    Attributes:
        text: without its quotes.
        start: where it begins in the line, its quote included.
        quote: the quote that it began with and that is not closed; else empty.
    """

    text: str
    start: int
    quote: str = ""


def scan(line: str) -> Iterator[Word]:
    """The words of a line, the last perhaps with an open quote.

    A quote opens only where a word begins, so that O'Brien is one word as it stands; within quotes
    a backslash takes the quote and itself literally, and stands before n, r and t for a new line,
    a carriage return and a tab.
    """
    at, end = 0, len(line)
    while True:
        while at < end and line[at].isspace():
            at += 1
        if at == end:
            return
        start = at
        if line[at] in _QUOTES:
            text, at, closed = _quoted(line, at)
            yield Word(text, start, "" if closed else line[start])
        else:
            while at < end and not line[at].isspace():
                at += 1
            yield Word(line[start:at], start)


def _quoted(line: str, start: int) -> tuple[str, int, bool]:
    """The text of a quoted word, where it ends, and whether its quote is closed."""
    at = start + 1
    text: list[str] = []
    while at < len(line):
        character = line[at]
        if character == line[start]:
            return "".join(text), at + 1, True
        if character == "\\" and at + 1 < len(line):
            at += 1
            following = line[at]
            taken = following in (line[start], "\\")
            character = following if taken else _ESCAPED.get(following, "\\" + following)
        text.append(character)
        at += 1
    return "".join(text), at, False


def split(line: str) -> list[str]:
    """The words of a whole line; `InvalidParameter` where a quote is not closed."""
    words = list(scan(line))
    if words and words[-1].quote:
        raise InvalidParameter(
            f"the quote before {words[-1].text[:40]!r} is not closed; close it, or begin the word "
            "with another character"
        )
    return [word.text for word in words]


def quote(text: str) -> str:
    """A word that `split` reads as this text; in quotes only where it must be."""
    plain = text and text[0] not in _QUOTES and not any(c.isspace() for c in text)
    return text if plain else quoted(text, '"')


def quoted(text: str, mark: str) -> str:
    """The text in quotes of one kind."""
    inner = text.replace("\\", "\\\\").replace(mark, "\\" + mark)
    for character, letter in _ESCAPES.items():
        inner = inner.replace(character, "\\" + letter)
    return f"{mark}{inner}{mark}"
