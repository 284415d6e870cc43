"""Search in an opened version: by vector similarity and by words.

Up to 20,000 visible passages are all compared with the question. For more, FAISS finds candidates
(`graphagg.nearest.search`), and their scores are exact. A change does not rebuild a FAISS index:
its search skips deleted passages, and new passages form a new segment. After changes, the hits may
therefore differ from those of a rebuilt index; after `compact` they are the same.

In the search by words, only passages that contain a term have a score. In a large index, a word of
many passages is looked up only in passages that can still be among the best: its idf is small, and
a passage without a rarer word cannot reach them (the MaxScore rule of Turtle and Flood 1995). Both
ways add the scores in the same order, so the sums are equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Floats, Mask, distinct, kth_largest, top_k
from graphagg.nearest import search
from graphagg.nearest.vectors import Queries, Rows, RowSet
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.tables.lexicon import NAME, Postings
from graphagg.rag.tables.segments import Segment, StoredCorpus
from graphagg.rag.tables.view import View
from graphagg.store.ranges import will_need


def best_rows(scored: Rows, scores: Array, k: int, ranks: Array) -> tuple[Rows, Array] | None:
    """Return the `k` rows with the greatest scores above 0, and the scores, best first.

    The arguments are those of `top_rows`. None if fewer than `k` rows score above 0.
    """
    may = scores > 0.0
    if np.count_nonzero(may) < k:
        return None
    rows, values = scored[may], scores[may]
    candidates = values >= kth_largest(values, k)
    rows, values = rows[candidates], values[candidates]  # so that few ranks are read
    best = top_k(values, k, ranks[rows])
    return rows[best], values[best]


def top_rows(scored: Rows, scores: Array, k: int, ranks: Array, view: View) -> tuple[Rows, Array]:
    """Return the `k` visible rows with the greatest scores; rows without a score count as 0.

    `scores` belong to the rows `scored`; `ranks` `[R]` break ties.
    """
    best = best_rows(scored, scores, k, ranks)
    if best is not None:
        return best
    rows = view.rows
    values = spread(scored, scores, len(view.visible))[rows]
    positions = top_k(values, k, ranks[rows])
    return rows[positions], values[positions]


def is_among(rows: Array, few: Array) -> Mask:
    """Return a mask of the rows that are in `few`; compares all pairs, without sorting."""
    mask: Mask = (rows[:, None] == few).any(axis=1)
    return mask


def spread(rows: Rows, values: Array, size: int) -> Array:
    """Return a `[size]` array with the values at their rows and 0 elsewhere."""
    dense = np.zeros(size)
    dense[rows] = values
    return dense


def lookup(table: Array, rows: Array, ranks: Array | None = None) -> tuple[Mask, Array]:
    """Find rows in a table that ascends (by `ranks`, if given); return a mask and positions."""
    if not len(table):
        return np.zeros(len(rows), bool), np.zeros(len(rows), np.int64)
    keys, values = (table, rows) if ranks is None else (ranks[table], ranks[rows])
    values = values.astype(keys.dtype, copy=False)  # otherwise numpy converts the whole table
    positions = np.minimum(keys.searchsorted(values), len(keys) - 1)
    return keys[positions] == values, positions


_OVERSAMPLE = 4  # windows requested from FAISS per hit


class DenseIndex:
    """Search by vector similarity over the visible rows of a corpus.

    `ranks` `[R]` holds the rank of each passage's id, which breaks ties.
    """

    def __init__(self, corpus: StoredCorpus, ranks: npt.NDArray[np.int32]) -> None:
        self.corpus, self.ranks = corpus, ranks

    @property
    def is_large(self) -> bool:
        """Whether a segment is so large that a query reads only a few of its passages."""
        return any(len(s.windows.values) > search.FLAT for s in self.corpus.segments)

    def is_exact(self, rows: RowSet) -> bool:
        """Whether a search over these rows compares all of them."""
        return all(s.search is None for s in self.corpus.segments) or rows.count <= search.SMALL

    def search(self, query: Queries, k: int, visible: RowSet) -> tuple[Rows, Floats]:
        """Return the `k` rows most similar to a query `[1, d]`, and their similarities."""
        if self.is_exact(visible):
            candidates, scores = visible.rows, self.similarities(query, visible)
        else:
            pairs = zip(self.corpus.segments, self.corpus.starts.tolist(), strict=False)
            each = [self._of_segment(*pair, query, k, visible) for pair in pairs]
            candidates = np.concatenate(each)  # from FAISS, and all visible rows of small segments
            scores = self.corpus.similarity_at(candidates, query)[:, 0]
        best = top_k(scores, k, self.ranks[candidates])
        return candidates[best], scores[best]

    def similarities(self, query: Queries, rows: RowSet) -> Floats:
        """Return the similarity of a query `[1, d]` to each of the rows; all are compared."""
        if rows.is_all:
            return self.corpus.similarity(query)[:, 0]
        return self.corpus.similarity_at(rows.rows, query)[:, 0]

    def _of_segment(
        self, segment: Segment, start: int, query: Queries, k: int, visible: RowSet
    ) -> Rows:
        """Return candidates of a segment, at least `k` if it has them; `start` is its first row."""
        bounds = segment.windows.bounds
        if segment.search is None:
            return start + np.flatnonzero(visible.mask[start : start + len(bounds) - 1])
        among = None if visible.is_all else visible.of_values(start, bounds)
        n = max(_OVERSAMPLE * k, segment.search.measured.candidates)
        while True:
            windows = segment.search.nearest(query, n, among)
            rows = windows
            if bounds[-1] > len(bounds) - 1:  # otherwise a row has one window
                rows = distinct(np.searchsorted(bounds, windows, side="right") - 1)
            if len(rows) >= k or len(windows) < n:
                return start + rows
            n *= _OVERSAMPLE


_MANY = 1 << 17  # up to this many passages and postings, all postings are added up
_LONG = 32  # with more postings per row than this, looking up the rows is faster
_MARKED = 128  # with a row per this many passages, marking a list is faster than searching it
_ROUNDING = 1e-9  # bound of the rounding error of sums


def weights_of(df: Sequence[int], passages: int) -> tuple[Array, Array]:
    """Return the idf of terms, as in Lucene, and the share of each term in the sum of idf."""
    idf = np.array([math.log(1.0 + (passages - n + 0.5) / (n + 0.5)) for n in df], float)
    return idf, idf / max(float(idf.sum()), 1e-12)


class Lexical:
    """Scores of a question's terms over a view: BM25 divided by the sum of idf.

    Attributes:
        postings: `[t]` posting lists of each term, one for each of its stems.
        df: `[t]` number of visible passages with each term; over all parts of a corpus, if given.
        idf: `[t]` idf of each term.
        weights: `[t]` share of each term in the sum of idf.
    """

    def __init__(self, view: View, terms: Sequence[Term], df: Sequence[int] | None = None) -> None:
        # A term has one stem per language; no passage contains stems of two languages.
        by_stem = [[view.lexicon.find(stem) for stem in term] for term in terms]
        self.postings = [[p for p in postings if p is not None] for postings in by_stem]
        self._view = view
        self.df = (
            df
            if df is not None
            else [sum(view.frequency(p.start, p.end) for p in each) for each in self.postings]
        )
        self._count = sum(len(p.rows) for of_term in self.postings for p in of_term)
        self.idf, self.weights = weights_of(self.df, view.passages)
        order = np.argsort(-self.weights, kind="stable").tolist()
        self._lists = [(float(self.weights[t]), p) for t in order for p in self.postings[t]]
        self._best: tuple[int, Rows, Array] | None = None

    def best(self, k: int) -> tuple[Rows, Array]:
        """Find the `k` visible rows with the largest scores, and all rows that tie with the last.

        Rows with score 0 are omitted. Returns the rows, ascending, and their scores.
        """
        if self._best is None or self._best[0] < k:
            if self._adds_all(k):
                rows = np.flatnonzero(self._totals > 0.0)
                scores = self._totals[rows]
            else:
                rows, scores = self._candidates(k)
            is_best = scores >= kth_largest(scores, k) if k < len(rows) else slice(None)
            self._best = k, rows[is_best], scores[is_best]
        return self._best[1:]

    def at(self, rows: Rows) -> Array:
        """Return the scores of visible rows; 0 for a row that contains none of the terms."""
        if self._adds_all(len(rows)):
            return self._totals[rows]
        scores = np.zeros(len(rows))
        for weight, postings in self._lists:
            self._look_up(rows, scores, weight, postings)
        return scores

    def _look_up(self, rows: Array, scores: Array, weight: float, postings: Postings) -> None:
        """Add the scores of one posting list to the rows that it contains."""
        narrow = rows.astype(np.int32, copy=False)
        is_held, at = self._find_in_list(postings.rows, narrow)
        counts, context = postings.counts[at], postings.context[at]
        scores[is_held] += self._shares(weight, narrow[is_held], counts, context)

    def _find_in_list(self, of_list: Array, rows: Array) -> tuple[Mask, Array]:
        """Find rows in a posting list; return a mask of the rows found, and their positions."""
        passages = len(self._view.visible)
        if _MARKED * len(rows) < passages:
            is_held, at = lookup(of_list, rows)
            return is_held, at[is_held]
        is_in_list = np.zeros(passages, np.bool_)
        is_in_list[of_list] = True
        is_held = is_in_list[rows]
        return is_held, of_list.searchsorted(rows[is_held])

    def _adds_all(self, rows: int) -> bool:
        """Whether adding up all postings is faster than looking up this many rows."""
        size = max(self._count, len(self._view.visible))
        return size <= max(_MANY, _LONG * rows)

    @cached_property
    def _totals(self) -> Array:
        """`[R]` the score of each visible row."""
        totals = np.zeros(len(self._view.visible))
        for weight, postings in self._lists:
            rows, shares = self._list_shares(weight, postings)
            totals[rows] += shares
        return totals

    def _candidates(self, k: int) -> tuple[Rows, Array]:
        """Find rows that can be among the `k` best, ascending, and their scores.

        The list of the rarest word is added first. `least` is a lower bound of the `k`-th best
        score; rows that cannot reach it are dropped.
        """
        rows, scores, least = np.zeros(0, np.int32), np.zeros(0), 0.0
        for i, (weight, postings) in enumerate(self._lists):
            rest = sum(weight for weight, _ in self._lists[i + 1 :])  # a row can gain this at most
            if k <= len(rows) and len(postings.rows) > _LONG * k:
                least = max(least, self._kth_bound(rows, scores, k, i))
                may = scores >= least - rest - weight
                rows, scores = rows[may], scores[may]
            if weight + rest < least:  # a row in none of the lists so far cannot reach it
                self._look_up(rows, scores, weight, postings)
            else:
                rows, scores = self._with_list(rows, scores, weight, postings, least - rest)
            may = scores >= least - rest
            rows, scores = rows[may], scores[may]
        order = np.argsort(rows)
        return rows[order].astype(np.int64), scores[order]

    def _kth_bound(self, rows: Array, scores: Array, k: int, first: int) -> float:
        """Return a lower bound of the `k`-th score; lists from `first` on are not yet added."""
        most = np.argpartition(-scores, k - 1)[: 2 * k]
        rows, scores = rows[most], scores[most]
        for weight, postings in self._lists[first:]:
            self._look_up(rows, scores, weight, postings)
        return float(kth_largest(scores, k)) - _ROUNDING

    def _with_list(
        self, rows: Array, scores: Array, weight: float, postings: Postings, least: float
    ) -> tuple[Array, Array]:
        """Add a posting list to the scores; append its other rows that score at least `least`."""
        of_list, shares = self._list_shares(weight, postings)
        is_held, at = self._find_in_list(of_list, rows)
        scores[is_held] += shares[at]
        is_new = (shares > 0.0) & (shares >= least)
        is_new[at] = False
        return np.concatenate([rows, of_list[is_new]]), np.concatenate([scores, shares[is_new]])

    def _list_shares(self, weight: float, postings: Postings) -> tuple[Array, Array]:
        """Return the visible rows of a posting list, and the score that it adds to each row."""
        will_need(postings.rows, postings.counts)
        rows, counts, context = postings.rows, postings.counts, postings.context
        if not self._view.row_set.is_all:
            is_visible = self._view.visible[rows]
            rows, counts, context = rows[is_visible], counts[is_visible], context[is_visible]
        return rows, self._shares(weight, rows, counts, context)

    def _shares(self, weight: float, rows: Array, counts: Array, context: Array) -> Array:
        """Return the scores that a term adds to rows that contain it; each is below its weight."""
        shares = np.maximum(counts, context >= NAME).astype(np.float64)
        shares /= shares + self._view.length_norms.take(rows)
        shares *= weight
        return shares

    def covers(self, rows: Rows) -> Array:
        """Return a mask `[n, t]` of 0 and 1: whether row n contains term t."""
        holds, narrow = np.zeros((len(rows), len(self.postings))), rows.astype(np.int32)
        for i, of_term in enumerate(self.postings):
            for postings in of_term:
                holds[lookup(postings.rows, narrow)[0], i] = 1.0
        return holds
