"""One inverted file from the files of many tasks, joined on disk.

This writes FAISS's file format, so that no process holds the whole file; a test pins what it
assumes. `faiss.contrib.ondisk.merge_ondisk` does this too, but writes a second file whose path is
recorded in the first, so that equal corpora would not give equal bytes, and it writes through a
mapping, where a full disk kills the process.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from graphagg.arrays import Ints
from graphagg.errors import ArtifactError
from graphagg.rag.snapshot.inverted_file import import_faiss

_LISTS, _FULL, _SPARSE = b"ilar", b"full", b"sprs"
_TOTAL = struct.Struct("<4siq")  # kind of index, dimension, number of vectors
_EMPTY = struct.Struct("<4sQQ4sQ")  # kind and number of lists, bytes of a code, form of sizes, none
_COUNT = struct.Struct("<Q")


def join_inverted_files(trained: Path, filled: Sequence[Path], path: Path) -> None:
    """Join inverted files on disk; memory holds the length of each list of each file.

    The file is byte for byte what FAISS (1.7 to 1.15) writes of one index that was filled in one
    process: the bytes of the trained index before its lists, with another number of vectors, then
    the length of each list and, list by list, codes and ids.

    Args:
        trained: the empty inverted file.
        filled: inverted files that were filled from `trained`, in the order of their vectors.
        path: where the file goes.

    Raises:
        ArtifactError: FAISS wrote the empty one in a form that is not known here.
    """
    faiss = import_faiss()
    indices = [faiss.read_index(str(each), faiss.IO_FLAG_MMAP) for each in filled]
    lists = [index.invlists for index in indices]
    sizes = np.empty((indices[0].nlist, len(lists)), np.int64)
    for column, of_file in enumerate(lists):
        sizes[:, column] = [of_file.list_size(i) for i in range(len(sizes))]
    head, code_size = _head(trained, int(sizes.sum()))
    with path.open("wb") as file:
        file.write(head + _LISTS + _COUNT.pack(len(sizes)) + _COUNT.pack(code_size))
        file.write(_sizes(sizes.sum(axis=1)))
        for i in np.flatnonzero(sizes.sum(axis=1)).tolist():
            pieces = [(of_file, int(n)) for of_file, n in zip(lists, sizes[i], strict=True) if n]
            for of_file, n in pieces:
                file.write(faiss.rev_swig_ptr(of_file.get_codes(i), n * code_size))
            for of_file, n in pieces:
                file.write(faiss.rev_swig_ptr(of_file.get_ids(i), n))


def _head(trained: Path, total: int) -> tuple[bytes, int]:
    """The bytes before the lists, for a total of vectors, and the size of a code in bytes."""
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
    """The length of every list or, where most are empty, the ids and lengths of the others."""
    some = np.flatnonzero(sizes)
    if len(some) > len(sizes) // 2:
        return _FULL + _COUNT.pack(len(sizes)) + sizes.astype("<u8").tobytes()
    pairs = np.stack([some, sizes[some]], axis=1).astype("<u8")
    return _SPARSE + _COUNT.pack(pairs.size) + pairs.tobytes()
