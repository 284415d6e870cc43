"""Dense similarity of questions and passages: exact products, and FAISS for the best ones.

Rule: up to 100,000 vectors the search is flat (exact). Above, an inverted file with 8-bit codes is
trained: nlist = 4 sqrt(W) lists on 64 nlist sampled vectors, nprobe = nlist / 16 (at least 32) are
read, and the candidates are scored again by their exact vectors. A passage longer than the
encoder's window has several vectors and the similarity of the best one (max over windows).
With `faiss-gpu` and a CUDA device the same index is searched there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.errors import MissingExtra
from graphagg.store import Artifact, ArtifactWriter

FLAT_LIMIT = 100_000
_OVERSAMPLE = 4  # candidates of an inverted file, to be scored again, a hit


class DenseIndex:
    """Passage vectors.

    Args:
        vectors: `[W, d]` float32 unit rows, the windows of passage after passage.
        windows: `[P + 1]` int64; passage p has the vectors `windows[p]:windows[p + 1]`.
        inverted_file: where the trained FAISS index lies; None for flat search.
    """

    def __init__(
        self,
        vectors: npt.NDArray[np.float32],
        windows: npt.NDArray[np.int64],
        inverted_file: Path | None = None,
    ) -> None:
        self.vectors = vectors
        self.windows = windows
        self._inverted_file = inverted_file
        self._faiss: Any = None

    @property
    def passages(self) -> int:
        """P, the number of passages."""
        return len(self.windows) - 1

    def similarities(self, queries: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Exact similarity of every passage to queries `[n, d]` or `[d]`; `[P, n]`."""
        scores = (self.vectors @ queries.T).reshape(len(self.vectors), -1)
        if len(scores) == self.passages:
            return scores
        return np.maximum.reduceat(scores, self.windows[:-1], axis=0)

    def search(
        self, query: npt.NDArray[np.float32], k: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The `k` most similar passages of one query `[d]`: rows and similarities, best first."""
        k = min(k, self.passages)
        index = self._index()
        wanted = k if self._inverted_file is None else _OVERSAMPLE * k
        while True:
            _, found = index.search(query[None, :], min(wanted, len(self.vectors)))
            candidates = np.unique(self._passage_of(found[0][found[0] >= 0]))
            if len(candidates) >= k or wanted >= len(self.vectors):
                break
            wanted *= 2
        scores = self.exact(query, candidates)
        best = top_k(scores, k)
        return candidates[best], scores[best]

    def save(self, writer: ArtifactWriter) -> None:
        """Write the vectors and, above the flat limit, a trained inverted file."""
        writer.array("passages.vectors", self.vectors)
        writer.array("passages.windows", self.windows)
        if len(self.vectors) > FLAT_LIMIT:
            _train(self.vectors, writer.path("passages.faiss"))

    @classmethod
    def open(cls, artifact: Artifact) -> DenseIndex:
        """Map what `save` wrote."""
        name = "passages.faiss"
        return cls(
            artifact.array("passages.vectors"),
            artifact.array("passages.windows"),
            artifact.path(name) if name in artifact else None,
        )

    def _passage_of(self, vector: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.searchsorted(self.windows, vector, side="right") - 1

    def exact(
        self, query: npt.NDArray[np.float32], passages: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Exact similarity of one query `[d]` to the given passages, `[n]`."""
        if not len(passages):
            return np.zeros(0, dtype=np.float32)
        lengths = self.windows[passages + 1] - self.windows[passages]
        starts = np.cumsum(lengths) - lengths
        rows = np.arange(lengths.sum()) + np.repeat(self.windows[passages] - starts, lengths)
        return np.maximum.reduceat(self.vectors[rows] @ query, starts)

    def _index(self) -> Any:
        if self._faiss is None:
            faiss = _import_faiss()
            gpus = getattr(faiss, "get_num_gpus", int)()
            if self._inverted_file is None:
                index = faiss.IndexFlatIP(self.vectors.shape[1])
                index.add(np.asarray(self.vectors))
            else:  # a mapped index cannot be copied to a device
                flags = 0 if gpus else faiss.IO_FLAG_MMAP
                index = faiss.read_index(str(self._inverted_file), flags)
            self._faiss = faiss.index_cpu_to_all_gpus(index) if gpus else index
        return self._faiss


def top_k(scores: npt.NDArray[Any], k: int) -> npt.NDArray[np.int64]:
    """Positions of the `k` largest scores, largest first, the first of equals first."""
    if k < len(scores):
        bound = np.partition(scores, len(scores) - k)[len(scores) - k]
        candidates = np.flatnonzero(scores >= bound)
    else:
        candidates = np.arange(len(scores))
    return candidates[np.argsort(-scores[candidates], kind="stable")[:k]]


def _train(vectors: npt.NDArray[np.float32], path: Path) -> None:
    faiss = _import_faiss()
    count, dimension = vectors.shape
    lists = round(4 * count**0.5)
    quantizer = faiss.IndexFlatIP(dimension)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, dimension, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    sample = np.random.default_rng(0).choice(count, min(count, 64 * lists), replace=False)
    index.train(vectors[np.sort(sample)])
    for start in range(0, count, 65536):
        index.add(np.asarray(vectors[start : start + 65536]))
    index.nprobe = max(32, lists // 16)
    faiss.write_index(index, str(path))


def _import_faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise MissingExtra("faiss", "rag") from None
    return faiss
