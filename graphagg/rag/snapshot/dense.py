"""Similarity of questions and passages: exact, or by inverted lists above 100,000 passages.

Up to 100,000 visible passages, and in segments of at most 100,000 windows, all are compared. A
larger segment has inverted lists (`graphagg.rag.tables.lists`), with a recall of about .99 and
exact scores. A passage longer than the encoder's window has several vectors; the best one counts.

A change does not rebuild lists: deleted passages are hidden, and new ones are a segment of their
own. So an answer after changes may have other hits than a rebuild; `compact` gives those of a
rebuild.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Floats, distinct
from graphagg.rag.snapshot.ranking import top_k
from graphagg.rag.tables.lists import NEAR
from graphagg.rag.tables.segments import Segment, StoredCorpus
from graphagg.rag.tables.vectors import Queries, Rows, RowSet

FLAT_LIMIT = 100_000
_OVERSAMPLE = 4  # candidates per hit where their scores are not exact yet
_SEEN = 8  # windows seen, at least, per hit


class DenseIndex:
    """Search by similarity over the visible rows of a corpus.

    `ranks` `[R]` is the rank of each passage's id; it breaks ties.
    """

    def __init__(self, corpus: StoredCorpus, ranks: npt.NDArray[np.int32]) -> None:
        self.corpus, self.ranks = corpus, ranks
        self._has_lists = any(segment.lists is not None for segment in corpus.segments)
        # Lists may show only some of a passage's windows.
        self._is_final = len(corpus.windows) == len(corpus)

    def is_exact(self, rows: Rows | RowSet) -> bool:
        """Whether a search over these rows compares all of them."""
        return not self._has_lists or self._set(rows).count <= FLAT_LIMIT

    def search(self, query: Queries, k: int, rows: Rows | RowSet) -> tuple[Rows, Floats]:
        """The `k` of `rows` most similar to a query `[1, d]`: rows and similarities, best first."""
        visible = self._set(rows)
        if self.is_exact(visible):
            candidates, scores = visible.rows, self.similarities(query, visible)
        else:
            candidates, scores = self._candidates(query, k, visible)
            some = top_k(scores, _OVERSAMPLE * k)
            candidates, scores = candidates[some], scores[some]
            if not self._is_final:
                candidates = distinct(candidates)
                scores = self.corpus.similarity_at(candidates, query)[:, 0]
        best = top_k(scores, k, self.ranks[candidates])
        return candidates[best], scores[best]

    def similarities(self, query: Queries, rows: RowSet) -> Floats:
        """Similarity of a query `[1, d]` to each of some rows; all are compared."""
        if rows.is_all:
            return self.corpus.similarity(query)[:, 0]
        return self.corpus.similarity_at(rows.rows, query)[:, 0]

    def _set(self, rows: Rows | RowSet) -> RowSet:
        return rows if isinstance(rows, RowSet) else RowSet.of(rows, len(self.corpus))

    def _candidates(self, query: Queries, k: int, visible: RowSet) -> tuple[Rows, Floats]:
        """Visible rows from lists and small segments, and similarities of their windows."""
        segments = self.corpus.segments
        least = max(_SEEN * k, *(s.lists.probe_budget for s in segments if s.lists is not None))
        pairs = [
            self._segment_scores(segment, start, query, (least, max(NEAR, k)), visible)
            for segment, start in zip(segments, self.corpus.starts.tolist(), strict=False)
        ]
        rows, scores = (np.concatenate(columns) for columns in zip(*pairs, strict=True))
        return rows, scores

    def _segment_scores(
        self, segment: Segment, start: int, query: Queries, limits: tuple[int, int], visible: RowSet
    ) -> tuple[Rows, Floats]:
        """Scores of one segment; `start` is the number of its first row."""
        if segment.lists is None:
            mask = visible.mask[start : start + len(segment.passages)]
            rows = start + np.flatnonzero(mask)
            return rows, self.corpus.similarity_at(rows, query)[:, 0]
        bounds = segment.windows.bounds
        among = None if visible.is_all else visible.of_values(start, bounds)
        windows, scores = segment.lists.scan(query.packed, among, *limits)
        if bounds[-1] == len(bounds) - 1:  # a window each: the bounds stay unread
            return start + windows, scores
        return start + np.searchsorted(bounds, windows, side="right") - 1, scores
