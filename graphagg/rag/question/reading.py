"""A question's terms, and the visible entities that it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphagg.rag.documents.analyzer import Analyzer, Analyzers, Term
from graphagg.rag.documents.tokens import Tokens, inner_words, is_capital, scan
from graphagg.rag.tables.gazetteer import LINKABLE
from graphagg.rag.tables.view import View


@dataclass(frozen=True)
class Reading:
    """A question as `mode="multihop"` takes it.

    Attributes:
        text: as it was asked.
        terms: its distinct words but stop words, by their stems.
        places: where the first word of each term is, in characters; (0, 0) for a part of a word.
        entities: ids of the visible entities that it names, in order; leftmost-longest.
        names: those entities as the question writes them.
    """

    text: str
    terms: tuple[Term, ...]
    places: tuple[tuple[int, int], ...]
    entities: tuple[int, ...]
    names: tuple[str, ...]


def read_question(text: str, view: View, analyzers: Analyzers) -> Reading:
    """Find a question's terms and entities."""
    tokens = scan(text)
    entities: dict[int, str] = {}
    for start, length, entity in _leftmost_longest(_names(text, tokens, view)):
        place = slice(tokens.spans[start][0], tokens.spans[start + length - 1][1])
        entities.setdefault(entity, text[place])
    terms = analyzers.terms(text, [*tokens.words, *inner_words(text)], view.languages)
    places = _places(terms, tokens, analyzers.each(view.languages))
    return Reading(text, terms, places, tuple(entities), tuple(entities.values()))


def _places(
    terms: Sequence[Term], tokens: Tokens, readers: Sequence[Analyzer]
) -> tuple[tuple[int, int], ...]:
    number = {stem: i for i, term in enumerate(terms) for stem in term}
    found: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(tokens.words, tokens.spans, strict=True):
        for reader in readers:
            if (term := number.get(reader.stem(word))) is not None:
                found.setdefault(term, (start, end))
    return tuple(found.get(i, (0, 0)) for i in range(len(terms)))


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
