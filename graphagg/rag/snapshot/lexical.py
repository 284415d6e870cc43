"""BM25 and coverage of a question's terms, over the visible passages.

Only the postings of the terms are read, and only passages that hold one of them have a score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.snapshot.ranking import lookup, spread
from graphagg.rag.tables.lexicon import Postings, TermPostings, add_up
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View

CONSTANTS = (1.2, 0.75)
"""k1 and b of BM25 over title and text."""


class Lexical:
    """Scores of a question's terms over a view; n rows hold any of them.

    Attributes:
        rows: `[n]` int64, ascending.
        scores: `[n]` BM25 of the passages over the sum of idf.
        weights: `[t]` share of each term in the sum of idf.
    """

    def __init__(self, view: View, terms: Sequence[Term]) -> None:
        # A term has a stem per language; stems of several languages share no passage.
        by_stem = [[view.lexicon.find(stem) for stem in term] for term in terms]
        self._postings = [[p for p in postings if p is not None] for postings in by_stem]
        idf = _idf(view, self._postings)
        total = max(float(idf.sum()), 1e-12)
        self.rows, scores = _scores(view, self._postings, idf)
        self.scores, self.weights = scores / total, idf / total

    def at(self, rows: Rows) -> Array:
        """The scores of any rows; 0 for a row that holds none of the terms."""
        if not len(self.rows):
            return np.zeros(len(rows))
        if len(rows) > len(self.rows):
            size = int(max(self.rows[-1], rows.max())) + 1
            return spread(self.rows, self.scores, size)[rows]
        is_scored, position = lookup(self.rows, rows)
        return np.where(is_scored, self.scores[position], 0.0)

    def covers(self, rows: Rows) -> Array:
        """Mask `[n, t]` of 0 and 1: whether row n holds term t."""
        holds, asked = np.zeros((len(rows), len(self._postings))), rows.astype(np.int32)
        for i, of_term in enumerate(self._postings):
            for postings in of_term:
                holds[lookup(postings.rows, asked)[0], i] = 1.0
        return holds


def _idf(view: View, postings: Sequence[Sequence[Postings]]) -> Array:
    """`[t]` of the terms."""
    idf = np.zeros(len(postings))
    for t, of_term in enumerate(postings):
        frequency = 0
        for of_stem in of_term:
            some = slice(None) if view.row_set.is_all else view.visible[of_stem.rows]
            frequency += int(np.count_nonzero(of_stem.counts[some]))
        idf[t] = inverse_frequency(view.passages, frequency)
    return idf


def inverse_frequency(passages: int, df: int) -> float:
    """Idf of a term, as in Lucene; see `lexicon`."""
    return math.log(1.0 + (passages - df + 0.5) / (df + 0.5))


def _scores(view: View, postings: Sequence[Sequence[Postings]], idf: Array) -> tuple[Rows, Array]:
    """Rows that hold any of the terms, ascending, `[n]`, and their scores."""
    of_stems = [p for of_term in postings for p in of_term]
    starts = np.array([p.start for p in of_stems], np.int64)
    ends = np.array([p.end for p in of_stems], np.int64)
    weights = np.repeat(idf, [len(of_term) for of_term in postings])
    lexicon, (average, _) = view.lexicon, view.mean_lengths
    of_terms = TermPostings(starts, ends, lexicon.rows, lexicon.counts, lexicon.lengths)
    return add_up(of_terms, view.visible, weights, (*CONSTANTS, average))
