"""Products of sparse and dense matrices, and sums that do not depend on how rows are shared out."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

import numpy as np

from graphagg.arrays import Array, Doubles, Mask, offsets
from graphagg.errors import MissingExtra
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel


def entries_where(matrix: Csr, kept: Mask) -> Csr:
    """The matrix with some of its entries, `kept` `[nnz]`; rows and columns stay."""
    indptr = offsets(kept)[matrix.indptr]
    return Csr(indptr, matrix.indices[kept], matrix.entries[kept], matrix.columns)


def multiply(matrix: Csr, dense: Array) -> Array:
    """`matrix @ dense`, `[rows, w]`, in the dtype of `dense`; O(nnz w).

    Each row is summed in the order of its columns, so that a row gives the same bits whether its
    piece is multiplied alone or the matrix as a whole.
    """
    out = np.zeros((matrix.rows, dense.shape[1]), dtype=dense.dtype)
    _multiply(matrix.indptr, matrix.indices, matrix.entries, np.ascontiguousarray(dense), out)
    return out


@kernel(nogil=True, small=True)
def _multiply(indptr: Array, indices: Array, data: Array, dense: Array, out: Array) -> None:
    """Add the product to `out`, a row of `dense` at a time."""
    # The innermost loop runs over neighbors in memory of both matrices, which the compiler turns
    # into vector instructions; each sum still goes through the columns in their order.
    width = dense.shape[1]
    for row in range(len(indptr) - 1):
        for i in range(indptr[row], indptr[row + 1]):
            value = data[i]
            column = indices[i]
            for j in range(width):
                out[row, j] += value * dense[column, j]


@kernel(nogil=True, small=True)
def row_sums(indptr: Array, values: Array) -> Array:
    """The sum of each row's values, `[rows]` float64, in the order of the entries."""
    sums = np.zeros(len(indptr) - 1, dtype=np.float64)
    for row in range(len(indptr) - 1):
        for i in range(indptr[row], indptr[row + 1]):
            sums[row] += values[i]
    return sums


def gram(rows: Array) -> Doubles:
    """`rows.T @ rows` in float64, `[w, w]`."""
    wide = rows.astype(np.float64)
    result: Doubles = wide.T @ wide
    return result


def normalize_rows(rows: Array) -> Array:
    """Rows of length 1, in the dtype given; rows of zeros stay."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    lengths[lengths == 0] = 1.0
    unit: Array = (rows / lengths[:, None]).astype(rows.dtype)
    return unit


def one_thread() -> Any:
    """Context manager: one thread for linear algebra, so that sums have one order."""
    return _libraries(len(sys.modules)).limit(limits=1)


@lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """The libraries with threads of their own; `modules` is the cache key, for imports add some.

    A look-up takes longer than a small task of Spark.
    """
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        raise MissingExtra("threadpoolctl", "embedding") from None
    return ThreadpoolController()
