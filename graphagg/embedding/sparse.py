"""Sparse-dense matrix products, and sums that do not depend on how rows are split."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

import numpy as np

from graphagg.arrays import Array, Doubles, Mask, offsets
from graphagg.errors import InvalidParameter, needs
from graphagg.graph.csr import Csr


def sparse_array(matrix: Csr) -> Any:
    """Wrap the matrix as a SciPy array that shares its values."""
    with needs("scipy", "embedding"):
        from scipy.sparse import csr_array
    shape = (matrix.rows, matrix.columns)
    return csr_array((matrix.entries, matrix.indices, matrix.indptr), shape=shape)


def entries_where(matrix: Csr, mask: Mask) -> Csr:
    """Keep only the entries where `mask` `[nnz]` is true; the shape does not change."""
    indptr = offsets(mask)[matrix.indptr]
    return Csr(indptr, matrix.indices[mask], matrix.entries[mask], matrix.columns)


def row_sums(matrix: Csr, values: Array) -> Array:
    """Sum the `values` `[nnz]` of each row in the order of the entries; `[rows]` float64."""
    rows = np.repeat(np.arange(matrix.rows), matrix.degrees())
    sums: Array = np.bincount(rows, values, matrix.rows)
    return sums


def gram(rows: Array) -> Doubles:
    """Compute `rows.T @ rows` in float64, `[w, w]`."""
    wide = rows.astype(np.float64)
    result: Doubles = wide.T @ wide
    return result


def normalize_rows(rows: Array) -> Array:
    """Scale rows to length 1, in their dtype; rows of zeros do not change."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    lengths[lengths == 0] = 1.0
    unit: Array = (rows / lengths[:, None]).astype(rows.dtype)
    return unit


def stored_rows(rows: Array, dtype: Any) -> Array:
    """Convert rows to the dtype of an index; `InvalidParameter` if a value is out of its range."""
    largest, limit = np.abs(rows).max(initial=0.0), np.finfo(dtype).max
    if not largest <= limit:  # also NaN
        raise InvalidParameter(
            f"dtype is {np.dtype(dtype).name!r}, which holds values up to {limit:.3g}, and a "
            f"vector has {largest:.3g}; scale the weights, or use dtype='float32'"
        )
    return rows.astype(dtype, copy=False)


def one_thread() -> Any:
    """Return a context manager that limits linear algebra to one thread, so sums are repeatable."""
    return _libraries(len(sys.modules)).limit(limits=1)


@lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """Find libraries with thread pools; `modules` is the cache key, since imports can add some.

    The result is cached because the search takes longer than a small Spark task.
    """
    with needs("threadpoolctl", "embedding"):
        from threadpoolctl import ThreadpoolController
    return ThreadpoolController()
