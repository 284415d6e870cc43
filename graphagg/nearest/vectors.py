"""Vectors of 8 bits per component, in a file that `faiss.read_index` opens.

A unit vector is rotated; then each component is rounded to one of 255 multiples of `step_of(d)`.
The rotation spreads any vector over all components, so one range of values works for all encoders,
and a stored row depends only on its vector. Some components are rounded the other way, so that the
product of a stored row with its own vector is exact; this reduces errors with similar vectors.

The rotation is a random sign for each component and then a Hartley transform,

    H(x)_k = 1 / sqrt(d) * sum over j of x_j (cos + sin)(2 pi j k / d),

which preserves products and is its own inverse (R. N. Bracewell, *Discrete Hartley transform*,
Journal of the Optical Society of America 73, 1983). The rotation before a fixed quantizer is from
J. Gao and C. Long, *RaBitQ*, SIGMOD 2024. Query components are rounded to multiples of 2^-22, so
float64 sums products exactly, in any order: segments, batches and filters do not change results.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import struct
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Doubles, Floats, offsets
from graphagg.store.manifest import damaged

Codes = npt.NDArray[np.uint8]
"""Stored vectors `[n, d]`: component j is `(code[j] - 128) * step_of(d)`."""
Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
_LARGEST, _MIDDLE, _SPREAD = 127, 128, 4.0
_FINE = 2.0**22  # query components are multiples of 1 / _FINE
_GRID = 2.0**16  # grid points per step; values snap to them, so equal components get equal codes
_BLOCK = 256  # rows that are multiplied at once, so that they stay in a core's cache
_ROTATED = 4096  # rows that are rotated at once
_HEADER = "<4siqqqBiiifQQQffQ"
_UNIFORM, _PRODUCT, _BLANK = 2, 0, 1 << 20
FLAT_TYPE = b"IxSQ"
"""First bytes of the files of `write_vectors`."""


def step_of(dimension: int) -> float:
    """Return the difference between the values of neighboring codes of a component."""
    return min(1.0, _SPREAD / math.sqrt(dimension)) / _LARGEST


def encode(vectors: Floats) -> Codes:
    """Encode unit vectors `[n, d]`; a zero vector stays zero."""
    codes, step = np.empty(vectors.shape, np.uint8), step_of(vectors.shape[1])
    for start in range(0, len(vectors), _ROTATED):
        exact = rotate(vectors[start : start + _ROTATED]) * (_GRID / step)
        codes[start : start + _ROTATED] = _rounded(np.rint(exact) / _GRID) + _MIDDLE
    return codes


def _rounded(exact: Doubles) -> Doubles:
    """Round rows to integers whose product with the row is nearly the row's square.

    The rounding errors of a row have a component along the row. Entries that add to it are rounded
    the other way while this reduces it, in order of least squared error per reduction.
    """
    rows = np.clip(np.rint(exact), -_LARGEST, _LARGEST)
    errors, sizes = rows - exact, np.abs(exact)
    along = (errors * exact).sum(axis=1, keepdims=True)
    adds = (errors * exact * along > 0.0) & (np.abs(errors) <= 0.5)  # larger ones are clipped
    costs = np.where(adds, (1.0 - 2.0 * np.abs(errors)) / np.maximum(sizes, 1e-9), np.inf)
    order = np.argsort(costs, axis=1, kind="stable")
    taken = np.take_along_axis(np.where(adds, sizes, 0.0), order, axis=1)
    turns = (np.cumsum(taken, axis=1) - taken / 2.0 < np.abs(along)) & (taken > 0.0)
    np.put_along_axis(adds, order, turns, axis=1)
    rounded: Doubles = np.clip(rows - adds * np.sign(errors), -_LARGEST, _LARGEST)
    return rounded


def decode(codes: Codes) -> Floats:
    """Return the vectors of stored rows, `[n, d]` float32."""
    rows = _hartley(rotated(codes).astype(np.float64))
    vectors: Floats = (rows * _signs(codes.shape[1])).astype(np.float32)
    return vectors


def rotated(codes: Codes) -> Floats:
    """Return the rotated vectors of stored rows, `[n, d]` float32."""
    vectors: Floats = (codes - np.float32(_MIDDLE)) * np.float32(step_of(codes.shape[1]))
    return vectors


def rotate(vectors: Floats) -> Doubles:
    """Rotate vectors `[n, d]`; the rotation preserves inner products."""
    return _hartley(vectors * _signs(vectors.shape[1]))


def _hartley(rows: Doubles) -> Doubles:
    spectrum = np.fft.fft(rows, norm="ortho")
    hartley: Doubles = np.subtract(spectrum.real, spectrum.imag, dtype=np.float64)
    return hartley


@lru_cache(8)
def _signs(dimension: int) -> Doubles:
    # The streams of numpy's generators may change between versions, so we use a hash.
    digest = hashlib.shake_128(b"graphagg").digest(-(-dimension // 8))
    bits = np.unpackbits(np.frombuffer(digest, np.uint8))[:dimension]
    return np.where(bits, -1.0, 1.0)


class Queries:
    """Query vectors `[q, d]`; rotated and rounded once, on first use."""

    def __init__(self, vectors: Floats) -> None:
        self.vectors: Floats = np.ascontiguousarray(vectors, dtype=np.float32)

    @classmethod
    def of(cls, vectors: Floats | Queries) -> Queries:
        """Wrap vectors; queries are returned unchanged."""
        return vectors if isinstance(vectors, Queries) else cls(vectors)

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def rotated(self) -> Doubles:
        """The rotated queries."""
        return rotate(self.vectors)

    @cached_property
    def columns(self) -> Doubles:
        """The rotated queries, rounded, `[d, q]`."""
        return np.ascontiguousarray(np.rint(self.rotated * _FINE).T / _FINE)


def products(codes: Codes, queries: Queries) -> Floats:
    """Compute the products of stored rows `[n, d]` with queries; `[n, q]` float32."""
    sums, columns = np.empty((len(codes), len(queries))), queries.columns
    for start in range(0, len(codes), _BLOCK):
        block = codes[start : start + _BLOCK].astype(np.float64)
        np.matmul(block, columns, out=sums[start : start + _BLOCK])
    sums -= _MIDDLE * columns.sum(axis=0)
    sums *= step_of(codes.shape[1])
    return sums.astype(np.float32)


def write_vectors(path: Path, codes: Codes) -> None:
    """Write stored rows as a flat 8-bit FAISS index with inner products."""
    with path.open("wb") as file:
        file.write(_header(*codes.shape))
        for start in range(0, len(codes), 1 << 16):
            file.write(np.ascontiguousarray(codes[start : start + (1 << 16)]).data)


def map_vectors(path: Path) -> Codes:
    """Map a file of `write_vectors`; raise `CorruptArtifact` for any other file."""
    size, length = path.stat().st_size, struct.calcsize(_HEADER)
    with path.open("rb") as file:
        head = file.read(length)
        kind, dimension, count = struct.unpack("<4siq", head[:16].ljust(16, b"\0"))
        is_sane = dimension > 0 and count >= 0 and size == length + count * dimension
        if not is_sane or head != _header(count, dimension):
            raise damaged(
                path,
                f"a file of {size} bytes that starts with {kind!r} and declares {count} vectors of "
                f"{dimension} components; expected FAISS's 8-bit {FLAT_TYPE!r} with inner "
                "products, as this version writes it",
            )
        if not count:
            return np.zeros((0, dimension), np.uint8)
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.ndarray((count, dimension), np.uint8, content, length)


def _header(count: int, dimension: int) -> bytes:
    """Return the header of a FAISS file: kind, size, metric, quantizer, range, length of codes."""
    step = step_of(dimension)
    return struct.pack(
        _HEADER, FLAT_TYPE, dimension, count, _BLANK, _BLANK, 1, _PRODUCT, _UNIFORM, 0, 0.0,
        dimension, dimension, 2, -(_MIDDLE + 0.5) * step, 255.0 * step, count * dimension,
    )  # fmt: skip


class RowSet:
    """A subset of the rows of a corpus: a mask `[R]`, and the number of rows in it."""

    def __init__(self, mask: npt.NDArray[np.bool_], count: int) -> None:
        self.mask, self.count = mask, count

    @property
    def is_all(self) -> bool:
        """Whether it contains every row."""
        return self.count == len(self.mask)

    @cached_property
    def rows(self) -> Rows:
        """The rows, ascending; cached, 8 bytes each."""
        return np.flatnonzero(self.mask)

    def of_values(self, start: int, bounds: Rows) -> npt.NDArray[np.bool_]:
        """Return a mask of the values of n rows from `start` on; `bounds` `[n + 1]` has offsets."""
        mask = self.mask[start : start + len(bounds) - 1]
        if bounds[-1] == len(mask):  # one value per row
            return mask
        if start not in self._of_values:
            self._of_values[start] = np.repeat(mask, np.diff(bounds))
        return self._of_values[start]

    @cached_property
    def _of_values(self) -> dict[int, npt.NDArray[np.bool_]]:
        return {}


class Stack:
    """Several matrices of stored vectors `[n_i, d]`, used as one without a copy."""

    def __init__(self, matrices: Sequence[Codes]) -> None:
        self.matrices = list(matrices)
        self.starts = offsets([len(matrix) for matrix in matrices])
        self.dimension = matrices[0].shape[1]

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, rows: Rows) -> Vectors:
        """Return the vectors of some rows, `[m, d]` float32."""
        return decode(self.rows(rows))

    def rows(self, rows: Rows) -> Codes:
        """Return a copy of some stored rows."""
        first = self.matrices[0]
        if len(self.matrices) == 1:
            return first[rows]
        result = np.empty((len(rows), first.shape[1]), first.dtype)
        owner = np.searchsorted(self.starts, rows, side="right") - 1
        for i, matrix in enumerate(self.matrices):
            positions = np.flatnonzero(owner == i)
            result[positions] = matrix[rows[positions] - self.starts[i]]
        return result

    def dots(self, queries: Vectors | Queries) -> Vectors:
        """Compute the products `[n, q]` of all rows with queries `[q, d]`."""
        query = Queries.of(queries)
        return np.concatenate([products(matrix, query) for matrix in self.matrices])

    def dots_at(self, rows: Rows, queries: Vectors | Queries) -> Vectors:
        """Compute the products `[m, q]` of m rows with queries `[q, d]`."""
        return products(self.rows(rows), Queries.of(queries))


def largest_of(values: npt.NDArray[Any], lengths: Rows) -> npt.NDArray[Any]:
    """Return the maxima of consecutive ranges of rows, `[len(lengths), q]`; -1 if empty."""
    if len(values) == len(lengths) and bool((lengths == 1).all()):
        return values
    maxima = np.full((len(lengths), *values.shape[1:]), -1, dtype=values.dtype)
    filled = lengths > 0
    if filled.any():
        starts = (np.cumsum(lengths) - lengths)[filled]
        maxima[filled] = np.maximum.reduceat(values, starts, axis=0)
    return maxima
