"""A question's terms, the visible entities that it names, and parts to encode beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphagg.rag.documents.tokens import Tokens, is_capital, scan
from graphagg.rag.tables.gazetteer import LINKABLE
from graphagg.rag.tables.lexicon import Analyzer
from graphagg.rag.tables.view import View

_LEAST_CONTENT = 2  # words of a part of a question that are no stop words
PREFIX = 5  # letters by which a word of the question and one of a passage are the same


@dataclass(frozen=True)
class Reading:
    """A question as `mode="best"` takes it.

    Attributes:
        text: as it was asked.
        terms: distinct stems of its words but stop words.
        entities: ids of the visible entities that it names, in order; leftmost-longest.
        names: those entities as the question writes them.
        parts: parts of the question to encode beside it, longest first.
        relations: first letters of its words that name no entity.
    """

    text: str
    terms: tuple[str, ...]
    entities: tuple[int, ...]
    names: tuple[str, ...]
    parts: tuple[str, ...]
    relations: frozenset[str]


def read_question(text: str, view: View, analyzer: Analyzer) -> Reading:
    """Find a question's terms, entities and parts."""
    tokens = scan(text)
    named = list(_leftmost_longest(_names(text, tokens, view)))
    inside = {i for start, length, _ in named for i in range(start, start + length)}
    entities: dict[int, str] = {}
    for start, length, entity in named:
        place = slice(tokens.spans[start][0], tokens.spans[start + length - 1][1])
        entities.setdefault(entity, text[place])
    outside = (word for i, word in enumerate(tokens.words) if i not in inside)
    return Reading(
        text,
        tuple(analyzer.content(tokens.words)),
        tuple(entities),
        tuple(entities.values()),
        tuple(_parts(text, tokens, named, analyzer)),
        frozenset(
            word[:PREFIX]
            for word in outside
            if len(word) >= PREFIX and word not in analyzer.stop_words
        ),
    )


def _names(text: str, tokens: Tokens, view: View) -> Iterator[tuple[int, int, int]]:
    """Visible entities whose words are in the question: `(start, length, id)`.

    One of their words is capitalized, unless only the question's first word is or none.
    """
    gazetteer = view.gazetteer
    capital = [is_capital(text[start]) for start, _ in tokens.spans]
    any_case = not any(capital[1:])
    for start in range(len(tokens)):
        for length, entity in _keys_at(tokens.words, start, view):
            if view.entity[entity] and gazetteer.kind[entity] & LINKABLE:
                if any_case or any(capital[start : start + length]):
                    yield start, length, entity


def _keys_at(words: Sequence[str], start: int, view: View) -> Iterator[tuple[int, int]]:
    """Keys that begin at a word, `(length, id)`, by narrowing a range of the sorted table."""
    keys = view.gazetteer.keys
    low, high, prefix = 0, len(keys), b""
    for length, word in enumerate(words[start:], start=1):
        prefix += word.encode()
        low = keys.place_sorted(prefix, low, high)
        high = keys.place_sorted(prefix + b"!", low, high)  # "!" follows " "
        if low == high:
            return
        if keys.raw(low) == prefix:
            yield length, low
        prefix += b" "


def _leftmost_longest(
    names: Iterator[tuple[int, int, int]],
) -> Iterator[tuple[int, int, int]]:
    end = 0
    for start, length, entity in sorted(names, key=lambda name: (name[0], -name[1])):
        if start >= end:
            end = start + length
            yield start, length, entity


def _parts(
    text: str, tokens: Tokens, named: Sequence[tuple[int, int, int]], analyzer: Analyzer
) -> list[str]:
    """The text before and after each stop word, and the text without each name."""
    spans, stops = tokens.spans, [word in analyzer.stop_words for word in tokens.words]
    parts = []
    for i in (i for i, stop in enumerate(stops) if stop):
        for begin, end in ((0, i), (i + 1, len(stops))):
            if stops[begin:end].count(False) >= _LEAST_CONTENT:
                parts.append(text[spans[begin][0] : spans[end - 1][1]])
    for start, length, _ in named:
        rest = text[: spans[start][0]] + text[spans[start + length - 1][1] :]
        if len(stops) - length >= _LEAST_CONTENT:
            parts.append(" ".join(rest.split()))
    return sorted((part for part in dict.fromkeys(parts) if part != text), key=len, reverse=True)
