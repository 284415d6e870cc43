"""Nearest-neighbor search with FAISS.

Up to `FLAT` vectors, FAISS compares a query with all rows of the file of `write_vectors`. For more
vectors, an index with inverted lists finds candidates, which the caller compares exactly. We take
the numbers of lists and candidates that find .99 of the ten nearest vectors of some sentences, and
multiply them by 2 and 1.5, since questions are farther from their passages than sentences are. The
recall over held-out sentences is stored.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Array, Floats, Ints, Mask
from graphagg.errors import needs
from graphagg.nearest.lists import check_lists
from graphagg.nearest.vectors import FLAT_TYPE, Codes, Queries, map_vectors, rotated
from graphagg.store.manifest import damaged
from graphagg.store.reading import content_of

SMALL = 20_000
"""Up to this number of vectors, numpy compares all of them without FAISS."""
FLAT = 100_000
"""Up to this number of vectors, FAISS compares all of them."""
TARGET = 0.99
"""Target recall when `nprobe` and the number of candidates are chosen."""
NEAREST = 10
"""Number of nearest vectors per sentence for the recall measurement."""
_SENTENCES = 200  # half of them tune the parameters, the other half measures recall
_CANDIDATES = 4096  # maximum number of candidates
_LISTS_MARGIN, _CANDIDATES_MARGIN = 2, 1.5  # factors for the numbers that sentences need
_PER_LIST, _SAMPLE = 64, 50_000  # training vectors per list, and their minimum in total
_ADDED = 1 << 16  # rows that are added at once


def indexed(codes: Codes) -> Any:
    """Build an index of stored vectors `[n, d]`, trained on a sample of them.

    It has sqrt(n) / 2 lists. A 4-bit code stands for each two components (each one if d is odd) of
    the difference between a vector and the mean of its list.
    """
    count, dimension = codes.shape
    parts = dimension if dimension % 2 else dimension // 2
    kind = f"IVF{max(1, round(count**0.5 / 2))},PQ{parts}x4fsr"
    index = library().index_factory(dimension, kind, library().METRIC_INNER_PRODUCT)
    size = min(count, max(_PER_LIST * index.nlist, _SAMPLE))
    sample = np.sort(np.random.default_rng(0).choice(count, size, replace=False))
    index.train(rotated(codes[sample]))
    for start in range(0, count, _ADDED):
        index.add(rotated(codes[start : start + _ADDED]))
    return index


class Measured(NamedTuple):
    """Measurements of an index, made when it was built.

    Attributes:
        candidates: number of vectors to compare exactly; 0: scores of the index are exact.
        recall: share of the nearest vectors that are found, over held-out sentences.
    """

    candidates: int = 0
    recall: float = 1.0


def to_bytes(index: Any) -> Array:
    """Serialize an index to bytes; FAISS's own `write_index` reports no error on a full disk."""
    content: Array = library().serialize_index(index)
    return content


def measured(index: Any, vectors: Path, sentences: Codes) -> Measured:
    """Set `nprobe` for an index of the file `vectors`, and measure its recall with sentences."""
    shape = index.ntotal, index.d
    flat = _read(vectors, _mapped(vectors, *shape), *shape)
    count, nearest_count = min(len(sentences), _SENTENCES), min(NEAREST, flat.ntotal)
    rows = np.sort(np.random.default_rng(0).choice(len(sentences), count, replace=False))
    queries = rotated(sentences[rows])
    _, nearest = flat.search(queries, nearest_count)
    probes = _LISTS_MARGIN * _probes(index, flat, queries[::2], nearest[::2])
    index.nprobe = min(probes, index.nlist)
    _, found = index.search(queries, min(_CANDIDATES, flat.ntotal))
    ranks = [np.flatnonzero(np.isin(*pair)) for pair in zip(found, nearest, strict=True)]
    needed = int(np.quantile(np.concatenate(ranks[::2]), TARGET, method="higher")) + 1
    candidates = min(math.ceil(_CANDIDATES_MARGIN * needed), _CANDIDATES, flat.ntotal)
    held_out = ranks[1::2] or ranks
    hits = sum(np.count_nonzero(each < candidates) for each in held_out)
    return Measured(candidates, hits / (len(held_out) * nearest_count))


def _probes(index: Any, flat: Any, queries: Floats, nearest: Ints) -> int:
    """Return how many lists a search must read to find `TARGET` of the nearest vectors."""
    _, holders = index.quantizer.search(flat.reconstruct_batch(nearest.ravel()), 1)
    _, order = index.quantizer.search(queries, index.nlist)
    needed = np.take_along_axis(np.argsort(order, axis=1), holders.reshape(nearest.shape), axis=1)
    return int(np.quantile(needed, TARGET, method="higher")) + 1


