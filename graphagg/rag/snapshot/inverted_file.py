"""Inverted files of FAISS: trained, written, and read through a mapping.

`open_mapped` and `probe` advise the kernel which lists a search reads; a test pins what they assume
of FAISS and of the C library. Measured on 300,000 vectors (121 MB; a question reads 137 of 2,190
lists, none in memory): 15 ms and 7 MB read; 115 ms and 113 MB by FAISS alone, since the kernel
reads megabytes around each page; 35 ms and 40 MB by `os.posix_fadvise`, which cannot stop that. In
memory: 2 ms, 3 ms, 2 ms.
"""

from __future__ import annotations

import ctypes
import mmap
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Floats, Ints
from graphagg.errors import MissingExtra
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Rows, Stack

_ID_BYTES = 8
_BLOCK = 65_536


def import_faiss() -> Any:
    """FAISS; raises `MissingExtra` where it is not installed."""
    try:
        import faiss
    except ImportError:
        raise MissingExtra("faiss-cpu", "rag") from None
    return faiss


# --- reading -----------------------------------------------------------------------------------


def open_mapped(path: Path) -> Any:
    """Open an inverted file with mapped lists: a search reads only the lists that it visits.

    The kernel is advised not to read around them; `probe` asks for each list as a whole.
    """
    faiss = import_faiss()
    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    lists = _lists_on_disk(index)
    if lists is not None:
        _advise(int(lists.ptr), lists.totsize, "MADV_RANDOM")
    return index


def probe(index: Any, queries: Floats, count: int, selector: Any = None) -> tuple[Floats, Ints]:
    """Search as `index.search` does, after reading each visited list as a whole.

    Args:
        index: the inverted file, in memory or mapped.
        queries: `[q, d]`.
        count: number of nearest vectors.
        selector: a FAISS selector of ids; None: all.

    Returns:
        Similarities and ids, `[q, count]` each; -1 where there are fewer.
    """
    similarities, visited = index.quantizer.search(queries, index.nprobe)
    lists = _lists_on_disk(index)
    if lists is not None:
        base, entry_bytes = int(lists.ptr), lists.code_size + _ID_BYTES
        for i in visited[visited >= 0].tolist():
            stored = lists.lists.at(i)
            _advise(base + stored.offset, stored.capacity * entry_bytes, "MADV_WILLNEED")
    nearest: tuple[Floats, Ints]
    if selector is None:
        nearest = index.search_preassigned(queries, count, visited, similarities)
    else:  # `search_preassigned` ignores a selector
        settings = import_faiss().SearchParametersIVF(sel=selector, nprobe=index.nprobe)
        nearest = index.search(queries, count, params=settings)
    return nearest


def _lists_on_disk(index: Any) -> Any:
    """The mapped lists of an inverted file; None where they are in memory."""
    faiss = import_faiss()
    lists = faiss.downcast_InvertedLists(index.invlists)
    return lists if isinstance(lists, faiss.OnDiskInvertedLists) else None


def _advise(address: int, length: int, advice: str) -> None:
    """`madvise` of memory that Python did not map; the range may begin inside a page."""
    if not hasattr(mmap, advice):
        return  # Windows
    begin = address // mmap.PAGESIZE * mmap.PAGESIZE
    _libc().madvise(
        ctypes.c_void_p(begin), ctypes.c_size_t(address + length - begin), getattr(mmap, advice)
    )


@cache
def _libc() -> Any:
    return ctypes.CDLL(None)


# --- training and writing ------------------------------------------------------------------------


def train(corpus: Corpus, alive: npt.NDArray[np.bool_], path: Path) -> None:
    """Train an inverted file on the windows of the passages that are alive, and write it."""
    ids = np.flatnonzero(np.repeat(alive, np.diff(corpus.window_bounds)))
    index = trained(corpus.windows, ids)
    add(index, corpus.windows, ids)
    save(index, path)


def trained(windows: Stack, ids: Rows) -> Any:
    """An empty inverted file for some windows, trained on a sample of them."""
    faiss = import_faiss()
    lists = round(4 * len(ids) ** 0.5)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(windows.dimension),
        windows.dimension,
        lists,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    sample = np.random.default_rng(0).choice(len(ids), min(len(ids), 64 * lists), replace=False)
    index.train(windows.take(ids[np.sort(sample)]))
    index.nprobe = max(32, lists // 16)
    return index


def extend(old: Path, corpus: Corpus, gone: Rows, new: Rows, path: Path) -> None:
    """Write an inverted file without the windows `gone` and with the windows `new`.

    The lists stay as they were trained; `PassageIndex.compact` trains them again.
    """
    index = load(old)
    if len(gone):
        index.remove_ids(import_faiss().IDSelectorBatch(gone))
    add(index, corpus.windows, new)
    save(index, path)


def load(path: Path) -> Any:
    """An inverted file in memory, to be added to."""
    return import_faiss().read_index(str(path))


def save(index: Any, path: Path) -> None:
    """Write through Python's file: FAISS's own is silent if the disk is full when it closes."""
    faiss = import_faiss()
    with path.open("wb") as file:
        try:
            faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))
        except RuntimeError as error:  # what FAISS makes of an error in the callback
            raise OSError(str(error)) from error


def add(index: Any, windows: Stack, ids: Rows) -> None:
    """Add some windows by their numbers."""
    for start in range(0, len(ids), _BLOCK):
        block = ids[start : start + _BLOCK]
        index.add_with_ids(windows.take(block), block)
