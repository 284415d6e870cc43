"""Nearest vectors by FAISS."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import MissingExtra


class Searcher:
    """Exact search for the largest inner products.

    Args:
        rows: `[n, d]`.

    Raises:
        MissingExtra: FAISS is not installed.
    """

    def __init__(self, rows: Array) -> None:
        try:
            import faiss
        except ImportError:
            raise MissingExtra("faiss-cpu", "embedding") from None
        self._rows = len(rows)
        self._index: Any = faiss.IndexFlatIP(rows.shape[1])
        self._index.add(np.ascontiguousarray(rows, dtype=np.float32))

    def search(self, query: Array, k: int, without: int | None = None) -> list[tuple[int, float]]:
        """The k nearest rows and their products, best first, `without` left out."""
        scores, rows = self._index.search(query[None, :], min(k + 1, self._rows))
        pairs = zip(rows[0].tolist(), scores[0].tolist(), strict=True)
        return [pair for pair in pairs if pair[0] != without][:k]
