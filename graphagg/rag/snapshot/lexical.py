"""BM25 and coverage of a question's terms, over the visible passages.

Only the postings of the terms are read, and only passages that contain one of them have a score.
The formula is at the head of `graphagg.rag.tables.lexicon`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.snapshot.ranking import lookup, spread
from graphagg.rag.tables.lexicon import NAME, Postings
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View
from graphagg.store.ranges import will_need


class Lexical:
    """Scores of a question's terms over a view: BM25 divided by the sum of idf.

    Attributes:
        postings: `[t]` of each term, by its stems.
        idf: `[t]` of each term.
        weights: `[t]` share of each term in the sum of idf.
    """

    def __init__(self, view: View, terms: Sequence[Term]) -> None:
        # A term has a stem per language; stems of several languages share no passage.
        by_stem = [[view.lexicon.find(stem) for stem in term] for term in terms]
        self.postings = [[p for p in postings if p is not None] for postings in by_stem]
        self._view = view
        self.idf = np.array([self._idf(postings) for postings in self.postings], np.float64)
        self.weights = self.idf / max(float(self.idf.sum()), 1e-12)

    @cached_property
    def scores(self) -> tuple[Rows, Array]:
        """The visible rows with a score above 0, ascending, and their scores."""
        norms, weights = self._view.length_norms, self.weights.tolist()
        rows, shares = [np.zeros(0, np.int64)], [np.zeros(0)]
        for weight, of_term in zip(weights, self.postings, strict=True):
            for postings in of_term:
                will_need(postings.rows, postings.counts)
                rows.append(postings.rows.astype(np.int64))
                share = np.maximum(postings.counts, postings.context >= NAME).astype(np.float64)
                share /= share + norms[rows[-1]]
                shares.append(share * weight)
        totals = np.bincount(np.concatenate(rows), np.concatenate(shares), len(norms))
        is_scored = totals > 0.0
        if not self._view.row_set.is_all:
            is_scored &= self._view.visible
        scored = np.flatnonzero(is_scored)
        return scored, totals[scored]

    def at(self, rows: Rows) -> Array:
        """The scores of any rows; 0 for a row that contains none of the terms."""
        scored, scores = self.scores
        if not len(scored):
            return np.zeros(len(rows))
        if len(rows) > len(scored):
            size = int(max(scored[-1], rows.max())) + 1
            return spread(scored, scores, size)[rows]
        is_scored, position = lookup(scored, rows)
        return np.where(is_scored, scores[position], 0.0)

    def covers(self, rows: Rows) -> Array:
        """Mask `[n, t]` of 0 and 1: whether row n contains term t."""
        holds, narrow = np.zeros((len(rows), len(self.postings))), rows.astype(np.int32)
        for i, of_term in enumerate(self.postings):
            for postings in of_term:
                holds[lookup(postings.rows, narrow)[0], i] = 1.0
        return holds

    def _idf(self, postings: Sequence[Postings]) -> float:
        """Idf of a term by the postings of its stems, as in Lucene."""
        df = sum(self._view.frequency(p.start, p.end) for p in postings)
        return math.log(1.0 + (self._view.passages - df + 0.5) / (df + 0.5))
