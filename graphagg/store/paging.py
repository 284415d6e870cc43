"""Advice to the kernel on mapped files: read single pages at random, or a range as a whole.

A page that is not in memory is read with its neighbors, which on many machines are megabytes: of
an index that is larger than memory, a question would read a hundred times the bytes that it needs.
So graphagg advises the kernel which files it reads at random, and which ranges it needs next. Where
advice cannot be given, nothing changes but the time.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

import numpy as np

from graphagg.arrays import Array
from graphagg.store.ranges import mapping_of, span_of

_LONG = 1 << 16  # bytes; a shorter range is left to single pages


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
        mapping = mapping_of(array)
        if mapping is not None:
            mapping.madvise(mmap.MADV_RANDOM)


def will_need(*arrays: Array) -> None:
    """Advise that (views of) mapped arrays are read next, from end to end."""
    for array in arrays:
        mapping = mapping_of(array) if array.nbytes >= _LONG else None
        if mapping is not None:
            mapping.madvise(mmap.MADV_WILLNEED, *span_of(array, mapping))


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
