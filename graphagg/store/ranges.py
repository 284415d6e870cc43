"""Large `.npy` files, written and read range by range in bounded memory.

The pages of a mapped file count as memory of the process from when they are read until they are
forgotten. So what goes through a file from end to end, or takes rows from all over it, forgets the
pages behind it; they stay in the kernel's cache.

A page that is not in memory is read with its neighbors, which on many machines are megabytes: of
an index that is larger than memory, a question would read a hundred times the bytes that it needs.
So graphagg advises the kernel which files it reads at random, and which ranges it needs next. Where
advice cannot be given, nothing changes but the time.
"""

from __future__ import annotations

import math
import mmap
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import WriteFailed
from graphagg.store.strings import StringTable

RESIDENT = 1 << 26
"""Bytes of a mapped array that `take_rows` holds at once."""
_LONG = 1 << 16  # bytes; a shorter range is left to single pages
_BLOCK = 1 << 20  # bytes that `read_ahead` reads at once


def preallocate(path: Path, dtype: Any, shape: Sequence[int]) -> None:
    """Make a `.npy` file of zeros, for its ranges to be written into.

    Its disk blocks are allocated now: a full disk is an error here, and not when a range is written
    or, where the file is mapped, a SIGBUS without a message.
    """
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype))}
        np.lib.format.write_array_header_1_0(
            file, header | {"fortran_order": False, "shape": tuple(shape)}
        )
        size = file.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):  # macOS has none
            os.posix_fallocate(file.fileno(), 0, size)


def write_range(path: Path, start: int, values: Array) -> None:
    """Write rows `start` to `start + len(values)` of a preallocated `.npy` file.

    Not through a mapping: its pages would count as memory, and wait for the disk.
    """
    if not len(values):
        return
    with path.open("r+b") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        rows = np.ascontiguousarray(values, dtype=dtype)
        assert rows.shape[1:] == shape[1:] and start + len(rows) <= shape[0], (shape, rows.shape)
        file.seek(start * (rows.nbytes // len(rows)), os.SEEK_CUR)
        file.write(rows.data if rows.nbytes else b"")


class GrowingFile:
    """A `.npy` file that is appended to; its length is known at the end.

    Args:
        path: of the file.
        dtype: of its values.
        kept: rows of an earlier run that stay; the rest of the file is cut off.
        width: the shape of a row; () where a row is one value.
    """

    def __init__(self, path: Path, dtype: Any, kept: int = 0, width: tuple[int, ...] = ()) -> None:
        self._dtype, self._width = np.dtype(dtype), width
        self.length = kept
        self._file = path.open("r+b" if kept else "w+b")
        self._write_header()
        end = self._file.tell() + kept * self._dtype.itemsize * math.prod(width)
        self._file.truncate(end)
        self._file.seek(end)

    def append(self, values: Array) -> None:
        """Append rows, `[n, *width]`."""
        rows = np.ascontiguousarray(values, dtype=self._dtype)
        assert rows.shape[1:] == self._width, (rows.shape, self._width)
        self._file.write(rows.data if rows.nbytes else b"")
        self.length += len(rows)

    def sync(self) -> None:
        """Wait until the disk has all appended rows."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write the length."""
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        # As long for any length: numpy leaves room for its digits.
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(
            self._file, header | {"shape": (self.length, *self._width)}
        )


class GrowingStrings:
    """A table of strings in two files that is appended to; see `StringTable`.

    Args:
        folder: where the files go.
        name: of the table.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._data = GrowingFile(folder / f"{name}.utf8.npy", np.uint8)
        self._ends = GrowingFile(folder / f"{name}.offsets.npy", np.int64)
        self._ends.append(np.zeros(1, np.int64))

    def append(self, table: StringTable) -> None:
        """Append the strings of a table."""
        first, last = int(table.offsets[0]), int(table.offsets[-1])
        self._ends.append(table.offsets[1:] - first + self._data.length)
        self._data.append(table.data[first:last])

    def close(self) -> None:
        """Write the lengths."""
        self._data.close()
        self._ends.close()


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise `WriteFailed` where a disk has less room than some work needs, before it begins.

    Args:
        folder: on the disk.
        needed: bytes.
        what: the work that needs them, and by which formula.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WriteFailed(
            f"{folder}: {free / 2**30:,.1f} GiB are free, wanted {needed / 2**30:,.1f} GiB for "
            f"{what}; make room, or give a folder on another disk"
        )


def take_rows(array: Array, rows: Array, columns: slice = slice(None)) -> Array:
    """`array[rows, columns]` of a mapped array, of which at most `RESIDENT` bytes are in memory.

    Args:
        array: `[n, w]`, mapped or in memory.
        rows: `[r]` ascending.
        columns: which of the w.
    """
    if _mapping_of(array) is None or not len(rows) or not array.nbytes:
        return np.asarray(array[rows, columns])
    taken = np.empty((len(rows), len(range(*columns.indices(array.shape[1])))), array.dtype)
    step = max(1, RESIDENT // (array.nbytes // len(array)))
    low = 0
    while low < len(rows):
        first = int(rows[low])
        high = int(np.searchsorted(rows, first + step))
        block = array[first : first + step]
        taken[low:high] = block[rows[low:high] - first, columns]
        forget(block)
        low = high
    return taken


def forget(*arrays: Array) -> None:
    """Give back the memory of mapped arrays; the next access reads the file again."""
    for array in arrays:
        mapping = _mapping_of(array) if array.nbytes else None
        if mapping is not None:
            begin, length = _span_of(array, mapping)
            mapping.madvise(mmap.MADV_DONTNEED, begin, length)


def _span_of(array: Array, mapping: mmap.mmap) -> tuple[int, int]:
    """Locate an array in the file that it is a view of.

    Returns:
        The start of its first page, and the bytes from there to its end.
    """
    # Both addresses: a view says where it begins in memory, not where in its file.
    start = array.ctypes.data - np.frombuffer(mapping, np.uint8).ctypes.data
    begin = start // mmap.PAGESIZE * mmap.PAGESIZE
    return begin, start - begin + array.nbytes


def _mapping_of(array: Array) -> mmap.mmap | None:
    """The mapped file that an array is a view of; None of one in memory, and on Windows."""
    if not hasattr(mmap, "MADV_RANDOM"):
        return None  # no advice is taken
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return owner if isinstance(owner, mmap.mmap) and hasattr(owner, "madvise") else None


def is_large(size: int) -> bool:
    """Whether files of `size` bytes are more than half of this machine's memory."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return False  # no such question on this system
    return size > memory // 2


def at_random(value: object) -> None:
    """Advise that the mapped arrays of an object, such as an opened index, are read at random."""
    for array in _arrays(value):
        mapping = _mapping_of(array)
        if mapping is not None:
            mapping.madvise(mmap.MADV_RANDOM)


def will_need(*arrays: Array) -> None:
    """Advise that (views of) mapped arrays are read next, from end to end."""
    for array in arrays:
        mapping = _mapping_of(array) if array.nbytes >= _LONG else None
        if mapping is not None:
            mapping.madvise(mmap.MADV_WILLNEED, *_span_of(array, mapping))


def read_ahead(path: Path) -> int:
    """Read a file from end to end, so that the system has it in memory. Returns: its bytes."""
    size, buffer = 0, bytearray(_BLOCK)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            size += count
    return size


def _arrays(value: object) -> Iterator[Array]:
    """The arrays of an object, of the objects that it holds, and so on."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _arrays(inner)
    elif hasattr(value, "__dict__"):
        for inner in vars(value).values():
            yield from _arrays(inner)
