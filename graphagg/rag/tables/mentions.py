"""The names of one passage: its tokens, the keys that its title and its entities give."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.tokens import (
    inner_words,
    scan,
    tokenize,
    without_article,
    word_spans,
)

CAPITAL, FOUND, TITLE, FULL_TITLE, BASE_TITLE = 1, 2, 4, 8, 16
"""Flags of a mention: begins like a name; found by the extractor; is in the title; is the whole
title; is the title without its last parentheses."""
_MOST_TOKENS = 100


@dataclass(frozen=True)
class RowTokens:
    """The tokens of one passage.

    Attributes:
        words: of the title, then of the text.
        spans: `(start, end)` of each in characters of the full text.
        titles: number of tokens of the title.
        inner: words inside words of the title, and of the text; for search by words alone.
    """

    words: list[str]
    spans: list[tuple[int, int]]
    titles: int
    inner: tuple[list[str], list[str]] = ([], [])

    @classmethod
    def of(cls, passage: Passage) -> RowTokens:
        """Tokenize a passage."""
        title, text = scan(passage.title), scan(passage.text)
        moved = _moved(passage, text.spans)
        inner = inner_words(passage.title), inner_words(passage.text)
        return cls(title.words + text.words, title.spans + moved, len(title), inner)


def spans_of(passage: Passage, begin: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """`RowTokens.spans[begin:end]` of a passage, alone; what comes after `end` is not read."""
    titled = word_spans(passage.title)
    first, last = (None if n is None else max(n - len(titled), 0) for n in (begin, end))
    return titled[begin:end] + _moved(passage, word_spans(passage.text, first or 0, last))


def _moved(passage: Passage, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in the text of a passage as spans in its full text."""
    shift = len(passage.full_text) - len(passage.text)
    return [(start + shift, end + shift) for start, end in spans] if shift else spans


def title_keys(title: str) -> dict[str, int]:
    """The keys that a title gives, and whether each is all of it or what parentheses leave."""
    words = without_article(scan(title).words)
    keys = {" ".join(words): FULL_TITLE} if words else {}
    head, _, tail = title.rpartition("(")
    if head.strip() and tail.rstrip().endswith(")"):
        base = " ".join(without_article(scan(head).words))
        if base:
            keys.setdefault(base, BASE_TITLE)
    return keys


@dataclass(frozen=True)
class FoundKey:
    """An entity that the extractor found: its key and the tokens that it covers."""

    key: str
    start: int
    length: int


def found_keys(tokens: RowTokens, text: str, spans: Iterable[Sequence[int]]) -> list[FoundKey]:
    """The keys of spans `(start, end)` of a full text; spans without a word give none."""
    starts = [start for start, _ in tokens.spans]
    ends = [end for _, end in tokens.spans]
    keys = (_found_key(tokens, starts, ends, text, *span) for span in spans)
    return [key for key in keys if key is not None]


def _found_key(
    tokens: RowTokens, starts: list[int], ends: list[int], text: str, begin: int, end: int
) -> FoundKey | None:
    first, last = bisect_right(ends, begin), bisect_left(starts, end)
    words = tokens.words[first:last]
    if words and (starts[first] < begin or ends[last - 1] > end):  # inside a run without spaces
        words = tokenize(text[begin:end])
        first += _position(words, tokens.words[first:last])
    key = without_article(words)
    if not 0 < len(key) <= _MOST_TOKENS:
        return None
    return FoundKey(" ".join(key), first + len(words) - len(key), len(key))


def _position(words: Sequence[str], among: Sequence[str]) -> int:
    """Position at which some words follow each other among others; 0 if they do not."""
    for start in range(len(among) - len(words) + 1):
        if among[start : start + len(words)] == words:
            return start
    return 0
