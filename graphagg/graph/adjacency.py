"""From pairs of dense vertex numbers to compressed rows.

A pair is one 64-bit key, `row << 32 | column`, so that ascending keys are the rows in their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Doubles
from graphagg.errors import needs
from graphagg.graph.csr import Csr

Dense = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]

_ROW = np.uint64(32)


def pair_keys(rows: Array, columns: Array) -> Keys:
    """The keys of pairs, `[E]`."""
    return (rows.astype(np.uint64) << _ROW) | columns.astype(np.uint64)


def pairs_of(keys: Keys) -> tuple[Array, Dense]:
    """The rows `[E]` int64 and the columns of keys."""
    return (keys >> _ROW).astype(np.int64), keys.astype(np.uint32).astype(np.int32)


def merge_repeats(keys: Keys, weights: Array | None) -> tuple[Keys, Doubles | None]:
    """Sort keys and drop repeats; their weights are added up in float64, the smallest first.

    So sums do not depend on the order of the pairs.
    """
    if weights is None:
        keys = np.sort(keys, kind="stable")  # joined runs, each ascending, are merged
    else:
        order = np.lexsort((weights, keys))
        keys, weights = keys[order], weights[order]
    first = np.ones(len(keys), dtype=np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    if weights is None:
        return keys[first], None
    sums: Doubles = np.bincount(np.cumsum(first) - 1, weights)  # type: ignore[assignment]
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

    The columns of each row ascend. Weights `[E]` of repeated pairs are summed as `merge_repeats`
    does; a sum becomes float32. `symmetric` takes each pair both ways; `loops` keeps pairs of equal
    numbers. Also returns the number of repeated pairs.
    """
    if not loops:
        is_edge = rows != columns
        rows, columns = rows[is_edge], columns[is_edge]
        weights = None if weights is None else weights[is_edge]
    if symmetric:
        rows, columns = np.minimum(rows, columns), np.maximum(rows, columns)
    pairs, sums = len(rows), None
    if weights is not None:
        keys, sums = merge_repeats(pair_keys(rows, columns), weights)
        rows, columns = pairs_of(keys)
        sums = np.asarray(sums, dtype=np.float32)
    ones = np.ones(len(rows), dtype=np.int8)
    matrix = scipy_sparse().coo_array((ones, (rows, columns)), shape=shape).tocsr()
    repeats = pairs - matrix.nnz
    if symmetric:
        # SciPy drops the zeros of a sum: the number of each entry, from 1, stands for its weight.
        matrix.data = np.arange(1, matrix.nnz + 1, dtype=matrix.indices.dtype)
        matrix = matrix + matrix.T
        sums = None if sums is None else sums[matrix.data - 1]
    return _csr(matrix, sums, shape[1]), repeats


def transpose(matrix: Csr) -> Csr:
    """Rows and columns exchanged, with their values if there are any; O(nnz)."""
    values = matrix.indices if matrix.data is None else matrix.data
    shape = (matrix.rows, matrix.columns)
    turned = scipy_sparse().csr_array((values, matrix.indices, matrix.indptr), shape=shape).tocsc()
    return _csr(turned, None if matrix.data is None else turned.data, matrix.rows)


def _csr(matrix: Any, data: Array | None, columns: int) -> Csr:
    """The rows of a SciPy matrix."""
    indices = matrix.indices.astype(np.int32, copy=False)
    return Csr(matrix.indptr.astype(np.int64), indices, data, columns)


def expand_rows(matrix: Csr) -> Dense:
    """The row of each entry, `[nnz]` int32."""
    return np.repeat(np.arange(matrix.rows, dtype=np.int32), matrix.degrees())


def scipy_sparse() -> Any:
    """Import `scipy.sparse`; raises `MissingExtra`."""
    with needs("scipy", "communities"):
        import scipy.sparse
    return scipy.sparse
