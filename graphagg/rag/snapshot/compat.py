"""All that depends on the insides of FAISS and of the C library; a test pins each assumption.

1. `merge` writes FAISS's file format, so that parts of an inverted file become one and no process
   holds all of it. `faiss.contrib.ondisk.merge_ondisk` does this too, but writes a second file
   whose path is recorded in the first, so that equal corpora would not give equal bytes, and it
   writes through a mapping, where a full disk kills the process.
2. `open_mapped` and `probe` tell the kernel which lists a search reads. Measured on 300,000 vectors
   (121 MB, 137 of 2,190 lists a question, none in memory): 15 ms and 7 MB read; 115 ms and 113 MB
   by FAISS alone, since the kernel reads megabytes around each page; 35 ms and 40 MB by
   `os.posix_fadvise`, which cannot stop that. In memory: 2 ms, 3 ms, 2 ms.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Floats, Ints
from graphagg.errors import ArtifactError, MissingExtra

_LISTS, _FULL, _SPARSE = b"ilar", b"full", b"sprs"
_TOTAL = struct.Struct("<4siq")  # kind of index, dimension, number of vectors
_EMPTY = struct.Struct("<4sQQ4sQ")  # kind of lists, how many, bytes of a code, form of sizes, none
_COUNT = struct.Struct("<Q")
_ID_BYTES = 8


def import_faiss() -> Any:
    """FAISS; raises `MissingExtra` where it is not installed."""
    try:
        import faiss
    except ImportError:
        raise MissingExtra("faiss-cpu", "rag") from None
    return faiss


# --- reading -----------------------------------------------------------------------------------


def open_mapped(path: Path) -> Any:
    """An inverted file whose lists are mapped: a search reads the lists that it visits.

    The kernel is told not to read around them; `probe` asks for each list as a whole.
    """
    faiss = import_faiss()
    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    lists = _lists_on_disk(index)
    if lists is not None:
        _advise(int(lists.ptr), lists.totsize, "MADV_RANDOM")
    return index


def probe(index: Any, queries: Floats, count: int, selector: Any = None) -> tuple[Floats, Ints]:
    """As `index.search`, but each list that is visited is read as a whole before.

    Args:
        index: the inverted file, in memory or mapped.
        queries: `[q, d]`.
        count: how many of the nearest.
        selector: a FAISS selector of ids; None: all.

    Returns:
        Similarities and ids, `[q, count]` each; -1 where there are fewer.
    """
    similarities, visited = index.quantizer.search(queries, index.nprobe)
    lists = _lists_on_disk(index)
    if lists is not None:
        base, entry_bytes = int(lists.ptr), lists.code_size + _ID_BYTES
        for number in visited[visited >= 0].tolist():
            place = lists.lists.at(number)
            _advise(base + place.offset, place.capacity * entry_bytes, "MADV_WILLNEED")
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


# --- writing -----------------------------------------------------------------------------------


def merge(trained: Path, parts: Sequence[Path], path: Path) -> None:
    """Write the inverted file of all parts; memory holds the length of each list of each part.

    The file is byte for byte what FAISS (1.7 to 1.15) writes of one index that was filled in one
    process: the bytes of the trained index before its lists, with another number of vectors, then
    the length of each list and, list by list, codes and ids.

    Args:
        trained: the empty inverted file.
        parts: inverted files that were filled from `trained`, in the order of their vectors.
        path: where the file goes.

    Raises:
        ArtifactError: FAISS wrote the empty one in a form that is not known here.
    """
    faiss = import_faiss()
    indices = [faiss.read_index(str(part), faiss.IO_FLAG_MMAP) for part in parts]
    lists = [index.invlists for index in indices]
    sizes = np.empty((indices[0].nlist, len(lists)), np.int64)
    for column, of_part in enumerate(lists):
        sizes[:, column] = [of_part.list_size(i) for i in range(len(sizes))]
    head, code_size = _head(trained, int(sizes.sum()))
    with path.open("wb") as file:
        file.write(head + _LISTS + _COUNT.pack(len(sizes)) + _COUNT.pack(code_size))
        file.write(_sizes(sizes.sum(axis=1)))
        for i in np.flatnonzero(sizes.sum(axis=1)).tolist():
            filled = [(of_part, int(n)) for of_part, n in zip(lists, sizes[i], strict=True) if n]
            for of_part, n in filled:
                file.write(faiss.rev_swig_ptr(of_part.get_codes(i), n * code_size))
            for of_part, n in filled:
                file.write(faiss.rev_swig_ptr(of_part.get_ids(i), n))


def _head(trained: Path, total: int) -> tuple[bytes, int]:
    """The bytes before the lists, for so many vectors, and the bytes of a code."""
    content = trained.read_bytes()
    kind, dimension, none = _TOTAL.unpack_from(content)
    name, _, code_size, form, lengths = _EMPTY.unpack(content[-_EMPTY.size :])
    if (none, name, form, lengths) != (0, _LISTS, _SPARSE, 0):
        raise ArtifactError(
            f"{trained}: FAISS wrote an empty inverted file that ends in {name!r}, {form!r}, "
            f"wanted {_LISTS!r}, {_SPARSE!r}; use a FAISS of 1.7 to 1.15"
        )
    head = _TOTAL.pack(kind, dimension, total) + content[_TOTAL.size : -_EMPTY.size]
    return head, int(code_size)


def _sizes(sizes: Ints) -> bytes:
    """The length of every list or, where most are empty, the numbers and lengths of the others."""
    some = np.flatnonzero(sizes)
    if len(some) > len(sizes) // 2:
        return _FULL + _COUNT.pack(len(sizes)) + sizes.astype("<u8").tobytes()
    pairs = np.stack([some, sizes[some]], axis=1).astype("<u8")
    return _SPARSE + _COUNT.pack(pairs.size) + pairs.tobytes()
