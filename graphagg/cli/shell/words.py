"""Split a line into words: at white space, with quotes around words that hold some."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from graphagg.errors import InvalidParameter

_WORD = re.compile(
    r"""\s*(?: (?P<quote>["']) (?P<inner>(?: \\. | (?!(?P=quote)). )*) (?P<end>(?P=quote))?
            | (?P<plain>\S+) )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"\n": "n", "\r": "r", "\t": "t"}
_ESCAPED = {letter: character for character, letter in _ESCAPES.items()}


@dataclass(frozen=True)
class Word:
    """A word of a line.

    Attributes:
        text: without its quotes.
        start: position in the line, of its quote if it has one.
        quote: the quote that it began with and that is not closed; else empty.
    """

    text: str
    start: int
    quote: str = ""


def scan(line: str) -> Iterator[Word]:
    """Find the words of a line, the last perhaps with an open quote.

    A quote opens only at the beginning of a word, so that O'Brien is one word; within quotes a
    backslash escapes the quote and itself, and `n`, `r`, `t` stand for line breaks and a tab.
    """
    for match in _WORD.finditer(line):
        if (quote := match["quote"]) is None:
            yield Word(match["plain"], match.start("plain"))
        else:
            text = re.sub(
                r"\\(.)", lambda m, q=quote: _unescaped(m[1], q), match["inner"], flags=re.S
            )
            yield Word(text, match.start("quote"), "" if match["end"] else quote)


def _unescaped(letter: str, quote: str) -> str:
    return letter if letter in (quote, "\\") else _ESCAPED.get(letter, "\\" + letter)


def split(line: str) -> list[str]:
    """Split a whole line; raises `InvalidParameter` where a quote is not closed."""
    words = list(scan(line))
    if words and words[-1].quote:
        raise InvalidParameter(
            f"the quote before {words[-1].text[:40]!r} is not closed; close it, or begin the word "
            "with another character"
        )
    return [word.text for word in words]


def quote(text: str) -> str:
    """Write a word that `split` reads as this text; in quotes only where it must be."""
    plain = text and text[0] not in "\"'" and not any(c.isspace() for c in text)
    return text if plain else quoted(text, '"')


def quoted(text: str, mark: str) -> str:
    """Write the text in quotes of one kind."""
    inner = text.replace("\\", "\\\\").replace(mark, "\\" + mark)
    for character, letter in _ESCAPES.items():
        inner = inner.replace(character, "\\" + letter)
    return f"{mark}{inner}{mark}"
