"""Search for the vectors nearest to a query, by FAISS.

Up to `FLAT` vectors FAISS compares a query with all rows of the file of `write_vectors`. More have
an index of their own, trained on a sample by a fixed seed. Then the list and the code of a vector
depend on it alone, so that tasks may add ranges of rows, which are merged in their order where
FAISS can.

Scores of such an index are approximate. It only finds candidates, which the caller compares
exactly. Lists and candidates are as many as .99 of the ten nearest vectors of some sentences need,
and more, since questions are farther from their passages than sentences are: twice as many lists,
and half again as many candidates. The recall of other sentences is stored.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Array, Floats, Ints, Mask
from graphagg.checks import integer
from graphagg.errors import (
    DeviceOutOfMemory,
    InvalidParameter,
    MissingExtra,
    PackageConflict,
    needs,
)
from graphagg.nearest.vectors import Codes, Queries, rotated
from graphagg.store.manifest import damaged

SMALL = 20_000
"""Vectors up to which numpy compares all, and FAISS is not loaded."""
FLAT = 100_000
"""Vectors up to which FAISS compares all of them."""
TARGET = 0.99
"""Recall of the nearest vectors for which `nprobe` and the number of candidates are chosen."""
NEAREST = 10
"""Number of nearest vectors per sentence that recall counts."""
_SENTENCES = 200  # half of them choose, the others measure recall
_CANDIDATES = 4096  # at most
_LISTS_MARGIN, _CANDIDATES_MARGIN = 2, 1.5  # times as many as sentences need
_PER_LIST, _SAMPLE = 64, 50_000  # vectors of the sample per list, and at least
_PART, _ADDED = 1 << 19, 1 << 16  # rows of a part, and those that are added together
_GPU = re.compile(r"cuda(?::([0-9]+))?")
_EXAMPLES = "such as 'IVF4096,SQ8', 'IVF1024,PQ48x4fs' or 'HNSW32,SQ8'"
_PACKAGES = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu11", "faiss-gpu-cu12")


@dataclass(frozen=True)
class SearchType:
    """How FAISS finds the nearest of many vectors.

    Attributes:
        faiss: factory string of FAISS. None: 4 bits for two components of a vector less the mean
            of its list, such as `IVF500,PQ48x4fsr` for a million vectors.
        nprobe: number of lists that a query reads. None: twice as many as a recall of 0.99 needs.
    """

    faiss: str | None = None
    nprobe: int | None = None

    def __post_init__(self) -> None:
        if self.nprobe is not None:
            integer("nprobe", self.nprobe, 1)
            if "IVF" not in (self.faiss or "IVF"):
                raise InvalidParameter(
                    f"nprobe is {self.nprobe}, and faiss is {self.faiss!r}; wanted a type with "
                    "lists, such as faiss='IVF4096,SQ8', or no nprobe"
                )

    def empty(self, dimension: int, count: int = 1) -> Any:
        """An untrained index for `count` vectors; raises `InvalidParameter` if `faiss` is wrong."""
        codes = f"PQ{dimension // 2}x4fsr" if dimension % 2 == 0 else "SQ8"
        kind = self.faiss or f"IVF{max(1, round(count**0.5 / 2))},{codes}"
        faiss = library()
        try:
            return faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)
        except (RuntimeError, TypeError) as error:
            raise InvalidParameter(
                f"faiss is {self.faiss!r}, which makes no index of {dimension} components "
                f"({_short(error)}); wanted a factory string of FAISS, {_EXAMPLES}"
            ) from None

    def trained(self, codes: Codes) -> Any:
        """An empty index, trained on a sample; `InvalidParameter` if there are too few vectors."""
        count = len(codes)
        index = self.empty(codes.shape[1], count)
        lists = getattr(_lists_of(index), "nlist", 0)
        size = min(count, max(_PER_LIST * lists, _SAMPLE))
        sample = np.sort(np.random.default_rng(0).choice(count, size, replace=False))
        try:
            index.train(rotated(codes[sample]))
        except RuntimeError as error:
            raise InvalidParameter(
                f"faiss is {self.faiss!r}, which cannot be trained on {count:,} vectors "
                f"({_short(error)}); wanted a type for so few, {_EXAMPLES}, or None"
            ) from None
        return index


class Measured(NamedTuple):
    """What was measured of an index when it was built.

    Attributes:
        candidates: number of vectors to compare exactly; 0: its own scores are exact.
        recall: share of their nearest vectors that held-out sentences find so.
    """

    candidates: int = 0
    recall: float = 1.0


def rows_per_part(index: Any) -> int:
    """Rows that are added together to a copy of a trained index; all if parts cannot be merged.

    FAISS 1.15 writes beyond its memory when it merges lists of packed 4-bit codes.
    """
    faiss, ivf = library(), _lists_of(index)
    blocks = faiss.BlockInvertedLists
    if ivf is None or isinstance(faiss.downcast_InvertedLists(ivf.invlists), blocks):
        return sys.maxsize
    return _PART


def added(trained: Array, codes: Codes) -> Array:
    """Add stored vectors to a trained index, which is given and returned as bytes."""
    index = library().deserialize_index(np.array(trained))
    for start in range(0, len(codes), _ADDED):
        index.add(rotated(codes[start : start + _ADDED]))
    return to_bytes(index)


def merged(parts: Iterable[Array]) -> Any:
    """One index of the vectors of several, given as bytes, in their order."""
    first, *others = (library().deserialize_index(np.array(part)) for part in parts)
    for other in others:
        library().merge_into(first, other, True)
    return first


def to_bytes(index: Any) -> Array:
    """An index as an array of bytes; FAISS's `write_index` overlooks a full disk."""
    content: Array = library().serialize_index(index)
    return content


