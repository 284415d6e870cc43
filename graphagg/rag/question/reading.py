"""A question's terms, and the visible entities that it names."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from graphagg.rag.documents.analyzer import Analyzer, Analyzers, Term
from graphagg.rag.documents.codes import codes
from graphagg.rag.documents.tokens import TextTokens, inner_words, is_capital, scan, transcribed
from graphagg.rag.documents.user_names import ListedNames
from graphagg.rag.tables.gazetteer import LINKABLE
from graphagg.rag.tables.lexicon import NAME
from graphagg.rag.tables.view import View


@dataclass(frozen=True)
class QuestionReading:
    """A question with its terms and the entities that it names.

    Attributes:
        text: the question.
        terms: its distinct words without stop words, by their stems.
        spans: the first word of each term, in characters; (0, 0) for a part of a word.
        capitals: whether each term is written like a name: with a capital or a digit, or as two or
            three words that are one in the title or path of a document.
        entities: ids of the visible entities that it names, in order; leftmost-longest.
        names: these entities as the question writes them; in mode `linearrag` the names that the
            extractor finds.
    """

    text: str
    terms: tuple[Term, ...]
    spans: tuple[tuple[int, int], ...]
    capitals: tuple[bool, ...]
    entities: tuple[int, ...]
    names: tuple[str, ...]


def read_question(
    text: str, view: View, analyzers: Analyzers, listed: ListedNames | None = None
) -> QuestionReading:
    """Find a question's terms and entities; `listed` are names that the user listed."""
    tokens = scan(text)
    entities: dict[int, str] = {}
    for start, length, entity in _leftmost_longest(_names(text, tokens, view, listed)):
        begin, end = tokens.spans[start][0], tokens.spans[start + length - 1][1]
        entities.setdefault(entity, text[begin:end])
    written_as_one = list(_joined(text, tokens, view, analyzers))
    terms = _terms(text, tokens, written_as_one, view, analyzers)
    readers = analyzers.each(view.languages)
    spans = _spans(terms, tokens, readers)
    joined = {reader.stem(word) for word in written_as_one for reader in readers}
    capitals = tuple(
        any(map(str.isdigit, term[0]))
        or (is_capital(text[start]) if end else not joined.isdisjoint(term))
        for term, (start, end) in zip(terms, spans, strict=True)
    )
    return QuestionReading(text, terms, spans, capitals, tuple(entities), tuple(entities.values()))


def read_terms(text: str, view: View, analyzers: Analyzers) -> QuestionReading:
    """Find a question's terms only, without spans and entities."""
    tokens = scan(text)
    joined = _joined(text, tokens, view, analyzers)
    return QuestionReading(text, _terms(text, tokens, joined, view, analyzers), (), (), (), ())


def _terms(
    text: str, tokens: TextTokens, joined: Iterable[str], view: View, analyzers: Analyzers
) -> tuple[Term, ...]:
    words = [*tokens.words, *inner_words(text), *joined]
    return analyzers.terms(text, words, view.languages)


def _joined(text: str, tokens: TextTokens, view: View, analyzers: Analyzers) -> Iterator[str]:
    """Two or three names of a question that are one word in the title or path of a document.

    Any words may be names where none has a capital or a digit.
    """
    if not view.lexicon.has_context:
        return
    readers = analyzers.each(view.languages)
    is_name = [is_capital(text[start]) for start, _ in tokens.spans]
    is_name = is_name if any(is_name[1:]) else [True] * len(is_name)
    for size, start in product((2, 3), range(len(is_name) - 1)):
        if all(is_name[start : start + size]):
            word = "".join(tokens.words[start : start + size])
            found = filter(None, (view.lexicon.find(reader.stem(word)) for reader in readers))
            if any(view.visible[each.rows[each.context >= NAME]].any() for each in found):
                yield word


def _spans(
    terms: Sequence[Term], tokens: TextTokens, readers: Sequence[Analyzer]
) -> tuple[tuple[int, int], ...]:
    term_of = {stem: i for i, term in enumerate(terms) for stem in term}
    spans: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(tokens.words, tokens.spans, strict=True):
        for reader in readers:
            if (term := term_of.get(reader.stem(word))) is not None:
                spans.setdefault(term, (start, end))
    return tuple(spans.get(i, (0, 0)) for i in range(len(terms)))


def _names(
    text: str, tokens: TextTokens, view: View, listed: ListedNames | None
) -> Iterator[tuple[int, int, int]]:
    """Find visible entities whose words are in the question: `(start, length, id)`, in tokens.

    One of their words must be capitalized, unless only the question's first word is or none.
    Codes and listed names are found in any case.
    """
    gazetteer = view.gazetteer
    capital = [is_capital(text[start]) for start, _ in tokens.spans]
    any_case = not any(capital[1:])
    other = transcribed(text)
    spellings = [tokens.words] if other == text else [tokens.words, scan(other).words]
    for words, start in product(spellings, range(len(tokens))):
        for length, entity in _keys_at(words, start, view):
            if _ties_any(entity, view) and gazetteer.kind[entity] & LINKABLE:
                if any_case or any(capital[start : start + length]):
                    yield start, length, entity
    starts, ends = ([span[i] for span in tokens.spans] for i in (0, 1))
    for code in (*codes(text), *(listed.find(text, tokens) if listed else ())):
        entity_of_code = gazetteer.find(code.key)
        first, last = bisect_right(ends, code.start), bisect_left(starts, code.end)
        if entity_of_code is not None and _ties_any(entity_of_code, view) and first < last:
            yield first, last - first, entity_of_code


def _ties_any(entity: int, view: View) -> bool:
    """Whether a visible passage is tied to an entity; none is to a common word."""
    return bool(view.entity[entity] and view.df[entity])


def _keys_at(words: Sequence[str], start: int, view: View) -> Iterator[tuple[int, int]]:
    """Find the keys that begin at a word: `(length, id)`."""
    keys = view.gazetteer.keys
    low, prefix = 0, b""
    for length, word in enumerate(words[start:], start=1):
        prefix += word.encode()
        low = view.gazetteer.place(prefix) if length == 1 else keys.place_sorted(prefix, low)
        key = keys.raw(low) if low < len(keys) else b""
        if key == prefix:
            yield length, low
        prefix += b" "
        if not (key + b" ").startswith(prefix):  # a blank comes before all that words hold
            return


def _leftmost_longest(names: Iterator[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    begin, end = -1, 0
    for start, length, entity in sorted(names, key=lambda name: (name[0], -name[1])):
        if start >= end or (start, start + length) == (begin, end):  # or a key of the same words
            begin, end = start, start + length
            yield start, length, entity
