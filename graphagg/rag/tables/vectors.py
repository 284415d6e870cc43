"""Dot products that depend on the two vectors alone.

BLAS may round the product of the same two vectors differently at another place of a matrix or in
another batch. Here each product is summed in one order, so that a score is the same bits whichever
segment, batch or filter it is computed in. One thread; on a processor with AVX as fast as BLAS for
a few queries at a time. Of rows of 8-bit integers (`packed`) products are exact in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, offsets
from graphagg.kernels import kernel
from graphagg.rag.tables.packed import (
    Query,
    dimension_of,
    is_packed,
    products,
    query_of,
    unpack,
)

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class RowSet:
    """Some of the rows of a corpus.

    Args:
        mask: `[R]`, True for the rows in the set.
        count: number of rows in the set.
    """

    def __init__(self, mask: npt.NDArray[np.bool_], count: int) -> None:
        self.mask, self.count = mask, count

    @classmethod
    def of(cls, rows: Rows, size: int) -> RowSet:
        """Make a set of these rows of a corpus of `size` rows."""
        mask = np.zeros(size, bool)
        mask[rows] = True
        return cls(mask, len(rows))

    @property
    def is_all(self) -> bool:
        """Whether no row is missing."""
        return self.count == len(self.mask)

    @cached_property
    def rows(self) -> Rows:
        """The rows, ascending; 8 bytes each are kept."""
        return np.flatnonzero(self.mask)

    def of_values(self, start: int, bounds: Rows) -> npt.NDArray[np.bool_]:
        """Mask of the values of n rows from `start` on, between `bounds` (`[n + 1]`); kept."""
        mask = self.mask[start : start + len(bounds) - 1]
        if bounds[-1] == len(mask):  # a value each
            return mask
        if start not in self._of_values:
            self._of_values[start] = np.repeat(mask, np.diff(bounds))
        return self._of_values[start]

    @cached_property
    def _of_values(self) -> dict[int, npt.NDArray[np.bool_]]:
        return {}


class Queries:
    """Vectors that rows are multiplied with; what they are as integers is made once.

    Args:
        vectors: `[q, d]`.
    """

    def __init__(self, vectors: Vectors) -> None:
        self.vectors: Vectors = np.ascontiguousarray(vectors, dtype=np.float32)

    @classmethod
    def of(cls, vectors: Vectors | Queries) -> Queries:
        """Take vectors, or queries as they are."""
        return vectors if isinstance(vectors, Queries) else cls(vectors)

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def packed(self) -> Query:
        """For packed rows."""
        return query_of(self.vectors)


class Stack:
    """The rows of several matrices, one after another, without copying them.

    Args:
        matrices: `[n_i, d]` float32, or all `[n_i, d + 4]` int8 (`packed`); C order, maybe
            memory-mapped.
    """

    def __init__(self, matrices: Sequence[Array]) -> None:
        self.matrices = list(matrices)
        self.starts = offsets([len(matrix) for matrix in matrices])
        self.dimension = dimension_of(matrices[0])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, rows: Rows) -> Vectors:
        """The vectors of some rows, `[m, d]` float32."""
        taken = self.rows(rows)
        return unpack(taken) if is_packed(taken) else taken

    def rows(self, rows: Rows) -> Array:
        """A copy of some rows as they are stored."""
        first = self.matrices[0]
        if len(self.matrices) == 1:
            return first[rows]
        taken = np.empty((len(rows), first.shape[1]), first.dtype)
        for matrix, inside, positions in self._split(rows):
            taken[positions] = matrix[inside]
        return taken

    def dots(self, queries: Vectors | Queries) -> npt.NDArray[np.float32]:
        """Products of every row with queries `[q, d]`; `[n, q]`."""
        vectors = Queries.of(queries)
        if is_packed(self.matrices[0]):
            return np.concatenate([products(matrix, vectors.packed) for matrix in self.matrices])
        dots = np.empty((len(self), len(vectors)), dtype=np.float32)
        for matrix, start, end in zip(self.matrices, self.starts, self.starts[1:], strict=False):
            _dots(matrix, vectors.vectors, dots[start:end])
        return dots

    def dots_at(self, rows: Rows, queries: Vectors | Queries) -> npt.NDArray[np.float32]:
        """Products of some rows with queries `[q, d]`; `[m, q]`."""
        vectors = Queries.of(queries)
        if is_packed(self.matrices[0]):
            return products(self.rows(rows), vectors.packed)
        dots = np.empty((len(rows), len(vectors)), dtype=np.float32)
        for matrix, inside, positions in self._split(rows):
            if len(positions) == len(rows):
                _dots_at(matrix, inside, vectors.vectors, dots)
            else:
                some = np.empty((len(positions), len(vectors)), dtype=np.float32)
                _dots_at(matrix, inside, vectors.vectors, some)
                dots[positions] = some
        return dots

    def _split(self, rows: Rows) -> list[tuple[Array, Rows, Array]]:
        """Matrices that hold any of the rows, the rows inside each, and their positions."""
        if len(self.matrices) == 1:
            return [(self.matrices[0], rows, np.arange(len(rows)))]
        owner = np.searchsorted(self.starts, rows, side="right") - 1
        split = []
        for i, matrix in enumerate(self.matrices):
            positions = np.flatnonzero(owner == i)
            if len(positions):
                split.append((matrix, rows[positions] - self.starts[i], positions))
        return split


def ranges(starts: Rows, lengths: Rows) -> Rows:
    """`start, start + 1, ...` of each of several ranges, one after another."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    positions: Rows = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return positions


def largest_of(values: npt.NDArray[Any], lengths: Rows) -> npt.NDArray[Any]:
    """Maxima of consecutive ranges of rows, `[len(lengths), q]`; -1 for an empty range."""
    if len(values) == len(lengths) and bool((lengths == 1).all()):
        return values
    maxima = np.full((len(lengths), *values.shape[1:]), -1, dtype=values.dtype)
    filled = lengths > 0
    if filled.any():
        starts = (np.cumsum(lengths) - lengths)[filled]
        maxima[filled] = np.maximum.reduceat(values, starts, axis=0)
    return maxima


@kernel(fastmath=True)
def _dots(matrix: Vectors, queries: Vectors, dots: Vectors) -> None:
    """Products of all rows `[n, d]` with queries `[q, d]` into `dots` `[n, q]`."""
    for i in range(matrix.shape[0]):
        for q in range(queries.shape[0]):
            # fastmath lets this sum run in SIMD lanes: its order then depends on d alone, so that
            # the bits are the same wherever the row is.
            total = np.float32(0)
            for j in range(matrix.shape[1]):
                total += matrix[i, j] * queries[q, j]
            dots[i, q] = total


@kernel(fastmath=True)
def _dots_at(matrix: Vectors, rows: Rows, queries: Vectors, dots: Vectors) -> None:
    """Products of some rows `[m]` of `[n, d]` with queries `[q, d]` into `dots` `[m, q]`."""
    for i in range(len(rows)):
        row = rows[i]
        for q in range(queries.shape[0]):
            total = np.float32(0)  # the same loop as in `_dots`, for the same bits
            for j in range(matrix.shape[1]):
                total += matrix[row, j] * queries[q, j]
            dots[i, q] = total
