"""Similarity of questions and passages: exact, or by an inverted file above 100,000 vectors.

Rule: up to 100,000 vectors every visible passage is compared. Above, an inverted file with 8-bit
codes is trained: nlist = 4 sqrt(W) lists on 64 nlist sampled vectors, nprobe = nlist / 16 (at least
32) are read, and the candidates are scored again by their exact vectors where at most 64 hits are
wanted; under a filter that leaves at most 100,000 passages the search is exact. A passage longer
than the encoder's window has several vectors and the similarity of the best one. With `faiss-gpu`
and a CUDA device an unfiltered search of the inverted file runs there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.rag.question.results import Hit, plain_hits
from graphagg.rag.snapshot.inverted_file import import_faiss, load, open_mapped, probe
from graphagg.rag.snapshot.ranking import top_k
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Queries, Rows, RowSet, Vectors
from graphagg.rag.tables.view import View

FLAT_LIMIT = 100_000
_OVERSAMPLE = 4  # candidates of an inverted file per hit, to be scored again
_RESCORED = 64  # for more hits the 8-bit codes decide: exact vectors would be a page each


class DenseIndex:
    """Search by similarity over the visible rows of a corpus.

    Args:
        corpus: holds the vectors.
        ranks: `[R]` place of each passage's id in their order; ties are broken by it.
        inverted_file: the trained FAISS index, whose ids are numbers of windows; None
            for flat search.
    """

    def __init__(
        self, corpus: Corpus, ranks: npt.NDArray[np.int32], inverted_file: Path | None = None
    ) -> None:
        self.corpus, self.ranks = corpus, ranks
        self._inverted_file = inverted_file
        self._faiss: Any = None
        self._last: tuple[RowSet, bytes, npt.NDArray[np.float32]] | None = None

    def is_exact(self, rows: Rows | RowSet) -> bool:
        """Whether a search over these rows compares every one."""
        return self._inverted_file is None or self._set(rows).count <= FLAT_LIMIT

    def search(
        self, query: Vectors, k: int, rows: Rows | RowSet
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        """The `k` of `rows` most similar to a query `[d]`: rows and similarities, best first."""
        visible = self._set(rows)
        if not self.is_exact(visible):
            candidates, scores = self._candidates(query, k, visible)
            if k <= _RESCORED:
                scores = self.corpus.similarity_at(candidates, query[None])[:, 0]
            best = top_k(scores, k, self.ranks[candidates])
            return candidates[best], scores[best]
        candidates, scores = visible.rows, self.similarities(Queries(query[None]), visible)
        best = top_k(scores, k, self.ranks[candidates])
        return candidates[best], scores[best]

    def similarities(self, query: Queries, rows: RowSet) -> npt.NDArray[np.float32]:
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

    def _candidates(
        self, query: Vectors, k: int, visible: RowSet
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        """Visible rows that the inverted file finds, and their similarities by its codes.

        At least `k` of them if there are.
        """
        index = self._index()
        count = _OVERSAMPLE * k if k <= _RESCORED else k
        while True:
            ids, scores = self._find(index, query, count, visible)
            rows, best = self._owners(ids, scores)
            is_visible = visible.mask[rows]
            rows, best = rows[is_visible], best[is_visible]
            if len(rows) >= min(k, visible.count) or count >= index.ntotal:
                return rows, best
            count *= 2  # windows of one passage, or on a GPU hidden ones, took the places

    def _owners(
        self, ids: Rows, scores: npt.NDArray[np.float32]
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        """The rows that some windows belong to, ascending, and the best score of each."""
        if len(self.corpus.windows) == len(self.corpus):  # one each: the bounds stay unread
            order = np.argsort(ids)
            return ids[order], scores[order]
        owners = np.searchsorted(self.corpus.window_bounds, ids, side="right") - 1
        rows, position = np.unique(owners, return_inverse=True)
        best = np.full(len(rows), -np.inf, np.float32)
        np.maximum.at(best, position, scores)
        return rows, best

    def _find(
        self, index: Any, query: Vectors, count: int, visible: RowSet
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        count = min(count, index.ntotal)
        if self._on_gpu:
            scores, ids = index.search(query[None], count)
        else:
            scores, ids = probe(index, query[None], count, self._selector(visible))
        is_match = ids[0] >= 0
        return ids[0][is_match], scores[0][is_match]

    def _selector(self, visible: RowSet) -> Any:
        """A FAISS selector of the windows of these rows; None: all."""
        if visible.is_all:
            return None
        return import_faiss().IDSelectorBitmap(visible.bits(self.corpus.window_bounds))

    @property
    def _on_gpu(self) -> bool:
        return bool(getattr(import_faiss(), "get_num_gpus", int)())

    def _index(self) -> Any:
        if self._faiss is None:
            faiss = import_faiss()
            assert self._inverted_file is not None
            if self._on_gpu:  # a mapped index cannot be copied
                self._faiss = faiss.index_cpu_to_all_gpus(load(self._inverted_file))
            else:
                self._faiss = open_mapped(self._inverted_file)
        return self._faiss


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
