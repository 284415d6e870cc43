"""From pairs of dense vertex numbers to compressed rows, in two counting passes."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.graph.csr import Csr

Dense = npt.NDArray[np.int32]


def rows_from_pairs(
    rows: Dense, columns: Dense, shape: tuple[int, int], *, symmetric: bool, loops: bool = False
) -> tuple[Csr, int]:
    """Compressed rows of distinct pairs; O(pairs + rows + columns), no comparison sort.

    Args:
        rows: `[E]` row of each pair, in any order, repeats allowed.
        columns: `[E]` column of each pair.
        shape: rows and columns of the result.
        symmetric: take each pair both ways; then the shape is square.
        loops: keep pairs of a row with the same column (two-mode: they are no self-loops).

    Returns:
        The rows with ascending, distinct columns, and how many entries were repeats.
    """
    # Scattered by column first and then, column by column, into the rows: each row ends ascending.
    by_column = _scatter(columns, rows, shape[1], symmetric, loops)
    pointers, indices = _transpose(by_column[0], by_column[1], shape[0])
    del by_column
    kept = _drop_repeats(pointers, indices)
    repeats = len(indices) - kept
    return Csr(pointers, indices[:kept].copy() if repeats else indices, None, shape[1]), repeats


def transpose_pattern(matrix: Csr) -> Csr:
    """Rows and columns exchanged, values dropped; O(nnz)."""
    pointers, indices = _transpose(matrix.indptr, matrix.indices, matrix.columns)
    return Csr(pointers, indices, None, matrix.rows)


def expand_rows(matrix: Csr) -> Dense:
    """The row of each entry, `[nnz]` int32."""
    return np.repeat(np.arange(matrix.rows, dtype=np.int32), matrix.degrees())


@numba.njit(cache=True)
def _scatter(keys: Array, values: Array, size: int, both: bool, loops: bool) -> Any:
    """Group `values` by `keys` (and, with `both`, keys by values); loops are left out."""
    pointers = np.zeros(size + 1, dtype=np.int64)
    for i in range(len(keys)):
        if loops or keys[i] != values[i]:
            pointers[keys[i] + 1] += 1
            if both:
                pointers[values[i] + 1] += 1
    for k in range(size):
        pointers[k + 1] += pointers[k]
    place = pointers[:-1].copy()
    grouped = np.empty(pointers[size], dtype=np.int32)
    for i in range(len(keys)):
        if loops or keys[i] != values[i]:
            grouped[place[keys[i]]] = values[i]
            place[keys[i]] += 1
            if both:
                grouped[place[values[i]]] = keys[i]
                place[values[i]] += 1
    return pointers, grouped


@numba.njit(cache=True)
def _transpose(pointers: Array, indices: Array, size: int) -> Any:
    turned = np.zeros(size + 1, dtype=np.int64)
    for i in range(len(indices)):
        turned[indices[i] + 1] += 1
    for k in range(size):
        turned[k + 1] += turned[k]
    place = turned[:-1].copy()
    grouped = np.empty(len(indices), dtype=np.int32)
    for row in range(len(pointers) - 1):
        for i in range(pointers[row], pointers[row + 1]):
            grouped[place[indices[i]]] = row
            place[indices[i]] += 1
    return turned, grouped


@numba.njit(cache=True)
def _drop_repeats(pointers: Array, indices: Array) -> int:
    """Close the gaps that repeats leave in ascending rows, in place; entries kept."""
    kept = 0
    start = pointers[0]
    for row in range(len(pointers) - 1):
        stop = pointers[row + 1]
        last = -1
        for i in range(start, stop):
            if indices[i] != last:
                last = indices[i]
                indices[kept] = last
                kept += 1
        start = stop
        pointers[row + 1] = kept
    return kept
