"""Search for the vectors nearest to a query, by FAISS.

Up to `FLAT` vectors FAISS compares a query with all rows of the file of `write_vectors`. More have
an index of their own, `default_type` unless the user gives another factory string. It is trained on
a sample by a fixed seed. Then the list and the code of a vector depend on it alone, so that tasks
may add ranges of rows, which are merged in their order.

Scores of such an index are approximate. It only finds candidates, which the caller compares
exactly: so many, and of so many lists, as .99 of the ten nearest vectors of some sentences need.
The recall of other sentences is stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
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
_SENTENCES = 200  # half of them choose `nprobe`, the others measure recall
_PER_LIST = 64  # vectors of the sample per list
_SAMPLE = 50_000  # vectors of a sample at least
_PART = 1 << 19  # rows of a part
_ADDED = 1 << 16  # rows that are added together
_CANDIDATES = 4096  # at most
_PACKAGES = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "faiss-gpu-cu11")
_EXAMPLES = "such as 'IVF4096,SQ8', 'IVF1024,PQ48x4fs' or 'HNSW32,SQ8'"


class Measured(NamedTuple):
    """What was measured of an index when it was built.

    Attributes:
        candidates: number of vectors to compare exactly; 0: its own scores are exact.
        recall: share of their nearest vectors that held-out sentences find so.
    """

    candidates: int = 0
    recall: float = 1.0


class VectorSearch:
    """An opened FAISS index of stored vectors of a `shape` `[n, d]`; `nearest` finds candidates.

    Opened from a file that is mapped; on a GPU the index is copied there.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        measured: Measured | None = None,
        device: str = "cpu",
    ) -> None:
        faiss = library()
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            problem = f"FAISS {faiss.__version__} does not read it ({_short(error)})"
            raise damaged(path, problem) from None
        found = (index.d, index.ntotal, index.metric_type)
        count, dimension = shape
        if found != (dimension, count, faiss.METRIC_INNER_PRODUCT):
            raise damaged(
                path,
                f"an index of {found[1]} vectors of {found[0]} components with metric {found[2]}, "
                f"wanted {count} of {dimension} with inner products (0)",
            )
        self.path, self.index, self.count = path, index, count
        self.measured = measured or Measured()
        self._on_device = None if device == "cpu" else _on_device(index, device)

    def nearest(self, query: Queries, n: int, visible: Mask | None = None) -> Ints:
        """Find about the `n` vectors nearest to one query, or all visible ones if there are fewer.

        `visible` `[n]` masks the vectors that may be found; None: all.
        """
        vector = query.rotated.astype(np.float32)
        if visible is None and self._on_device is not None:
            return self._known(self._on_device.search(vector, min(n, self.count))[1][0])
        allowed = self.count if visible is None else int(np.count_nonzero(visible))
        n, ivf = min(n, allowed), library().try_extract_index_ivf(self.index)
        if not n:
            return np.zeros(0, np.int64)
        lists = 0 if ivf is None else ivf.nlist
        # As many visible vectors are compared as without a filter.
        nprobe = 0 if ivf is None else min(lists, math.ceil(ivf.nprobe * self.count / allowed))
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


def default_type(dimension: int) -> str:
    """The factory string for vectors of so many components: two of them in 4 bits.

    A scan of all codes is quicker than reading as many lists as the recall needs, and FAISS filters
    a list only: so all are in one.
    """
    return f"IVF1,PQ{dimension // 2}x4fs" if dimension % 2 == 0 else "IVF1,SQ8"


def check_type(kind: str, dimension: int) -> None:
    """Raise `InvalidParameter` unless a string is one of FAISS's factory for these vectors."""
    _of_type(kind, dimension)


def trained(codes: Codes, kind: str | None) -> Any:
    """An empty index for these vectors, trained on a sample of them.

    Raises `InvalidParameter` where `kind` is no factory string or needs more vectors.
    """
    count, dimension = codes.shape
    kind = default_type(dimension) if kind is None else kind
    index = _of_type(kind, dimension)
    lists = getattr(library().try_extract_index_ivf(index), "nlist", 0)
    size = min(count, max(_PER_LIST * lists, _SAMPLE))
    sample = np.sort(np.random.default_rng(0).choice(count, size, replace=False))
    try:
        index.train(rotated(codes[sample]))
    except RuntimeError as error:
        raise InvalidParameter(
            f"faiss is {kind!r}, which cannot be trained on {count:,} vectors ({_short(error)}); "
            f"wanted a type for so few, {_EXAMPLES}, or None"
        ) from None
    return index


def parts_of(index: Any, count: int) -> list[range]:
    """The ranges of rows that are added on their own to copies of a trained index."""
    size = _PART if library().try_extract_index_ivf(index) is not None else max(count, 1)
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def added(empty: Array, codes: Codes) -> Array:
    """A trained index, as bytes, with some stored vectors, in blocks."""
    index = library().deserialize_index(empty)
    for start in range(0, len(codes), _ADDED):
        index.add(rotated(codes[start : start + _ADDED]))
    return to_bytes(index)


def merged(parts: Iterable[Array]) -> Any:
    """One index of the vectors of several, given as bytes, in their order."""
    faiss = library()
    first, *others = (faiss.deserialize_index(part) for part in parts)
    for other in others:
        faiss.merge_into(first, other, True)
    return first


