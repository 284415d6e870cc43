"""Sets of rows, and products of stored vectors with queries.

Products are sums of integers (`graphagg.nearest.vectors`): they do not depend on segment, batch or
filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import offsets
from graphagg.nearest.vectors import Codes, Queries, decode, products

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


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
        """Mask of the values of n rows from `start` on, with `bounds` `[n + 1]`; cached."""
        mask = self.mask[start : start + len(bounds) - 1]
        if bounds[-1] == len(mask):  # a value each
            return mask
        if start not in self._of_values:
            self._of_values[start] = np.repeat(mask, np.diff(bounds))
        return self._of_values[start]

    @cached_property
    def _of_values(self) -> dict[int, npt.NDArray[np.bool_]]:
        return {}


class Stack:
    """Rows of several matrices of stored vectors `[n_i, d]` as one, without a copy."""

    def __init__(self, matrices: Sequence[Codes]) -> None:
        self.matrices = list(matrices)
        self.starts = offsets([len(matrix) for matrix in matrices])
        self.dimension = matrices[0].shape[1]

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, rows: Rows) -> Vectors:
        """The vectors of some rows, `[m, d]` float32."""
        return decode(self.rows(rows))

    def rows(self, rows: Rows) -> Codes:
        """A copy of some stored rows."""
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
        """Products of every row with queries `[q, d]`; `[n, q]`."""
        query = Queries.of(queries)
        return np.concatenate([products(matrix, query) for matrix in self.matrices])

    def dots_at(self, rows: Rows, queries: Vectors | Queries) -> Vectors:
        """Products of some rows with queries `[q, d]`; `[m, q]`."""
        return products(self.rows(rows), Queries.of(queries))


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
