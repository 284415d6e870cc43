"""BM25 and coverage of a question's terms, over what is visible.

Only the postings of the terms are read, and only passages that hold one of them have a score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.search.ranking import lookup, spread
from graphagg.rag.tables.lexicon import Postings, TermPostings, add_up
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View

BODY, TITLE = (1.2, 0.75), (0.5, 0.5)
"""k1 and b of BM25 over title and text, and over titles."""


class Lexical:
    """Scores of a question's terms over a view; n rows hold any of them.

    Attributes:
        rows: `[n]` int64, ascending.
        body, title: `[n]` BM25 of the passages and of their titles, each over the sum of idf.
        weights: `[t]` share of each term in the sum of idf.
    """

    def __init__(self, view: View, terms: Sequence[str]) -> None:
        self._postings = [view.lexicon.find(term) for term in terms]
        idf = _idf(view, self._postings)
        sums = np.maximum(idf.sum(axis=1), 1e-12)
        rows, scores = _scores(view, self._postings, idf)
        self.rows, self.body, self.title = rows, scores[0] / sums[0], scores[1] / sums[1]
        self.weights = idf[0] / sums[0]

    def at(self, rows: Rows) -> tuple[Array, Array]:
        """`body` and `title` of any rows; 0 for a row that holds none of the terms."""
        if not len(self.rows):
            return np.zeros(len(rows)), np.zeros(len(rows))
        if len(rows) > len(self.rows):
            size = int(max(self.rows[-1], rows.max())) + 1
            body, title = (spread(self.rows, scores, size) for scores in (self.body, self.title))
            return body[rows], title[rows]
        is_scored, places = lookup(self.rows, rows)
        body, title = self.body[places], self.title[places]
        return np.where(is_scored, body, 0.0), np.where(is_scored, title, 0.0)

    def covers(self, rows: Rows) -> Array:
        """Which terms each of some rows holds, `[n, t]` of 0 and 1."""
        holds = np.zeros((len(rows), len(self._postings)))
        for i, postings in enumerate(self._postings):
            if postings is not None:
                holds[:, i] = lookup(postings.rows, rows)[0]
        return holds


def _idf(view: View, postings: Sequence[Postings | None]) -> Array:
    """`[2, t]` of the terms, in title and text, and in titles."""
    idf = np.zeros((2, len(postings)))
    for t, of_term in enumerate(postings):
        frequencies = (0, 0)
        if of_term is not None:
            some = slice(None) if view.row_set.is_all else view.visible[of_term.rows]
            titles = np.count_nonzero(of_term.title_counts[some])
            frequencies = int(np.count_nonzero(of_term.counts[some])), int(titles)
        idf[:, t] = [inverse_frequency(view.passages, df) for df in frequencies]
    return idf


def inverse_frequency(passages: int, df: int) -> float:
    """Idf of a term, as in Lucene; see `lexicon`."""
    return math.log(1.0 + (passages - df + 0.5) / (df + 0.5))


def _scores(view: View, postings: Sequence[Postings | None], idf: Array) -> tuple[Rows, Array]:
    """Rows that hold any of the terms, ascending, `[n]`, and the scores of body and title."""
    known = [p is not None for p in postings]
    starts = np.array([p.start for p in postings if p is not None], np.int64)
    ends = np.array([p.end for p in postings if p is not None], np.int64)
    size = int((ends - starts).sum())
    rows, scores = np.empty(size, np.int64), np.empty((2, size))
    lexicon = view.lexicon
    of_terms = TermPostings(
        starts, ends, lexicon.rows, lexicon.counts, lexicon.title_counts, lexicon.lengths
    )
    constants, averages = np.array([BODY, TITLE]), np.array(view.mean_lengths)
    count = add_up(of_terms, view.visible, idf[:, known], constants, averages, rows, scores)
    return rows[:count], scores[:, :count]
