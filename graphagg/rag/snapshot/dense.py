"""Similarity of questions and passages: exact, or by inverted lists above 100,000 passages.

Rule: up to 100,000 visible passages every one is compared, and in every segment of at most 100,000
windows. A larger segment has inverted lists (`graphagg.rag.tables.lists`). A question reads at most
as much of them as finds .99 of the ten nearest windows of a sample of its sentences, and no list
that promises less than what it has seen; the recall of other sentences is measured and stored.
Scores are exact. A passage longer than the encoder's window has several vectors and the similarity
of the best one.

A change leaves lists as they are: a passage that is gone is hidden, new ones are a segment of
their own. So an answer between changes has the recall of its lists, not the same hits as a rebuild;
`compact` gives a rebuild's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Floats, distinct
from graphagg.rag.question.results import Hit, plain_hits
from graphagg.rag.snapshot.ranking import top_k
from graphagg.rag.tables.lists import NEAR
from graphagg.rag.tables.segments import Segment, StoredCorpus
from graphagg.rag.tables.vectors import Queries, Rows, RowSet, Vectors
from graphagg.rag.tables.view import View

FLAT_LIMIT = 100_000
_OVERSAMPLE = 4  # candidates per hit where their scores are not exact yet
_SEEN = 8  # windows seen, at least, per hit


class DenseIndex:
    """Search by similarity over the visible rows of a corpus.

    Args:
        corpus: holds the vectors, and lists of them.
        ranks: `[R]` place of each passage's id in their order; ties are broken by it.
    """

    def __init__(self, corpus: StoredCorpus, ranks: npt.NDArray[np.int32]) -> None:
        self.corpus, self.ranks = corpus, ranks
        self._has_lists = any(segment.lists is not None for segment in corpus.segments)
        # Lists may show only some of a passage's windows.
        self._is_final = len(corpus.windows) == len(corpus)
        self._last: tuple[RowSet, bytes, Floats] | None = None
        self._seen: tuple[RowSet, bytes, tuple[int, int], tuple[Rows, Floats]] | None = None

    def is_exact(self, rows: Rows | RowSet) -> bool:
        """Whether a search over these rows compares every one."""
        return not self._has_lists or self._set(rows).count <= FLAT_LIMIT

    def search(self, query: Vectors, k: int, rows: Rows | RowSet) -> tuple[Rows, Floats]:
        """The `k` of `rows` most similar to a query `[d]`: rows and similarities, best first."""
        visible = self._set(rows)
        if self.is_exact(visible):
            candidates, scores = visible.rows, self.similarities(Queries(query[None]), visible)
            best = top_k(scores, k, self.ranks[candidates])
            return candidates[best], scores[best]
        question = Queries(query[None])
        candidates, scores = self._candidates(question, k, visible)
        some = top_k(scores, _OVERSAMPLE * k)
        candidates, scores = candidates[some], scores[some]
        if not self._is_final:
            candidates = distinct(candidates)
            scores = self.corpus.similarity_at(candidates, question)[:, 0]
        best = top_k(scores, k, self.ranks[candidates])
        return candidates[best], scores[best]

    def similarities(self, query: Queries, rows: RowSet) -> Floats:
        """Similarity of a query `[1, d]` to each of some rows, every one compared.

        The last result is kept: an answer and its confidence ask for the same.
        """
        vector, last = query.vectors.tobytes(), self._last
        if last is not None and last[0] is rows and last[1] == vector:
            return last[2]
        if rows.is_all:
            scores = self.corpus.similarity(query)[:, 0]
        else:
            scores = self.corpus.similarity_at(rows.rows, query)[:, 0]
        self._last = (rows, vector, scores)
        return scores

    def _set(self, rows: Rows | RowSet) -> RowSet:
        return rows if isinstance(rows, RowSet) else RowSet.of(rows, len(self.corpus))

    def _candidates(self, query: Queries, k: int, visible: RowSet) -> tuple[Rows, Floats]:
        """Visible rows that lists and small segments give, and similarities of their windows.

        The last result is kept: an answer and its confidence ask for the same.
        """
        segments = self.corpus.segments
        least = max(_SEEN * k, *(s.lists.enough for s in segments if s.lists is not None))
        limits = least, max(NEAR, k)
        vector, last = query.vectors.tobytes(), self._seen
        if last is not None and last[0] is visible and last[1:3] == (vector, limits):
            return last[3]
        starts = self.corpus.starts.tolist()
        pairs = [
            self._of_segment(segment, start, query, limits, visible)
            for segment, start in zip(segments, starts, strict=False)
        ]
        rows, scores = (np.concatenate(columns) for columns in zip(*pairs, strict=True))
        self._seen = (visible, vector, limits, (rows, scores))
        return rows, scores

    def _of_segment(
        self, segment: Segment, start: int, query: Queries, limits: tuple[int, int], visible: RowSet
    ) -> tuple[Rows, Floats]:
        """The same of a segment that begins at row `start`."""
        if segment.lists is None:
            mask = visible.mask[start : start + len(segment.passages)]
            rows = start + np.flatnonzero(mask)
            return rows, self.corpus.similarity_at(rows, query)[:, 0]
        bounds = segment.windows.bounds
        among = None if visible.is_all else visible.of_values(start, bounds)
        windows, scores = segment.lists.see(query.packed, among, *limits)
        if bounds[-1] == len(bounds) - 1:  # a window each: the bounds stay unread
            return start + windows, scores
        return start + np.searchsorted(bounds, windows, side="right") - 1, scores


def dense_rows(
    dense: DenseIndex, view: View, vector: Vectors, k: int, allowed: npt.NDArray[np.bool_] | None
) -> tuple[Rows, npt.NDArray[np.float32]]:
    """The `k` passages most similar to a question `[d]`; `allowed` (`[R]`): only among these."""
    rows = view.row_set if allowed is None else RowSet(allowed, int(np.count_nonzero(allowed)))
    return dense.search(vector, k, rows)


def dense_hits(
    dense: DenseIndex, view: View, vector: Vectors, k: int, allowed: npt.NDArray[np.bool_] | None
) -> list[Hit]:
    """The passages of `dense_rows` as hits."""
    return plain_hits(dense.corpus, *dense_rows(dense, view, vector, k, allowed), "dense")