def to_bytes(index: Any) -> Array:
    """An index as an array of bytes."""
    content: Array = library().serialize_index(index)
    return content


def finish(index: Any, path: Path, vectors: Path, sentences: Codes, nprobe: int | None) -> Measured:
    """Set `nprobe` of a whole index, write it, and measure it.

    `vectors` is the file of the stored vectors; `sentences` `[S, d]` stand for questions. `nprobe`
    None: as many lists as `TARGET` needs.
    """
    count = min(len(sentences), _SENTENCES)
    rows = np.random.default_rng(0).choice(len(sentences), count, replace=False)
    queries = rotated(sentences[np.sort(rows)])
    faiss, ivf = library(), library().try_extract_index_ivf(index)
    flat = faiss.read_index(str(vectors), faiss.IO_FLAG_MMAP_IFC)
    _, nearest = flat.search(queries, min(NEAREST, flat.ntotal))
    if ivf is not None:
        wanted = _probes(ivf, flat, queries[::2], nearest[::2]) if nprobe is None else nprobe
        ivf.nprobe = min(wanted, ivf.nlist)
    try:
        every = _selector(np.ones(flat.ntotal, np.bool_))
        parameters = _parameters(index, every, 0 if ivf is None else ivf.nprobe)
        most = min(_CANDIDATES, flat.ntotal)
        _, found = index.search(queries, most, params=parameters)
    except RuntimeError as error:
        raise InvalidParameter(
            f"faiss: this type of index finds nothing under a filter ({_short(error)}); wanted one "
            f"that does, {_EXAMPLES}"
        ) from None
    path.write_bytes(to_bytes(index).data)  # `write_index` ignores a full disk
    ranks = [np.flatnonzero(np.isin(some, near)) for some, near in zip(found, nearest, strict=True)]
    candidates = int(np.quantile(np.concatenate(ranks[::2]), TARGET, method="higher")) + 1
    held_out = ranks[1::2] or ranks
    hits = sum(np.count_nonzero(each < candidates) for each in held_out)
    return Measured(candidates, hits / (len(held_out) * nearest.shape[1]))


def _probes(ivf: Any, flat: Any, queries: Floats, nearest: Ints) -> int:
    """Number of lists that `TARGET` of the nearest vectors of some queries need."""
    vectors = flat.reconstruct_batch(nearest.ravel())
    _, holders = ivf.quantizer.search(vectors, 1)
    _, order = ivf.quantizer.search(queries, ivf.nlist)
    position = np.argsort(order, axis=1)
    needed = np.take_along_axis(position, holders.reshape(nearest.shape), axis=1)
    return int(np.quantile(needed, TARGET, method="higher")) + 1


def _of_type(kind: str, dimension: int) -> Any:
    faiss = library()
    try:
        return faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)
    except (RuntimeError, TypeError) as error:
        raise InvalidParameter(
            f"faiss is {kind!r}, which makes no index of {dimension} components "
            f"({_short(error)}); wanted a factory string of FAISS, {_EXAMPLES}"
        ) from None


def _selector(visible: Mask | None) -> Any:
    if visible is None:
        return None
    return library().IDSelectorBitmap(np.packbits(visible, bitorder="little"))


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
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(sel=selector, efSearch=index.hnsw.efSearch)
    return faiss.SearchParameters(sel=selector)


def _on_device(index: Any, device: str) -> Any:
    """A copy of an index on a GPU: `cuda`, or `cuda:1`."""
    faiss = library()
    number = integer("device", int(device.partition(":")[2] or 0), 0)
    if not hasattr(faiss, "StandardGpuResources"):
        raise MissingExtra("faiss-gpu-cu12", "rag-gpu", "in place of faiss-cpu")
    if number >= faiss.get_num_gpus():
        raise InvalidParameter(
            f"device is {device!r}, and FAISS finds {faiss.get_num_gpus()} GPUs; wanted 'cpu', or "
            "a driver for the GPU"
        )
    try:
        return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), number, index)
    except RuntimeError as error:
        if "memory" in str(error).lower():
            raise DeviceOutOfMemory(
                f"device {device!r} has no room for {index.ntotal:,} vectors; search on the CPU, "
                "or build the index with a smaller type, such as faiss='IVF4096,PQ48'"
            ) from None
        raise InvalidParameter(
            f"device is {device!r}, where FAISS does not serve this type of index "
            f"({_short(error)}); search on the CPU, or build it with faiss='IVF4096,SQ8'"
        ) from None


@lru_cache(1)
def library() -> Any:
    """FAISS; raises `MissingExtra`, or `PackageConflict` if two packages install it."""
    from importlib.metadata import PackageNotFoundError, version

    installed = []
    for package in _PACKAGES:
        try:
            installed.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    if len(installed) > 1:
        raise PackageConflict(
            f"{' and '.join(installed)} both install the module faiss; run: pip uninstall "
            f"{' '.join(each.split()[0] for each in installed)}, and install the one you want"
        )
    try:
        import faiss
    except ImportError:
        raise MissingExtra("faiss-cpu", "search") from None
    return faiss


def _short(error: Exception) -> str:
    """The part of an error of FAISS after the place in its source."""
    return " ".join(str(error).rpartition(": ")[2].split())[:120]