class FlatSearch:
    """Search for the largest inner products with rows `[n, d]` of floats, in memory."""

    def __init__(self, rows: Floats, extra: str) -> None:
        self._index = library(extra).IndexFlatIP(rows.shape[1])
        self._index.add(np.ascontiguousarray(rows, dtype=np.float32))

    def search(self, query: Floats, k: int, without: int | None = None) -> list[tuple[int, float]]:
        """Return the k nearest rows and their inner products, best first, except row `without`."""
        scores, rows = self._index.search(query[None, :], min(k + 1, self._index.ntotal))
        pairs = zip(rows[0].tolist(), scores[0].tolist(), strict=True)
        return [pair for pair in pairs if pair[0] != without][:k]


class VectorSearch:
    """A mapped FAISS index of stored vectors, checked when it is first used."""

    def __init__(self, path: Path, codes: Codes, measured: Measured | None = None) -> None:
        self.path, self._shape, self.count = path, codes.shape, len(codes)
        self.measured = measured or Measured()
        self._content = _mapped(path, *codes.shape)

    @cached_property
    def index(self) -> Any:
        """The index; raises `CorruptArtifact` if the file does not fit the vectors."""
        return _read(self.path, self._content, *self._shape)

    def check(self, _: object = None) -> None:
        """Check the file now; raises the same errors as `index`."""
        assert self.index is not None

    def nearest(self, query: Queries, n: int, visible: Mask | None = None) -> Ints:
        """Find about the `n` vectors nearest to one query, or all visible ones if there are fewer.

        `visible` `[n]` is a mask of the vectors to search; None: all.
        """
        with _one_thread():
            return self._nearest(query.rotated.astype(np.float32), n, visible)

    def _nearest(self, vector: Floats, n: int, visible: Mask | None) -> Ints:
        allowed = self.count if visible is None else int(np.count_nonzero(visible))
        n = min(n, allowed)
        if not n:
            return np.zeros(0, np.int64)
        if not isinstance(self.index, library().IndexIVF):
            parameters = library().SearchParameters(sel=_selector(visible))
            return self._found(vector, n, parameters)
        # With a filter, more lists are read, so that as many vectors are compared as without it.
        lists = self.index.nlist
        nprobe = min(lists, math.ceil(self.index.nprobe * self.count / allowed))
        found = self._of_lists(vector, n, visible, nprobe)
        # With few visible vectors, FAISS 1.15 sometimes finds none; a second search finds them all.
        if len(found) < n:
            found = self._of_lists(vector, n, visible, lists)
        return found

    def _of_lists(self, vector: Floats, n: int, visible: Mask | None, nprobe: int) -> Ints:
        parameters = library().SearchParametersIVF(sel=_selector(visible), nprobe=nprobe)
        return self._found(vector, n, parameters)

    def _found(self, vector: Floats, n: int, parameters: Any) -> Ints:
        """Search and return the ids found. FAISS pads its result with -1."""
        try:
            ids: Ints = self.index.search(vector, n, params=parameters)[1][0]
        except RuntimeError as error:
            raise damaged(self.path, f"FAISS cannot search it ({_short(error)})") from None
        return ids[ids >= 0]


def _mapped(path: Path, count: int, dimension: int) -> Array:
    """Map a FAISS file read-only; if it is flat, check its size."""
    with path.open("rb") as file, content_of(path):
        is_flat = file.read(4) == FLAT_TYPE
        content = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    if is_flat and (shape := map_vectors(path).shape) != (count, dimension):
        raise damaged(path, f"vectors of shape {shape}, expected {count, dimension}")
    return content


def _read(path: Path, content: Array, count: int, dimension: int) -> Any:
    """Check a mapped FAISS file, and pass its bytes to FAISS, which opens no file."""
    faiss = library()
    if bytes(content[:4]) != FLAT_TYPE:
        check_lists(path, content, count, dimension)
    try:
        index = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(content), len(content)))
    except RuntimeError as error:
        raise damaged(path, f"FAISS cannot read it ({_short(error)})") from None
    index.referenced_objects = [content]  # FAISS keeps pointers into it
    return index


@contextmanager
def _one_thread() -> Iterator[None]:
    """Context manager: FAISS uses one thread, since more threads do not speed up one query."""
    faiss = library()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _selector(visible: Mask | None) -> Any:
    bits = None if visible is None else np.packbits(visible, bitorder="little")
    return None if bits is None else library().IDSelectorBitmap(bits)


@lru_cache(2)
def library(extra: str = "search") -> Any:
    """Import FAISS; raises `MissingExtra`."""
    with needs("faiss-cpu", extra):
        import faiss
    return faiss


def _short(error: Exception) -> str:
    """Shorten a FAISS error: drop the source location, and limit the length."""
    return " ".join(str(error).rpartition(": ")[2].split())[:120]
