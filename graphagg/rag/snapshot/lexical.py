"""BM25 and coverage of a question's terms, over the visible passages.

Only passages that contain one of the terms have a score. In a small index all postings of the terms
are added up. In a large one a word that is in many passages is looked up only in those that can
still be among the best: its idf is small, and a passage without a rarer word stays behind (the
MaxScore rule of Turtle and Flood 1995). Both ways add in the same order, so scores are equal. The
formula is at the head of `graphagg.rag.tables.lexicon`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from graphagg.arrays import Array, kth_largest
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.snapshot.ranking import lookup
from graphagg.rag.tables.lexicon import NAME, Postings
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View
from graphagg.store.ranges import will_need

_MANY = 1 << 17  # postings of a question, below which all are added up
_LONG = 32  # a list with more than one posting per so many passages may be looked up
_ROUNDING = 1e-9  # of sums


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
        order = np.argsort(-self.weights, kind="stable").tolist()
        self._lists = [(float(self.weights[t]), p) for t in order for p in self.postings[t]]
        self._count = sum(len(postings.rows) for _, postings in self._lists)
        self._added = 0  # so many lists are in `_totals`
        self._best: tuple[int, Rows, Array] | None = None

    def best(self, k: int) -> tuple[Rows, Array]:
        """Find the `k` visible rows with the largest scores, and all rows that tie with the last.

        Rows that score 0 are left out. Returns the rows, ascending, and their scores.
        """
        if self._best is None or self._best[0] < k:
            least = self._add_lists(k)
            rows = np.flatnonzero(self._totals >= least if least > 0.0 else self._totals > 0.0)
            scores, left = self._totals[rows], self._lists[self._added :]
            for i, (weight, postings) in enumerate(left):
                rest = sum(weight for weight, _ in left[i:])  # no row gains more
                rows, scores = _largest(rows, scores, k, rest + _ROUNDING)
                self._look_up(rows, scores, weight, postings)
            self._best = k, *_largest(rows, scores, k)
        return self._best[1:]

    def at(self, rows: Rows) -> Array:
        """The scores of some visible rows; 0 for a row that contains none of the terms."""
        if self._count <= max(_MANY, _LONG * len(rows)):
            self._add_lists(math.inf)
        scores = self._totals[rows]
        for weight, postings in self._lists[self._added :]:
            self._look_up(rows, scores, weight, postings)
        return scores

    def _look_up(self, rows: Rows, scores: Array, weight: float, postings: Postings) -> None:
        """Add the scores of one posting list to those rows that it holds."""
        narrow = rows.astype(np.int32)
        is_held, at = lookup(postings.rows, narrow)
        at = at[is_held]
        counts, context = postings.counts[at], postings.context[at]
        scores[is_held] += self._shares(weight, narrow[is_held], counts, context)

    @cached_property
    def _totals(self) -> Array:
        """`[R]` what the lists that are added give to each visible row."""
        return np.zeros(len(self._view.visible))

    def _add_lists(self, k: float) -> float:
        """Add posting lists, rarest word first, until each of the `k` best rows is in one.

        An infinite `k` adds all. Returns: the least total that such a row has so far, or 0.
        """
        is_large = self._count > _MANY
        for weight, postings in self._lists[self._added :]:
            rest = sum(weight for weight, _ in self._lists[self._added :])
            is_long = len(postings.rows) > len(self._totals) // _LONG
            if is_large and is_long and rest < 0.5:  # no total is larger than 1 - rest
                scored = self._totals[np.flatnonzero(self._totals > 0.0)]
                least = float(kth_largest(scored, int(k))) if k <= len(scored) else 0.0
                if least - _ROUNDING > rest:  # a row that is in no list yet stays behind
                    return least - _ROUNDING - rest
            self._add(weight, postings)
            self._added += 1
        return 0.0

    def _add(self, weight: float, postings: Postings) -> None:
        will_need(postings.rows, postings.counts)
        rows, counts, context = postings.rows.astype(np.intp), postings.counts, postings.context
        if not self._view.row_set.is_all:
            is_visible = self._view.visible[rows]
            rows, counts, context = rows[is_visible], counts[is_visible], context[is_visible]
        np.add.at(self._totals, rows, self._shares(weight, rows, counts, context))

    def _shares(self, weight: float, rows: Array, counts: Array, context: Array) -> Array:
        """What a term adds to the scores of rows that contain it: less than its weight."""
        shares = np.maximum(counts, context >= NAME).astype(np.float64)
        shares /= shares + self._view.length_norms.take(rows)
        shares *= weight
        return shares

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


def _largest(rows: Rows, scores: Array, k: int, gain: float = 0.0) -> tuple[Rows, Array]:
    """Keep the rows that can be among the `k` best, with ties, if none gains more than `gain`."""
    if len(rows) <= k:
        return rows, scores
    is_kept = scores >= kth_largest(scores, k) - gain
    return rows[is_kept], scores[is_kept]
