"""Convert pairs of dense vertex numbers to compressed rows.

A pair is stored as one 64-bit key, `row << 32 | column`, so sorting keys sorts by row, then column.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Doubles, Ints, offsets
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel

Dense = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]

_ROW = np.uint64(32)


def pair_keys(rows: Array, columns: Array) -> Keys:
    """Return the keys of pairs, `[E]`."""
    return (rows.astype(np.uint64) << _ROW) | columns.astype(np.uint64)


def pairs_of(keys: Keys) -> tuple[Array, Dense]:
    """Return the rows `[E]` int64 and columns `[E]` int32 of keys."""
    return (keys >> _ROW).astype(np.int64), keys.astype(np.uint32).astype(np.int32)


def merge_repeats(keys: Keys, weights: Array | None) -> tuple[Keys, Doubles | None]:
    """Sort keys and drop repeats; sum the weights of repeats in float64, smallest first.

    The sums therefore do not depend on the order of the pairs.
    """
    if weights is None:
        keys = np.sort(keys, kind="stable")  # fast for concatenated runs that ascend
    else:
        order = np.lexsort((weights, keys))
        keys, weights = keys[order], weights[order]
    first = np.ones(len(keys), dtype=np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    if weights is None:
        return keys[first], None
    sums = np.bincount(np.cumsum(first) - 1, weights).astype(np.float64, copy=False)
    return keys[first], sums


def rows_from_pairs(
    rows: Dense,
    columns: Dense,
    shape: tuple[int, int],
    *,
    symmetric: bool,
    loops: bool = False,
    weights: Doubles | None = None,
) -> tuple[Csr, int]:
    """Build compressed rows of the distinct pairs `(rows[i], columns[i])`.

    The columns of each row ascend. Weights `[E]` of repeated pairs are summed in float64 by
    `merge_repeats`. `symmetric` also adds the reverse of each pair; `loops` keeps pairs of equal
    numbers. Also returns the number of repeated pairs.
    """
    if not loops:
        is_edge = rows != columns
        rows, columns = rows[is_edge], columns[is_edge]
        weights = None if weights is None else weights[is_edge]
    if symmetric:
        rows, columns = np.minimum(rows, columns), np.maximum(rows, columns)
    pairs = len(rows)
    if weights is None:
        indptr, indices = _distinct(rows, columns, shape[0])
        matrix = Csr(indptr, indices, None, shape[1])
    else:
        keys, sums = merge_repeats(pair_keys(rows, columns), weights)
        rows, columns = pairs_of(keys)
        indptr = offsets(np.bincount(rows, minlength=shape[0]))
        matrix = Csr(indptr, columns, sums, shape[1])
    repeats = pairs - len(matrix.indices)
    return (_turned(matrix, keep=True) if symmetric else matrix), repeats


def transpose(matrix: Csr) -> Csr:
    """Transpose a matrix, with its values if there are any; O(nnz)."""
    return _turned(matrix, keep=False)


def _turned(matrix: Csr, *, keep: bool) -> Csr:
    """Transpose a matrix; with `keep`, add the result to the (strictly upper) matrix."""
    values = matrix.indices if matrix.data is None else matrix.data
    result = _exchange(matrix.indptr, matrix.indices, values, matrix.columns, keep)
    data = None if matrix.data is None else result[2]
    return Csr(result[0], result[1], data, matrix.rows)


@kernel(checked=False, small=True)
def _distinct(rows: Dense, columns: Dense, count: int) -> tuple[Ints, Dense]:
    """Build compressed rows of pairs without repeats; the columns of each row ascend."""
    ends = np.zeros(count + 1, np.int64)
    for row in rows:
        ends[row + 1] += 1
    for row in range(count):
        ends[row + 1] += ends[row]
    indices = np.empty(len(columns), np.int32)
    for i in range(len(rows)):  # `ends` holds the start of each row; after this loop its end
        indices[ends[rows[i]]] = columns[i]
        ends[rows[i]] += 1
    indptr, begin, at = np.zeros(count + 1, np.int64), 0, 0
    for row in range(count):
        indices[begin : ends[row]].sort()
        for column in indices[begin : ends[row]]:
            if at == indptr[row] or column != indices[at - 1]:
                indices[at] = column
                at += 1
        begin, indptr[row + 1] = ends[row], at
    return indptr, indices[:at].copy()


@kernel(checked=False, small=True)
def _exchange(
    indptr: Ints, indices: Array, values: Array, count: int, keep: bool
) -> tuple[Ints, Dense, Array]:
    """Compute the `count` compressed rows that `_turned` returns."""
    starts = np.zeros(count + 1, np.int64)
    for column in indices:
        starts[column + 1] += 1
    for row in range(count):
        starts[row + 1] += starts[row] + (indptr[row + 1] - indptr[row] if keep else 0)
    ends = starts[:-1].copy()
    columns = np.empty(starts[count], np.int32)
    moved = np.empty(starts[count], values.dtype)
    for row in range(len(indptr) - 1):
        for i in range(indptr[row], indptr[row + 1]):
            place = ends[indices[i]]
            columns[place], moved[place] = row, values[i]
            ends[indices[i]] += 1
            if keep:  # earlier rows already added the smaller columns of this row
                place = ends[row]
                columns[place], moved[place] = indices[i], values[i]
                ends[row] += 1
    return starts, columns, moved


def expand_rows(matrix: Csr) -> Dense:
    """Return the row of each entry, `[nnz]` int32."""
    return np.repeat(np.arange(matrix.rows, dtype=np.int32), matrix.degrees())
