"""One passage as the gazetteer reads it: its tokens, its keys, and their places in it.

Keys are found by a trie of tokens, one dictionary a first token.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from graphagg.arrays import offsets
from graphagg.rag.documents.analyzer import Analyzer, Analyzers
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.tokens import (
    inner_words,
    is_capital,
    scan,
    tokenize,
    without_article,
    word_spans,
)
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.tables.lexicon import TermCounts
from graphagg.rag.tables.segments import Ragged
from graphagg.store.strings import StringTable

CAPITAL, FOUND, TITLE, FULL_TITLE, BASE_TITLE = 1, 2, 4, 8, 16
"""Flags of a mention: begins like a name; found by the extractor; is in the title; is the whole
title; is the title without its last parentheses."""
_MOST_TOKENS = 100


@dataclass(frozen=True)
class RowTokens:
    """The tokens of one passage.

    Attributes:
        words: those of the title, then those of the text.
        spans: `(start, end)` of each in characters of the full text.
        titles: how many belong to the title.
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

    def stems(self, analyzer: Analyzer) -> TermCounts:
        """The stems of the passage, counted."""
        title = self.words[: self.titles] + self.inner[0]
        return TermCounts.of(title, self.words[self.titles :] + self.inner[1], analyzer)


def spans_of(passage: Passage, begin: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """`RowTokens.spans[begin:end]` of a passage, alone; what comes after `end` is not read."""
    titled = word_spans(passage.title)
    first, last = (None if n is None else max(n - len(titled), 0) for n in (begin, end))
    return titled[begin:end] + _moved(passage, word_spans(passage.text, first or 0, last))


def _moved(passage: Passage, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places in the text of a passage as places in its full text."""
    shift = len(passage.full_text) - len(passage.text)
    return [(start + shift, end + shift) for start, end in spans] if shift else spans


class KeyFinder:
    """Finds which of some keys occur in a sequence of tokens.

    Args:
        known: a sorted table whose keys are loaded by their first token, when it first occurs.
        more: further keys and their ids.
    """

    def __init__(self, known: StringTable | None, more: Iterable[tuple[str, int]] = ()) -> None:
        self._known = known
        self._by_first: dict[str, tuple[int, dict[str, int]]] = {}
        self._more: dict[str, list[tuple[str, int]]] = {}
        for key, number in more:
            self._more.setdefault(key.partition(" ")[0], []).append((key, number))

    def find(self, words: Sequence[str]) -> Iterator[tuple[int, int, int]]:
        """Each `(start, length, id)` of a key among the tokens; starts ascend, then lengths."""
        for start, word in enumerate(words):
            longest, ids = self._beginning_with(word)
            for length in range(1, min(longest, len(words) - start) + 1):
                number = ids.get(" ".join(words[start : start + length]))
                if number is not None:
                    yield start, length, number

    def _beginning_with(self, word: str) -> tuple[int, dict[str, int]]:
        entry = self._by_first.get(word)
        if entry is None:
            ids = dict(self._more.get(word, ()))
            if self._known is not None:
                first = self._known.place_sorted(word.encode())
                last = self._known.place_sorted(word.encode() + b"!")  # "!" follows " "
                ids.update(zip(self._known[first:last], range(first, last), strict=True))
            entry = max((key.count(" ") + 1 for key in ids), default=0), ids
            self._by_first[word] = entry
        return entry


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
    return [found for found in keys if found is not None]


def _found_key(
    tokens: RowTokens, starts: list[int], ends: list[int], text: str, begin: int, end: int
) -> FoundKey | None:
    first, last = bisect_right(ends, begin), bisect_left(starts, end)
    words = tokens.words[first:last]
    if words and (starts[first] < begin or ends[last - 1] > end):  # inside a run without spaces
        words = tokenize(text[begin:end])
        first += _place(words, tokens.words[first:last])
    key = without_article(words)
    if not 0 < len(key) <= _MOST_TOKENS:
        return None
    return FoundKey(" ".join(key), first + len(words) - len(key), len(key))


def _place(words: Sequence[str], among: Sequence[str]) -> int:
    """Where some words follow each other among others; 0 if nowhere."""
    for start in range(len(among) - len(words) + 1):
        if among[start : start + len(words)] == words:
            return start
    return 0


@dataclass(frozen=True)
class NewRow:
    """A passage that is new to the gazetteer."""

    tokens: RowTokens
    passage: Passage
    sentences: npt.NDArray[np.int32]
    found: list[FoundKey]
    titles: dict[str, int]

    @classmethod
    def of(cls, passage: Passage, annotation: Annotation) -> NewRow:
        """Read a passage that was annotated by its full text."""
        tokens = RowTokens.of(passage)
        found = found_keys(tokens, passage.full_text, annotation.mentions)
        sentences = np.array(annotation.sentences, np.int32).reshape(-1, 2)
        return cls(tokens, passage, sentences, found, title_keys(passage.title))

    def stems(self, analyzers: Analyzers) -> TermCounts:
        """The stems of the passage, in its language."""
        return self.tokens.stems(analyzers.of_text(self.passage.full_text))


class Spans:
    """Collects `(start, end)` of one text after another, 8 bytes a pair."""

    def __init__(self) -> None:
        self._values, self._lengths = array("i"), array("i")

    def add(self, spans: Iterable[Sequence[int]]) -> None:
        """Add those of the next text."""
        before = len(self._values)
        for start, end in spans:
            self._values.append(start)
            self._values.append(end)
        self._lengths.append((len(self._values) - before) // 2)

    def ragged(self) -> Ragged:
        """All of them, a row a text."""
        values = np.frombuffer(self._values, np.int32) if self._values else np.zeros(0, np.int32)
        return Ragged(offsets(np.array(self._lengths, np.int64)), values.reshape(-1, 2))


class NewRows(Sequence[NewRow]):
    """Passages that are new to the gazetteer; of many, each is read again when it is asked for.

    The tokens of a passage take thirty times its text.

    Args:
        notes: each passage with its annotation, in order.
        keep: whether there are so few that their tokens are kept.

    Attributes:
        passages: `[P]`.
        sentences, found: where their sentences and what the extractor found begin and end.
        names: keys that the extractor found.
        titled: keys that titles give.
        title_tokens: `[P]` tokens of each title.
    """

    def __init__(self, notes: Iterable[tuple[Passage, Annotation]], keep: bool = True) -> None:
        sentences, found, title_tokens = Spans(), Spans(), array("i")
        self.passages: list[Passage] = []
        self.names: set[str] = set()
        self.titled: set[str] = set()
        self._kept: list[NewRow] | None = [] if keep else None
        for passage, note in notes:
            row = NewRow.of(passage, note)
            self.passages.append(passage)
            sentences.add(note.sentences)
            found.add(note.mentions)
            title_tokens.append(row.tokens.titles)
            self.names.update(f.key for f in row.found)
            self.titled.update(row.titles)
            if self._kept is not None:
                self._kept.append(row)
        self.sentences, self.found = sentences.ragged(), found.ragged()
        self.title_tokens = np.array(title_tokens, np.int32)

    def __len__(self) -> int:
        return len(self.passages)

    @overload
    def __getitem__(self, i: int) -> NewRow: ...
    @overload
    def __getitem__(self, i: slice) -> list[NewRow]: ...
    def __getitem__(self, i: int | slice) -> NewRow | list[NewRow]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        if self._kept is not None:
            return self._kept[i]
        return NewRow.of(
            self.passages[i], Annotation(_pairs(self.sentences.row(i)), _pairs(self.found.row(i)))
        )


def _pairs(spans: npt.NDArray[np.int32]) -> tuple[tuple[int, int], ...]:
    return tuple((start, end) for start, end in spans.tolist())


Record = tuple[int, int, int, int, int, int]


class RowReader:
    """Makes the mentions of one passage: `(row, entity, start, length, sentence, flags)`."""

    def __init__(
        self, row: int, tokens: RowTokens, text: str, sentences: npt.NDArray[np.int32]
    ) -> None:
        self._row, self._tokens, self._text = row, tokens, text
        self._begins = sentences[:, 0].tolist()

    def find(self, finder: KeyFinder) -> Iterator[tuple[int, int, int]]:
        """`(start, length, entity)` of the finder's keys in title and text, apart."""
        titles = self._tokens.titles
        yield from finder.find(self._tokens.words[:titles])
        for start, length, entity in finder.find(self._tokens.words[titles:]):
            yield start + titles, length, entity

    def record(self, entity: int, start: int, length: int, flags: int) -> Record:
        """One mention."""
        spans = self._tokens.spans
        if start < self._tokens.titles:
            flags |= TITLE | CAPITAL
        elif any(is_capital(self._text[begin]) for begin, _ in spans[start : start + length]):
            flags |= CAPITAL
        sentence = max(0, bisect_right(self._begins, spans[start][0]) - 1)
        return self._row, entity, start, length, sentence, flags
