"""BM25 and coverage of a question's terms, over the visible passages.

Only the postings of the terms are read, and only passages that hold one of them have a score. Where
the terms have many postings, most are not read either; see `scoring`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from graphagg.arrays import Array, Mask
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.snapshot.ranking import lookup, spread
from graphagg.rag.tables.lexicon import Postings
from graphagg.rag.tables.scoring import TermPostings, add_up, look_up, may_be_best
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View

CONSTANTS = (1.2, 0.75)
"""k1 and b of BM25 over title and text."""
MANY = 1 << 16
"""Postings of a question from which on adding up all takes longer than finding the best."""
LARGE = 100_000
"""Rows of an index above which nothing of their number is laid out for a question."""
_STEPS = 8  # of the mean length that maxima are made for, in each of its doublings
_PER_ROW = 64  # postings that are added up in the time in which the terms of a row are looked up


class Lexical:
    """Scores of a question's terms over a view: BM25 over the sum of idf.

    Args:
        view: the visible passages.
        terms: of the question.

    Attributes:
        weights: `[t]` share of each term in the sum of idf.
    """

    def __init__(self, view: View, terms: Sequence[Term]) -> None:
        # A term has a stem per language; stems of several languages share no passage.
        by_stem = [[view.lexicon.find(stem) for stem in term] for term in terms]
        self._by_term = [[p for p in postings if p is not None] for postings in by_stem]
        self._view, lexicon = view, view.lexicon
        idf = np.array([self._idf(postings) for postings in self._by_term], np.float64)
        self._total = max(float(idf.sum()), 1e-12)
        self.weights = idf / self._total
        self._stems = [p for of_term in self._by_term for p in of_term]
        self._weights = np.repeat(idf, [len(of_term) for of_term in self._by_term])
        starts = np.array([p.start for p in self._stems], np.int64)
        ends = np.array([p.end for p in self._stems], np.int64)
        columns = lexicon.rows, lexicon.counts, lexicon.lengths
        self._postings = TermPostings(starts, ends, *columns)
        self._count = int((ends - starts).sum())
        self._is_large = self._count >= MANY or len(view.visible) > LARGE
        self._constants = (*CONSTANTS, view.mean_lengths[0])
        # Confidence asks for the best of all again, and for fewer.
        self._last: tuple[int, tuple[Rows, Array]] | None = None

    def all(self) -> tuple[Rows, Array]:
        """Every visible row that holds a term, ascending, and the scores."""
        return self._all

    def best(self, k: int, among: Mask | None = None) -> tuple[Rows, Array]:
        """Rows with scores, ascending, the `k` best and their equals among them.

        Args:
            k: number of rows that are wanted.
            among: `[R]`, mask of the rows that may be chosen; None: all visible ones.
        """
        if not self._is_large:
            return self._all
        if self._last is not None and self._last[0] >= k and among is None:
            return self._last[1]
        visible = self._view.visible if among is None else self._view.visible & among
        arguments = self._postings, self._bounds, visible, self._weights, self._constants
        rows, scores = may_be_best(*arguments, k)
        best = rows, scores / self._total
        if among is None:
            self._last = k, best
        return best

    def at(self, rows: Rows) -> Array:
        """The scores of any rows; 0 for a row that holds none of the terms."""
        most = max(self._count, MANY, len(self._view.visible))  # adding up all lays out all rows
        if self._is_large and most >= _PER_ROW * len(rows):
            arguments = self._postings, self._view.visible, self._weights, self._constants
            scores: Array = look_up(*arguments, rows) / self._total
            return scores
        scored, scores = self._all
        if not len(scored):
            return np.zeros(len(rows))
        if len(rows) > len(scored):
            size = int(max(scored[-1], rows.max())) + 1
            return spread(scored, scores, size)[rows]
        is_scored, position = lookup(scored, rows)
        return np.where(is_scored, scores[position], 0.0)

    def covers(self, rows: Rows) -> Array:
        """Mask `[n, t]` of 0 and 1: whether row n holds term t."""
        holds, asked = np.zeros((len(rows), len(self._by_term))), rows.astype(np.int32)
        for i, of_term in enumerate(self._by_term):
            for postings in of_term:
                holds[lookup(postings.rows, asked)[0], i] = 1.0
        return holds

    def _idf(self, postings: Sequence[Postings]) -> float:
        """Idf of a term by the postings of its stems."""
        frequency = sum(self._view.frequency(p.start, p.end) for p in postings)
        return inverse_frequency(self._view.passages, frequency)

    @cached_property
    def _all(self) -> tuple[Rows, Array]:
        arguments = self._postings, self._view.visible, self._weights, self._constants
        rows, scores = add_up(*arguments)
        return rows, scores / self._total

    @cached_property
    def _bounds(self) -> Array:
        """At least the greatest score of each range of rows."""
        lexicon, average = self._view.lexicon, self._constants[-1]
        # Where passages are longer on average, a share is greater, by the ratio at most. Views of
        # about the same average share maxima.
        mean = 2.0 ** (math.floor(_STEPS * math.log2(average)) / _STEPS)
        scale, constants = max(1.0, average / mean) / 255.0, (*CONSTANTS, mean)
        maxima = [lexicon.maxima(p.start, p.end, constants) for p in self._stems]
        bounds: Array = np.zeros(max(map(len, maxima), default=0))
        for weight, largest in zip(self._weights.tolist(), maxima, strict=True):
            bounds += scale * weight * largest
        return bounds


def inverse_frequency(passages: int, df: int) -> float:
    """Idf of a term, as in Lucene; see `lexicon`."""
    return math.log(1.0 + (passages - df + 0.5) / (df + 0.5))
