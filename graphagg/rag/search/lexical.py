"""BM25 and coverage of a question's terms, over what is visible.

Only the postings of the terms are read, and only passages that hold one of them have a score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.rag.search.dense import top_k
from graphagg.rag.tables.lexicon import Postings, add_up
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
        """`body` and `title` of any rows; 0 where none of the terms stands."""
        if not len(self.rows):
            return np.zeros(len(rows)), np.zeros(len(rows))
        if len(rows) > len(self.rows):
            size = int(max(self.rows[-1], rows.max())) + 1
            body, title = (spread(self.rows, part, size) for part in (self.body, self.title))
            return body[rows], title[rows]
        there, place = lookup(self.rows, rows)
        return np.where(there, self.body[place], 0.0), np.where(there, self.title[place], 0.0)

    def covers(self, rows: Rows) -> Array:
        """Which terms each of some rows holds, `[n, t]` of 0 and 1."""
        held = np.zeros((len(rows), len(self._postings)))
        for i, postings in enumerate(self._postings):
            if postings is not None:
                held[:, i] = lookup(postings.rows, rows)[0]
        return held


def best_rows(
    scored: Rows, scores: Array, k: int, ranks: Array, among: npt.NDArray[np.bool_] | None
) -> tuple[Rows, Array] | None:
    """The `k` rows of greatest score, where the rest of the corpus scores 0.

    Args:
        scored: rows that have a score.
        scores: their scores.
        k: how many.
        ranks: `[R]`, by which equals are ordered.
        among: `[R]`, which rows may be chosen; None: all that are scored.

    Returns:
        Rows and scores, best first; None where fewer than `k` score above 0, so that rows without
        a score would be among them.
    """
    may = scores > 0.0
    if among is not None:
        may &= among[scored]
    if np.count_nonzero(may) < k:
        return None
    rows, values = scored[may], scores[may]
    near = values >= np.partition(values, len(values) - k)[len(values) - k]
    rows, values = rows[near], values[near]  # so that few ranks are read
    best = top_k(values, k, ranks[rows])
    return rows[best], values[best]


def top_rows(
    scored: Rows,
    scores: Array,
    k: int,
    ranks: Array,
    view: View,
    allowed: npt.NDArray[np.bool_] | None,
) -> tuple[Rows, Array]:
    """`best_rows`, or where rows without a score are among the best, the best of all rows.

    Args:
        scored: rows that have a score.
        scores: their scores.
        k: how many.
        ranks: `[R]`, by which equals are ordered.
        view: what is visible.
        allowed: `[R]`, which rows may be chosen; None: all that are visible.
    """
    best = best_rows(scored, scores, k, ranks, allowed)
    if best is not None:
        return best
    rows = view.rows if allowed is None else np.flatnonzero(allowed)
    values = spread(scored, scores, len(view.visible))[rows]
    chosen = top_k(values, k, ranks[rows])
    return rows[chosen], values[chosen]


def lexical_scores(view: View, terms: Sequence[str]) -> Array:
    """BM25 of every passage over the sum of the terms' idf, `[R]`; 0 where hidden."""
    lexical = Lexical(view, terms)
    return spread(lexical.rows, lexical.body, len(view.visible))


def spread(rows: Rows, values: Array, size: int) -> Array:
    """`[size]`: the values in their rows, 0 elsewhere."""
    everything = np.zeros(size)
    everything[rows] = values
    return everything


def _idf(view: View, postings: Sequence[Postings | None]) -> Array:
    """`[2, t]` of the terms, in title and text, and in titles."""
    idf = np.zeros((2, len(postings)))
    for t, found in enumerate(postings):
        df = (0, 0)
        if found is not None:
            some = slice(None) if view.row_set.is_all else view.visible[found.rows]
            titles = np.count_nonzero(found.title_counts[some])
            df = int(np.count_nonzero(found.counts[some])), int(titles)
        idf[:, t] = [inverse_frequency(view.passages, some) for some in df]
    return idf


def inverse_frequency(passages: int, df: int) -> float:
    """Idf of a term, as in Lucene; see `lexicon`."""
    return math.log(1.0 + (passages - df + 0.5) / (df + 0.5))


def _scores(view: View, postings: Sequence[Postings | None], idf: Array) -> tuple[Rows, Array]:
    known = [p is not None for p in postings]
    starts = np.array([p.start for p in postings if p is not None], np.int64)
    ends = np.array([p.end for p in postings if p is not None], np.int64)
    size = int((ends - starts).sum())
    rows, scores = np.empty(size, np.int64), np.empty((2, size))
    lexicon = view.lexicon
    count = add_up(
        starts, ends, lexicon.rows, lexicon.counts, lexicon.title_counts, lexicon.lengths,
        view.visible, idf[:, known], np.array([BODY, TITLE]), np.array(view.mean_lengths),
        rows, scores,
    )  # fmt: skip
    return rows[:count], scores[:, :count]


def lookup(
    table: Array, wanted: Rows, ranks: Array | None = None
) -> tuple[npt.NDArray[np.bool_], Array]:
    """Which of `wanted` are in a table that ascends (by `ranks`, if given), and their places."""
    if not len(table):
        return np.zeros(len(wanted), bool), np.zeros(len(wanted), np.int64)
    keys, values = (table, wanted) if ranks is None else (ranks[table], ranks[wanted])
    place = np.minimum(np.searchsorted(keys, values), len(table) - 1)
    return keys[place] == values, place