def measured(index: Any, vectors: Path, sentences: Codes, nprobe: int | None) -> Measured:
    """Set `nprobe` of a whole index of a file of vectors, and measure it by some sentences."""
    flat = library().read_index(str(vectors), library().IO_FLAG_MMAP_IFC)
    count, nearest_count = min(len(sentences), _SENTENCES), min(NEAREST, flat.ntotal)
    rows = np.sort(np.random.default_rng(0).choice(len(sentences), count, replace=False))
    queries, ivf = rotated(sentences[rows]), _lists_of(index)
    _, nearest = flat.search(queries, nearest_count)
    if ivf is not None:
        wanted = nprobe or _LISTS_MARGIN * _probes(ivf, flat, queries[::2], nearest[::2])
        ivf.nprobe = min(wanted, ivf.nlist)
    try:
        every = _selector(np.ones(flat.ntotal, np.bool_))
        parameters = _parameters(index, every, 0 if ivf is None else ivf.nprobe)
        _, found = index.search(queries, min(_CANDIDATES, flat.ntotal), params=parameters)
    except RuntimeError as error:
        raise InvalidParameter(
            f"faiss: this type of index finds nothing under a filter ({_short(error)}); wanted one "
            f"that does, {_EXAMPLES}"
        ) from None
    ranks = [np.flatnonzero(np.isin(*pair)) for pair in zip(found, nearest, strict=True)]
    needed = int(np.quantile(np.concatenate(ranks[::2]), TARGET, method="higher")) + 1
    candidates = min(math.ceil(_CANDIDATES_MARGIN * needed), _CANDIDATES, flat.ntotal)
    held_out = ranks[1::2] or ranks
    hits = sum(np.count_nonzero(each < candidates) for each in held_out)
    return Measured(candidates, hits / (len(held_out) * nearest_count))


def _probes(ivf: Any, flat: Any, queries: Floats, nearest: Ints) -> int:
    """Number of lists that `TARGET` of the nearest vectors of some queries need."""
    _, holders = ivf.quantizer.search(flat.reconstruct_batch(nearest.ravel()), 1)
    _, order = ivf.quantizer.search(queries, ivf.nlist)
    needed = np.take_along_axis(np.argsort(order, axis=1), holders.reshape(nearest.shape), axis=1)
    return int(np.quantile(needed, TARGET, method="higher")) + 1


class FlatSearch:
    """Search for the largest inner products with rows `[n, d]` of floats, in memory."""

    def __init__(self, rows: Floats, extra: str) -> None:
        self._index = library(extra).IndexFlatIP(rows.shape[1])
        self._index.add(np.ascontiguousarray(rows, dtype=np.float32))

    def search(self, query: Floats, k: int, without: int | None = None) -> list[tuple[int, float]]:
        """The k nearest rows and their products, best first, except row `without`."""
        scores, rows = self._index.search(query[None, :], min(k + 1, self._index.ntotal))
        pairs = zip(rows[0].tolist(), scores[0].tolist(), strict=True)
        return [pair for pair in pairs if pair[0] != without][:k]


