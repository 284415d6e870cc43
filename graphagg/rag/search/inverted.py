"""An inverted file put together from parts on disk, so that no process holds all of it.

The file is byte for byte what FAISS writes of one index that was filled in one process: what stands
before the lists is that of the trained index with another number of vectors, then follow the length
of each list and, list by list, codes and numbers (`ArrayInvertedLists` of FAISS 1.7 to 1.15; what
it reads is checked, and a file of another form is an error).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from graphagg.errors import ArtifactError
from graphagg.rag.search import dense
from graphagg.rag.tables.vectors import Rows, Stack

_LISTS, _FULL, _SPARSE = b"ilar", b"full", b"sprs"
_TOTAL = struct.Struct("<4siq")  # kind of index, dimension, number of vectors
_EMPTY = struct.Struct("<4sQQ4sQ")  # lists, how many, bytes of a code, form of the lengths, none
_COUNT = struct.Struct("<Q")


@dataclass(frozen=True)
class Part:
    """Some vectors of an inverted file, list after list.

    Attributes:
        sizes: `[lists]` int64, how many each list has.
        codes: file of `[n, code size]` bytes.
        ids: file of `[n]` int64.
    """

    sizes: npt.NDArray[np.int64]
    codes: Path
    ids: Path

    @classmethod
    def open(cls, stem: Path) -> Part:
        """What `fill` wrote."""
        codes, ids = (stem.with_suffix(f".{name}.npy") for name in ("codes", "ids"))
        return cls(np.load(stem.with_suffix(".sizes.npy")), codes, ids)


def fill(trained: Path, windows: Stack, ids: Rows, stem: Path) -> None:
    """Assign and encode some windows, and write them as a part.

    Args:
        trained: the empty inverted file.
        windows: all vectors.
        ids: numbers of the part's windows, ascending.
        stem: where its files go: `<stem>.sizes.npy`, `.codes.npy` and `.ids.npy`.
    """
    import faiss

    index = dense.load(trained)
    dense.add(index, windows, ids)
    lists = index.invlists
    sizes = np.array([lists.list_size(i) for i in range(index.nlist)], np.int64)
    codes = np.empty((len(ids), index.code_size), np.uint8)
    numbers, begin = np.empty(len(ids), np.int64), 0
    for i in np.flatnonzero(sizes).tolist():
        end = begin + int(sizes[i])
        found = faiss.rev_swig_ptr(lists.get_codes(i), int(sizes[i]) * index.code_size)
        codes[begin:end] = found.reshape(-1, index.code_size)
        numbers[begin:end] = faiss.rev_swig_ptr(lists.get_ids(i), int(sizes[i]))
        begin = end
    for name, array in (("sizes", sizes), ("codes", codes), ("ids", numbers)):
        np.save(stem.with_suffix(f".{name}.npy"), array, allow_pickle=False)


def merge(trained: Path, parts: Sequence[Part], path: Path) -> None:
    """Write the inverted file of all parts; memory holds the length of each list.

    Args:
        trained: the empty inverted file.
        parts: in the order of their windows.
        path: where it goes.

    Raises:
        ArtifactError: FAISS wrote the empty one in a form that is not known here.
    """
    head, code_size = _head(trained, sum(int(part.sizes.sum()) for part in parts))
    sizes = np.sum([part.sizes for part in parts], axis=0)
    begins = [np.concatenate([[0], np.cumsum(part.sizes)]) for part in parts]
    codes, ids = ([_mapped(getattr(part, name)) for part in parts] for name in ("codes", "ids"))
    with path.open("wb") as file:
        file.write(head + _LISTS + _COUNT.pack(len(sizes)) + _COUNT.pack(code_size))
        _write_sizes(file, sizes)
        for i in np.flatnonzero(sizes).tolist():
            for of_part in (codes, ids):
                for values, begin in zip(of_part, begins, strict=True):
                    file.write(values[begin[i] : begin[i + 1]].tobytes())


def _head(trained: Path, total: int) -> tuple[bytes, int]:
    """What stands before the lists, for so many vectors, and the bytes of a code."""
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


def _write_sizes(file: IO[bytes], sizes: npt.NDArray[np.int64]) -> None:
    """The length of every list or, where most are empty, of those that are not."""
    some = np.flatnonzero(sizes)
    if len(some) > len(sizes) // 2:
        file.write(_FULL + _COUNT.pack(len(sizes)) + sizes.astype("<u8").tobytes())
        return
    pairs = np.stack([some, sizes[some]], axis=1).astype("<u8")
    file.write(_SPARSE + _COUNT.pack(pairs.size) + pairs.tobytes())


def _mapped(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)  # no part is empty
