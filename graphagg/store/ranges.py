"""`.npy` files: headers, mapped arrays, and ranges written and read in bounded memory.

Pages of a mapped file count as memory of the process until `forget` drops them; they stay in the
page cache of the kernel. The kernel also reads ahead, often megabytes: for an index larger than
memory, a query would read a hundred times the bytes it needs. We therefore advise the kernel
(`madvise`) which files are read at random and which ranges are read next. This affects only speed.
"""

from __future__ import annotations

import math
import mmap
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import CorruptArtifact, WriteFailed

RESIDENT = 1 << 26
"""Bytes of a mapped array that `take_rows` holds at once."""
_LONG = 1 << 16  # bytes; for shorter ranges, `will_need` gives no advice
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '(?P<descr>[<|][biuf][1248])', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]{0,100})\), \} *\n"
)


def map_array(path: Path) -> Array:
    """Map an array of numbers read-only; `CorruptArtifact` for any other file."""
    with path.open("rb") as file:
        header = _header(file)
        if header is None:
            raise CorruptArtifact(f"{path}: not a complete array of numbers; build the index again")
        dtype, shape = header
        if 0 in shape:  # an empty file cannot be mapped
            return np.zeros(shape, dtype)
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.ndarray(shape, dtype, content, file.tell())


def npy_header(path: Path) -> tuple[str, tuple[int, ...]] | None:
    """Return dtype and shape of a file; None unless it is a complete array of numbers."""
    with path.open("rb") as file:
        header = _header(file)
    return None if header is None else (header[0].str, header[1])


def _header(file: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]] | None:
    """Read the header and check the file size. numpy parses headers as Python, which is slow."""
    head = file.read(len(_MAGIC) + 2)
    if not head.startswith(_MAGIC):
        return None
    text = file.read(int.from_bytes(head[len(_MAGIC) :], "little"))
    match = _HEADER.fullmatch(text)
    if match is None:
        return None
    shape = tuple(int(size) for size in match["shape"].split(b",") if size.strip())
    try:
        dtype = np.dtype(match["descr"].decode())
    except TypeError:  # such as `<b8`
        return None
    end = file.tell() + math.prod(shape) * dtype.itemsize
    return (dtype, shape) if os.fstat(file.fileno()).st_size == end else None


def preallocate(path: Path, dtype: Any, shape: Sequence[int]) -> None:
    """Create a file of zeros, with disk blocks: a full disk fails here, not later as SIGBUS."""
    np.lib.format.open_memmap(path, "w+", np.dtype(dtype), tuple(shape), version=(1, 0))
    if hasattr(os, "posix_fallocate"):  # macOS lacks it
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def write_range(path: Path, start: int, values: Array) -> None:
    """Write rows into a preallocated file, not by mapping: mapped pages count as memory."""
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
    """A `.npy` file to which rows of shape `width` are appended, after its first `rows` rows."""

    def __init__(self, path: Path, dtype: Any, rows: int = 0, width: tuple[int, ...] = ()) -> None:
        self._dtype, self._width = np.dtype(dtype), width
        self.length = rows
        self._file = path.open("r+b" if rows else "w+b")
        self._write_header()
        end = self._file.tell() + rows * self._dtype.itemsize * math.prod(width)
        self._file.truncate(end)
        self._file.seek(end)

    def append(self, values: Array) -> None:
        """Append rows, `[n, *width]`."""
        rows = np.ascontiguousarray(values, dtype=self._dtype)
        assert rows.shape[1:] == self._width, (rows.shape, self._width)
        self._file.write(rows.data if rows.nbytes else b"")
        self.length += len(rows)

    def sync(self) -> None:
        """Wait until all appended rows are on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write the length into the header and close the file."""
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        # The header has the same size for any length: numpy pads it.
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(
            self._file, header | {"shape": (self.length, *self._width)}
        )


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise `WriteFailed` if the disk of a folder lacks `needed` bytes for `what`."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WriteFailed(
            f"{folder}: {free / 2**30:,.1f} GiB are free, expected {needed / 2**30:,.1f} GiB for "
            f"{what}; make room, or choose a folder on another disk"
        )


def take_rows(array: Array, rows: Array, columns: slice = slice(None)) -> Array:
    """Return `array[rows, columns]` for ascending rows; keep at most `RESIDENT` bytes mapped."""
    if _mapping_of(array) is None or not len(rows) or not array.nbytes:
        return np.asarray(array[rows, columns])
    result = np.empty((len(rows), len(range(*columns.indices(array.shape[1])))), array.dtype)
    step = max(1, RESIDENT // (array.nbytes // len(array)))
    low = 0
    while low < len(rows):
        first = int(rows[low])
        high = int(np.searchsorted(rows, first + step))
        block = array[first : first + step]
        result[low:high] = block[rows[low:high] - first, columns]
        forget(block)
        low = high
    return result


def forget(*arrays: Array) -> None:
    """Release the memory of mapped arrays; the next access reads the file again."""
    for array in arrays:
        mapping = _mapping_of(array) if array.nbytes else None
        if mapping is not None:
            begin, length = _span_of(array, mapping)
            mapping.madvise(mmap.MADV_DONTNEED, begin, length)


def _span_of(array: Array, mapping: mmap.mmap) -> tuple[int, int]:
    """Return the file offset of an array's first page, and the bytes from there to its end."""
    # Subtract addresses: a view has an address in memory, but no offset in the file.
    start = array.ctypes.data - np.frombuffer(mapping, np.uint8).ctypes.data
    begin = start // mmap.PAGESIZE * mmap.PAGESIZE
    return begin, start - begin + array.nbytes


def _mapping_of(array: Array) -> mmap.mmap | None:
    """Return the mapped file of an array; None for arrays in memory, and on Windows."""
    if not hasattr(mmap, "MADV_RANDOM"):
        return None  # this system does not support advice
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return owner if isinstance(owner, mmap.mmap) and hasattr(owner, "madvise") else None


def is_large(size: int) -> bool:
    """Whether files of `size` bytes are more than half of this machine's memory."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return False  # this system does not report its memory
    return size > memory // 2


def at_random(value: object) -> None:
    """Advise the kernel that all mapped arrays within an object are read at random."""
    for array in _arrays(value):
        mapping = _mapping_of(array)
        if mapping is not None:
            mapping.madvise(mmap.MADV_RANDOM)


def ends_of(array: Array) -> Array:
    """Return the first and the last value, without reading ahead around them."""
    at_random(array)
    ends = array[[0, -1]]
    if (mapping := _mapping_of(array)) is not None:
        mapping.madvise(mmap.MADV_NORMAL)
    return ends


def will_need(*arrays: Array) -> None:
    """Advise the kernel that mapped arrays (or views) are read next, from start to end."""
    for array in arrays:
        mapping = _mapping_of(array) if array.nbytes >= _LONG else None
        if mapping is not None:
            mapping.madvise(mmap.MADV_WILLNEED, *_span_of(array, mapping))


def _arrays(value: object) -> Iterator[Array]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _arrays(inner)
    elif hasattr(value, "__dict__"):
        for inner in vars(value).values():
            yield from _arrays(inner)