class VectorSearch:
    """A mapped FAISS index of stored vectors; on a GPU they are copied there."""

    def __init__(
        self, path: Path, codes: Codes, measured: Measured | None = None, device: str | None = None
    ) -> None:
        faiss = library()
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            problem = f"FAISS {faiss.__version__} does not read it ({_short(error)})"
            raise damaged(path, problem) from None
        found, wanted = (index.ntotal, index.d, index.metric_type), (*codes.shape, 0)
        if found != wanted:
            raise damaged(path, f"vectors, components and metric are {found}, wanted {wanted}")
        self.path, self.index, self.count = path, index, len(codes)
        self.measured = measured or Measured()
        number = gpu_number(device)
        self._on_device = None if number is None else _on_device(index, codes, number)

    def nearest(self, query: Queries, n: int, visible: Mask | None = None) -> Ints:
        """Find about the `n` vectors nearest to one query, or all visible ones if there are fewer.

        `visible` `[n]` masks the vectors that may be found; None: all.
        """
        with _one_thread():
            return self._nearest(query.rotated.astype(np.float32), n, visible)

    def _nearest(self, vector: Floats, n: int, visible: Mask | None) -> Ints:
        allowed = self.count if visible is None else int(np.count_nonzero(visible))
        n, ivf = min(n, allowed), _lists_of(self.index)
        if not n:
            return np.zeros(0, np.int64)
        if visible is None and self._on_device is not None:
            return self._known(self._on_device.search(vector, n)[1][0])
        lists, nprobe = (0, 0) if ivf is None else (ivf.nlist, ivf.nprobe)
        # As many visible vectors are compared as without a filter.
        nprobe = min(lists, math.ceil(nprobe * self.count / allowed))
        found = self._search(vector, n, visible, nprobe)
        if len(found) < n and nprobe < lists:
            found = self._search(vector, n, visible, lists)
        return found

    def _search(self, vector: Floats, n: int, visible: Mask | None, nprobe: int) -> Ints:
        parameters = _parameters(self.index, _selector(visible), nprobe)
        return self._known(self.index.search(vector, n, params=parameters)[1][0])

    def _known(self, ids: Ints) -> Ints:
        """The ids of a result; FAISS fills missing ones with -1."""
        if ids.max(initial=0) >= self.count:
            raise damaged(self.path, f"names vector {ids.max()}, wanted below {self.count}")
        return ids[ids >= 0]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Context manager: FAISS uses one thread; for one query more would only wait for each other."""
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


def _lists_of(index: Any) -> Any:
    """The part of an index that has inverted lists, or None."""
    return library().try_extract_index_ivf(index)


def _parameters(index: Any, selector: Any, nprobe: int) -> Any:
    """Parameters of one search in an index of any type."""
    faiss = library()
    if isinstance(index, faiss.IndexPreTransform):
        inner = _parameters(faiss.downcast_index(index.index), selector, nprobe)
        return faiss.SearchParametersPreTransform(index_params=inner)
    if isinstance(index, faiss.IndexRefine):
        inner = _parameters(faiss.downcast_index(index.base_index), selector, nprobe)
        return faiss.IndexRefineSearchParameters(k_factor=index.k_factor, base_index_params=inner)
    if isinstance(index, faiss.IndexIVF):
        return faiss.SearchParametersIVF(sel=selector, nprobe=nprobe)
    return faiss.SearchParameters(sel=selector)


def gpu_number(device: str | None) -> int | None:
    """The number of a GPU by its name, `cuda` or `cuda:1`; None for the CPU.

    Raises `InvalidParameter` where there is no such GPU, `MissingExtra` if FAISS uses none.
    """
    if device is None or device == "cpu":
        return None
    if (match := _GPU.fullmatch(device)) is None:
        raise InvalidParameter(f"device is {device!r}, wanted cpu, cuda or cuda:1")
    faiss, number = library(), int(match[1] or 0)
    if not hasattr(faiss, "StandardGpuResources"):
        raise MissingExtra("faiss-gpu", "rag-gpu", "after: pip uninstall faiss-cpu")
    if number >= (count := faiss.get_num_gpus()):
        raise InvalidParameter(
            f"device is {device!r}, and FAISS finds {count} GPUs; wanted cpu, or a GPU's driver"
        )
    return number


def _on_device(index: Any, codes: Codes, number: int) -> Any:
    """An index on a GPU: a copy, or all vectors in 16 bits where FAISS has none.

    FAISS has scans of 4-bit codes and graphs on the CPU only.
    """
    faiss = library()
    options, resources = faiss.GpuClonerOptions(), faiss.StandardGpuResources()
    has_copy = isinstance(index, (faiss.IndexIVFFlat, faiss.IndexIVFScalarQuantizer))
    try:
        if has_copy:
            return faiss.index_cpu_to_gpu(resources, number, index, options)
        options.useFloat16 = True
        flat = faiss.IndexFlatIP(codes.shape[1])
        copy = faiss.index_cpu_to_gpu(resources, number, flat, options)
        for start in range(0, len(codes), _ADDED):
            copy.add(rotated(codes[start : start + _ADDED]))
        return copy
    except RuntimeError as error:
        raise DeviceOutOfMemory(
            f"GPU {number} does not take {len(codes):,} vectors ({_short(error)}); open the index "
            "with device='cpu', or build it with a type that is smaller there, such as "
            "faiss='IVF4096,SQ8'"
        ) from None


@lru_cache(2)
def library(extra: str = "search") -> Any:
    """FAISS; raises `MissingExtra`, or `PackageConflict` if two packages install it."""
    names = [name for name in _PACKAGES if any(distributions(name=name))]
    if len(names) > 1:
        raise PackageConflict(
            f"{', '.join(names)} all install the module faiss; uninstall them, and install "
            "the one you want"
        )
    with needs("faiss-cpu", extra):
        import faiss
    return faiss


def _short(error: Exception) -> str:
    """The part of an error of FAISS after the place in its source."""
    return " ".join(str(error).rpartition(": ")[2].split())[:120]
