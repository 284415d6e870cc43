"""BM25 over the passages that are visible, by their statistics alone.

Robertson and Zaragoza, *The Probabilistic Relevance Framework* (2009), in Lucene's form: a term t
adds idf(t) f / (f + k1 (1 - b + b len / avg)) with idf(t) = ln(1 + (N - df + 1/2) / (df + 1/2)).
N, df and avg count the visible passages, so that what a filter hides changes no score. Libraries
store finished scores or corpus-wide statistics and cannot do that; equality with bm25s on an
unfiltered corpus is a test. Stems are PyStemmer's (Snowball), stop words those of bm25s.
In an index of several languages a stem carries the language of its passage; see `analyzer`.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, narrow, offsets
from graphagg.rag.documents.analyzer import Analyzer
from graphagg.rag.documents.languages import CODES
from graphagg.store import ArtifactWriter
from graphagg.store.paging import will_need
from graphagg.store.reading import Arrays
from graphagg.store.strings import StringTable

_ARRAYS = ("bounds", "rows", "counts", "title_counts", "lengths")
_LANGUAGES = "lexicon.languages"


@dataclass(frozen=True)
class Postings:
    """The passages that hold one term; rows ascend.

    Attributes:
        start: where they begin among those of all terms.
        end: where they end.
        rows: `[n]` passages.
        counts: `[n]` occurrences in title and text.
        title_counts: `[n]` those in the title.
    """

    start: int
    end: int
    rows: npt.NDArray[np.int32]
    counts: Array
    title_counts: Array


@dataclass(frozen=True)
class Lexicon:
    """Postings of every stem, and the length of every passage.

    Attributes:
        terms: ascending by their UTF-8 bytes, T of them.
        bounds: `[T + 1]` int64.
        rows, counts, title_counts: `[n]`, the postings of all terms; see `Postings`. Counts are
            `narrow`.
        lengths: `[R, 2]` int32, tokens of each passage (title and text) and of its title.
        languages: `[R]` uint8, the number of each passage's language in `CODES`; None where all
            passages have that of the index.
    """

    terms: StringTable
    bounds: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    counts: Array
    title_counts: Array
    lengths: npt.NDArray[np.int32]
    languages: npt.NDArray[np.uint8] | None = None

    def codes(self, visible: npt.NDArray[np.bool_] | None = None) -> list[str]:
        """The languages of the visible passages (None: of all), ascending; [] without their own."""
        if self.languages is None:
            return []
        some = self.languages if visible is None else self.languages[visible]
        held = np.flatnonzero(np.bincount(some, minlength=len(CODES)))
        return sorted(CODES[number] for number in held.tolist())

    def language_of(self, row: int) -> str:
        """The language of a passage; `OTHER` in an index of one language."""
        return CODES[0 if self.languages is None else int(self.languages[row])]

    def find(self, term: str) -> Postings | None:
        """Postings of a stem; None if no passage has it."""
        number = self.terms.find_sorted(term)
        if number is None:
            return None
        start, end = int(self.bounds[number]), int(self.bounds[number + 1])
        columns: list[Any] = [self.rows, self.counts, self.title_counts]
        of_term = [column[start:end] for column in columns]
        will_need(*of_term)
        return Postings(start, end, *of_term)

    def save(self, writer: ArtifactWriter) -> None:
        """Write every part."""
        writer.strings("lexicon.terms", self.terms)
        for name in _ARRAYS:
            writer.array(f"lexicon.{name}", getattr(self, name))
        if self.languages is not None:
            writer.array(_LANGUAGES, self.languages)

    @classmethod
    def open(cls, artifact: Arrays) -> Lexicon:
        """Map what `save` wrote."""
        arrays = {name: artifact.array(f"lexicon.{name}") for name in _ARRAYS}
        if f"{_LANGUAGES}.npy" in artifact:
            arrays["languages"] = artifact.array(_LANGUAGES)
        return cls(artifact.strings("lexicon.terms"), **arrays)

    @classmethod
    def empty(cls, is_mixed: bool = False) -> Lexicon:
        """The lexicon of no passages; `is_mixed` where each has its own language."""
        counts = np.zeros(0, np.uint8)
        return cls(
            StringTable.pack([]),
            np.zeros(1, np.int64),
            np.zeros(0, np.int32),
            counts,
            counts,
            np.zeros((0, 2), np.int32),
            np.zeros(0, np.uint8) if is_mixed else None,
        )

    def changed(
        self, row_map: npt.NDArray[np.int64], added: Iterable[tuple[int, TermCounts]], rows: int
    ) -> Lexicon:
        """The lexicon after passages went and came; linear in it, but for what was added.

        Args:
            row_map: `[R]` the new row of each passage, -1 where it goes; ascending where it stays.
            added: stems of the new passages, with their rows; rows ascend, above all that stay.
            rows: R of the new lexicon.
        """
        lengths = np.zeros((rows, 2), np.int32)
        stays = row_map >= 0
        lengths[row_map[stays]] = self.lengths[stays]
        languages = None
        if self.languages is not None:
            languages = np.zeros(rows, np.uint8)
            languages[row_map[stays]] = self.languages[stays]
        fresh = _Fresh(added, lengths, languages)
        terms, postings = _Columns.of_lexicon(self, row_map).joined(self.terms, fresh)
        counts = np.bincount(postings.term, minlength=len(terms))
        used = np.flatnonzero(counts)
        order = np.argsort(postings.term, kind="stable")  # rows ascend within each term
        return Lexicon(
            terms.take(used),
            offsets(counts[used]),
            postings.row[order],
            narrow(postings.count[order]),
            narrow(postings.title_count[order]),
            lengths,
            languages,
        )


@dataclass(frozen=True)
class TermCounts:
    """The stems of one passage, and of its title; `language` is the code of its words."""

    all: Counter[str]
    title: Counter[str]
    language: str

    @classmethod
    def of(cls, title: Sequence[str], text: Sequence[str], analyzer: Analyzer) -> TermCounts:
        """Count the stems of tokens."""
        of_title = Counter(map(analyzer.stem, title))
        return cls(Counter(map(analyzer.stem, text)) + of_title, of_title, analyzer.language)

    @property
    def length(self) -> int:
        """Tokens of title and text."""
        return self.all.total()

    @property
    def title_length(self) -> int:
        """Tokens of the title."""
        return self.title.total()


class _Fresh:
    """Postings of new passages in the order of their rows, 12 bytes each.

    Args:
        added: the passages.
        lengths: `[R, 2]`, where the length of each is put.
        languages: `[R]`, where the number of each one's language is put; None: nowhere.

    Attributes:
        terms: number of each stem, in the order in which they first occur.
    """

    def __init__(
        self, added: Iterable[tuple[int, TermCounts]], lengths: Array, languages: Array | None
    ) -> None:
        self.terms: dict[str, int] = {}
        self._columns = array("i"), array("i"), array("H"), array("H")
        term, rows, counted, titled = self._columns
        for row, counts in added:
            lengths[row] = counts.length, counts.title_length
            if languages is not None:
                languages[row] = CODES.index(counts.language)
            for stem, count in counts.all.items():
                term.append(self.terms.setdefault(stem, len(self.terms)))
                rows.append(row)
                counted.append(min(count, 65535))
                titled.append(min(counts.title[stem], 65535))

    def columns(self, number: Array) -> _Columns:
        """The postings; `number` is that of each term in the order of `terms`."""
        term, *rest = (
            np.frombuffer(column, column.typecode) if column else np.zeros(0, column.typecode)
            for column in self._columns
        )
        return _Columns(number[term], *rest)


@dataclass(frozen=True)
class _Columns:
    """Postings, those of a term by ascending rows."""

    term: Array
    row: Array
    count: Array
    title_count: Array

    @classmethod
    def of_lexicon(cls, lexicon: Lexicon, row_map: npt.NDArray[np.int64]) -> _Columns:
        stays = row_map[lexicon.rows] >= 0
        term = np.repeat(np.arange(len(lexicon.terms), dtype=np.int32), np.diff(lexicon.bounds))
        return cls(
            term[stays],
            row_map[lexicon.rows[stays]].astype(np.int32),
            lexicon.counts[stays],
            lexicon.title_counts[stays],
        )

    def joined(self, terms: StringTable, fresh: _Fresh) -> tuple[StringTable, _Columns]:
        """These and the postings of new passages, with the terms of both."""
        new = (stem for stem in fresh.terms if terms.find_sorted(stem) is None)
        merged, numbers, known = merge_sorted(terms, new)
        number = [known[s] if s in known else _number(merged, s) for s in fresh.terms]
        more = fresh.columns(np.array(number, np.int32))
        old = _Columns(numbers.astype(np.int32)[self.term], self.row, self.count, self.title_count)
        pairs = ((getattr(old, f.name), getattr(more, f.name)) for f in fields(_Columns))
        return merged, _Columns(*(np.concatenate(pair) for pair in pairs))


def _number(table: StringTable, text: str) -> int:
    number = table.find_sorted(text)
    assert number is not None
    return number


def merge_sorted(
    table: StringTable, new: Iterable[str]
) -> tuple[StringTable, npt.NDArray[np.int64], dict[str, int]]:
    """A sorted table with strings that it lacks put in; O(m log n) comparisons, one copy.

    Returns:
        The table, the new number of each old string, and the number of each new one.
    """
    fresh = sorted(text.encode("utf-8") for text in set(new))
    places = np.array([table.place_sorted(raw) for raw in fresh], dtype=np.int64)
    ranks = np.concatenate([2 * np.arange(len(table)) + 1, 2 * places])
    order = np.argsort(ranks, kind="stable")
    merged = StringTable.joined([table, StringTable.pack_bytes(fresh)]).take(order)
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.arange(len(order))
    of_new = zip(fresh, numbers[len(table) :].tolist(), strict=True)
    return merged, numbers[: len(table)], {raw.decode(): number for raw, number in of_new}


class TermPostings(NamedTuple):
    """The postings of t terms inside those of a lexicon.

    Attributes:
        starts: `[t]` int64, where the postings of each term begin.
        ends: `[t]` int64, where they end.
        rows, counts, lengths: those of the lexicon.
    """

    starts: Array
    ends: Array
    rows: Array
    counts: Array
    lengths: Array


def add_up(
    postings: TermPostings, visible: Array, idf: Array, constants: tuple[float, float, float]
) -> tuple[Array, Array]:
    """BM25 of every visible row that holds any of t terms.

    The shares of a row are added in the order of the terms: the same bits under any filter.

    Args:
        postings: of the terms.
        visible: `[R]`.
        idf: `[t]` of the terms; 0 for none.
        constants: k1, b, and the mean length.

    Returns:
        The rows, ascending, `[n]` int64, and their scores, `[n]`.
    """
    k1, b, average = constants
    filled = [
        (slice(start, end), weight)
        for start, end, weight in zip(
            postings.starts.tolist(), postings.ends.tolist(), idf.tolist(), strict=True
        )
        if end > start
    ]
    # Memory that is not written to is never touched: the work follows the postings.
    size = max((int(postings.rows[some.stop - 1]) for some, _ in filled), default=-1) + 1
    totals, is_held = np.zeros(size), np.zeros(size, bool)
    for some, weight in filled:
        rows, counts = postings.rows[some], postings.counts[some]
        is_seen = visible[rows]
        if not is_seen.all():
            rows, counts = rows[is_seen], counts[is_seen]
        # The formula is at the head of this file; a row is there once.
        f, length = counts.astype(np.float64), postings.lengths[rows, 0]
        totals[rows] += weight * f / (f + k1 * (1.0 - b + b * length / average))
        is_held[rows] = True
    rows = np.flatnonzero(is_held)
    return rows, totals[rows]
