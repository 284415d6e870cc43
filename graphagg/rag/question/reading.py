"""A question's terms, and the visible entities that it names."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from graphagg.rag.documents.analyzer import Analyzer, Analyzers, Term
from graphagg.rag.documents.codes import codes
from graphagg.rag.documents.tokens import TextTokens, inner_words, is_capital, scan, transcribed
from graphagg.rag.documents.user_names import ListedNames
from graphagg.rag.tables.gazetteer import LINKABLE
from graphagg.rag.tables.lexicon import NAME
from graphagg.rag.tables.view import View

_QUESTION_WORDS = frozenset("who whom whose which what where when how that".split())


@dataclass(frozen=True)
class QuestionReading:
    """A question with its terms and the entities that it names.

    Attributes:
        text: the question.
        terms: its distinct words without stop words, as stems.
        spans: span of the first word of each term, in characters; (0, 0) for a part of a word.
        capitals: whether each term is written like a name: with a capital or a digit, or as two or
            three words that a document's title or path writes as one.
        entities: ids of the visible entities that it names, in order (leftmost-longest match).
        names: spellings of these entities in the question; in mode `linearrag` the names that the
            extractor finds.
    """

    text: str
    terms: tuple[Term, ...]
    spans: tuple[tuple[int, int], ...]
    capitals: tuple[bool, ...]
    entities: tuple[int, ...]
    names: tuple[str, ...]

    @property
    def has_clause(self) -> bool:
        """Whether a second English question word begins a clause; False for a choice ("or")."""
        text = self.text
        for name in self.names:
            text = text.replace(name, "")
        words = scan(text).words
        return sum(word in _QUESTION_WORDS for word in words) > 1 and "or" not in words


class NameFound(NamedTuple):
    """A visible entity in a question: first token, minus the number of tokens, order and id.

    Sorting puts the leftmost and longest first; `order` decides between equal tokens.
    """

    start: int
    length: int
    order: int
    entity: int


def read_question(
    text: str,
    tokens: TextTokens,
    names: Iterable[NameFound],
    words: Sequence[str],
    analyzers: Analyzers,
    languages: Collection[str],
) -> QuestionReading:
    """Find a question's terms and entities; `names` is from `names_in`.

    `words` are from `words_written_as_one`, `languages` are those of the visible passages.
    """
    entities: dict[int, str] = {}
    for name in _leftmost_longest(names):
        begin, end = tokens.spans[name.start][0], tokens.spans[name.start - name.length - 1][1]
        entities.setdefault(name.entity, text[begin:end])
    terms = read_terms(text, tokens, words, analyzers, languages).terms
    readers = analyzers.each(languages)
    spans = _spans(terms, tokens, readers)
    joined = {reader.stem(word) for word in words for reader in readers}
    capitals = tuple(
        any(map(str.isdigit, term[0]))
        or (is_capital(text[start]) if end else not joined.isdisjoint(term))
        for term, (start, end) in zip(terms, spans, strict=True)
    )
    return QuestionReading(text, terms, spans, capitals, tuple(entities), tuple(entities.values()))


def read_terms(
    text: str,
    tokens: TextTokens,
    words: Sequence[str],
    analyzers: Analyzers,
    languages: Collection[str],
) -> QuestionReading:
    """Find a question's terms only, without spans and entities."""
    every = [*tokens.words, *inner_words(text), *words]
    return QuestionReading(text, analyzers.terms(text, every, languages), (), (), (), ())


def words_written_as_one(
    text: str, tokens: TextTokens, view: View, analyzers: Analyzers, languages: Collection[str]
) -> Iterator[tuple[int, int, str]]:
    """Find two or three names of a question that a document's title or path writes as one word.

    If no word has a capital or a digit, all words may be names. Yields the number of names, the
    index of the first token, and the joined word, in this order.
    """
    if not view.lexicon.has_context:
        return
    readers = analyzers.each(languages)
    is_name = [is_capital(text[start]) for start, _ in tokens.spans]
    is_name = is_name if any(is_name[1:]) else [True] * len(is_name)
    for size, start in product((2, 3), range(len(is_name) - 1)):
        if all(is_name[start : start + size]):
            word = "".join(tokens.words[start : start + size])
            found = filter(None, (view.lexicon.find(reader.stem(word)) for reader in readers))
            if any(view.visible[each.rows[each.context >= NAME]].any() for each in found):
                yield size, start, word


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


def names_in(
    text: str, tokens: TextTokens, view: View, listed: ListedNames | None
) -> Iterator[NameFound]:
    """Find visible entities whose words are in a question; `listed` are names of a user's list.

    One of their words must be capitalized, unless at most the question's first word is.
    Codes and listed names match in upper or lower case.
    """
    gazetteer = view.gazetteer
    capital = [is_capital(text[start]) for start, _ in tokens.spans]
    any_case = not any(capital[1:])
    other = transcribed(text)
    spellings = [tokens.words] if other == text else [tokens.words, scan(other).words]
    for (order, words), start in product(enumerate(spellings), range(len(tokens))):
        for length, entity in _keys_at(words, start, view):
            if _ties_any(entity, view) and gazetteer.kind[entity] & LINKABLE:
                if any_case or any(capital[start : start + length]):
                    yield NameFound(start, -length, order, entity)
    starts, ends = ([span[i] for span in tokens.spans] for i in (0, 1))
    found = (*codes(text), *(listed.find(text, tokens) if listed else ()))
    for order, code in enumerate(found, start=2):
        entity_of_code = gazetteer.find(code.key)
        first, last = bisect_right(ends, code.start), bisect_left(starts, code.end)
        if entity_of_code is not None and _ties_any(entity_of_code, view) and first < last:
            yield NameFound(first, first - last, order, entity_of_code)


def _ties_any(entity: int, view: View) -> bool:
    """Return whether a visible passage mentions the entity; common words have no mentions."""
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
        if not (key + b" ").startswith(prefix):  # a space sorts before word characters
            return


def _leftmost_longest(names: Iterable[NameFound]) -> Iterator[NameFound]:
    begin, end = -1, 0
    for name in sorted(names):
        last = name.start - name.length
        if name.start >= end or (name.start, last) == (begin, end):  # or a key with the same tokens
            begin, end = name.start, last
            yield name
