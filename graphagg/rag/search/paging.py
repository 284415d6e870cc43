"""How mapped files are read: page by page where a question jumps, as a whole where it reads on.

A page that is not in memory is read with its neighbors, which on many machines are megabytes: of
an index that is larger than memory a question would read a hundred times what it needs. So the
kernel is told which files are read at random, and which ranges are needed next. Advice only: where
it cannot be given nothing changes but the time.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array

_PROCESS_MADVISE = 440  # Linux 5.10 and newer; this number on all but alpha
_IOV_MAX = 1024
_LONG = 1 << 16  # bytes; a shorter range is left to single pages


def at_random(part: object) -> None:
    """Tell that the mapped arrays of a part of an index are read at random."""
    for array in _arrays(part):
        mapped: Any = array
        while isinstance(mapped, np.ndarray):
            mapped = mapped.base
        if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
            mapped.madvise(mmap.MADV_RANDOM)


def will_need(*arrays: npt.NDArray[Any]) -> None:
    """Tell that parts of mapped arrays are read next, from end to end."""
    for array in arrays:
        if array.nbytes >= _LONG and not array.flags.writeable:
            advise(array.ctypes.data, array.nbytes, mmap.MADV_WILLNEED)


def each_will_need(array: npt.NDArray[Any], starts: Array, ends: Array) -> None:
    """Tell that some ranges of a mapped array are read next, all by one call where that is allowed.

    Args:
        array: one-dimensional.
        starts: `[n]`, first elements.
        ends: `[n]`, ends of the ranges.
    """
    if array.flags.writeable or not len(starts) or (process := _process(os.getpid())) is None:
        return
    begins = (array.ctypes.data + starts * array.itemsize) // mmap.PAGESIZE * mmap.PAGESIZE
    lengths = array.ctypes.data + np.maximum(ends, starts + 1) * array.itemsize - begins
    vectors = np.stack([begins, lengths], axis=1).astype(np.uintp)
    for first in range(0, len(vectors), _IOV_MAX):
        some = vectors[first : first + _IOV_MAX]
        place = ctypes.c_void_p(some.ctypes.data)
        _libc().syscall(
            _PROCESS_MADVISE, process, place, ctypes.c_size_t(len(some)),
            mmap.MADV_WILLNEED, 0,
        )  # fmt: skip


def advise(address: int, length: int, advice: int) -> None:
    """`madvise` of a range of addresses, which may begin inside a page."""
    begin = address // mmap.PAGESIZE * mmap.PAGESIZE
    _libc().madvise(ctypes.c_void_p(begin), ctypes.c_size_t(address + length - begin), advice)


def _arrays(part: object) -> Iterator[npt.NDArray[Any]]:
    """The arrays of an object, of the objects that it holds, and so on."""
    if isinstance(part, np.ndarray):
        yield part
    elif isinstance(part, list | tuple):
        for inner in part:
            yield from _arrays(inner)
    elif hasattr(part, "__dict__"):
        for inner in vars(part).values():
            yield from _arrays(inner)


@cache
def _process(pid: int) -> int | None:
    """A descriptor of a process; None where there is no such thing."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


@cache
def _libc() -> Any:
    return ctypes.CDLL(None)
