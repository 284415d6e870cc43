"""Similarity of questions and passages: all are compared, or the candidates of FAISS are.

Up to 20,000 visible passages all are compared. More have candidates from FAISS
(`graphagg.nearest.search`), whose scores are exact. A passage longer than the encoder's window has
several vectors; the best one counts.

A change does not rebuild an index: deleted passages are hidden from FAISS, and new ones are a
segment of their own. So an answer after changes may have other hits than a rebuild; `compact` gives
those of a rebuild.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Floats, distinct, top_k
from graphagg.nearest import search
from graphagg.nearest.vectors import Queries
from graphagg.rag.tables.segments import Segment, StoredCorpus
from graphagg.rag.tables.vectors import Rows, RowSet

_OVERSAMPLE = 4  # windows per hit


class DenseIndex:
    """Search by similarity over the visible rows of a corpus.

    `ranks` `[R]` is the rank of each passage's id; it breaks ties.
    """

    def __init__(self, corpus: StoredCorpus, ranks: npt.NDArray[np.int32]) -> None:
        self.corpus, self.ranks = corpus, ranks

    @property
    def is_large(self) -> bool:
        """Whether a question reads few of many passages."""
        return any(len(s.windows.values) > search.FLAT for s in self.corpus.segments)

    def is_exact(self, rows: RowSet) -> bool:
        """Whether a search over these rows compares all of them."""
        return all(s.search is None for s in self.corpus.segments) or rows.count <= search.SMALL

    def search(self, query: Queries, k: int, visible: RowSet) -> tuple[Rows, Floats]:
        """The `k` rows most similar to a query `[1, d]`: rows and similarities, best first."""
        if self.is_exact(visible):
            candidates, scores = visible.rows, self.similarities(query, visible)
        else:
            pairs = zip(self.corpus.segments, self.corpus.starts.tolist(), strict=False)
            each = [self._of_segment(*pair, query, k, visible) for pair in pairs]
            candidates = np.concatenate(each)  # FAISS's, and all visible rows of small segments
            scores = self.corpus.similarity_at(candidates, query)[:, 0]
        best = top_k(scores, k, self.ranks[candidates])
        return candidates[best], scores[best]

    def similarities(self, query: Queries, rows: RowSet) -> Floats:
        """Similarity of a query `[1, d]` to each of some rows; all are compared."""
        if rows.is_all:
            return self.corpus.similarity(query)[:, 0]
        return self.corpus.similarity_at(rows.rows, query)[:, 0]

    def _of_segment(
        self, segment: Segment, start: int, query: Queries, k: int, visible: RowSet
    ) -> Rows:
        """Candidates of one segment, at least `k` if it has as many; `start` is its first row."""
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
