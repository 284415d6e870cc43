"""`.npy` files: their headers, and arrays mapped from them."""

from __future__ import annotations

import math
import mmap
import os
import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import CorruptArtifact

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
            raise CorruptArtifact(f"{path}: not a whole array of numbers; build the index again")
        dtype, shape = header
        if 0 in shape:  # an empty file cannot be mapped
            return np.zeros(shape, dtype)
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.ndarray(shape, dtype, content, file.tell())


def npy_header(path: Path) -> tuple[str, tuple[int, ...]] | None:
    """Dtype and shape of a file; None unless it is a complete array of numbers."""
    with path.open("rb") as file:
        header = _header(file)
    return None if header is None else (header[0].str, header[1])


def _header(file: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]] | None:
    """Read the header and check the size. numpy evaluates it as Python, which is slow."""
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
