"""The truncated singular value decomposition of one piece, without communication."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.arrays import Floats
from graphagg.errors import MissingExtra
from graphagg.graph.csr import Csr

_OVERSAMPLES = 10


def scaled_right_vectors(matrix: Csr, rank: int, iterations: int, seed: list[int]) -> Floats:
    """V S of a randomized SVD `matrix ~ U S V^T`, `[columns, r]` float32.

    Args:
        matrix: a piece of the factorized matrix.
        rank: columns wanted; r is less where rows or columns are fewer.
        iterations: power iterations.
        seed: the seeds of the run and of the piece.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    _, singular, right = truncated_svd(matrix, rank, iterations, seed)
    return np.ascontiguousarray((singular[:, None] * right).T, dtype=np.float32)


def truncated_svd(
    matrix: Csr, rank: int, iterations: int, seed: list[int]
) -> tuple[Floats, Floats, Floats]:
    """U `[rows, r]`, S `[r]`, V^T `[r, columns]` of a randomized SVD, signs fixed."""
    try:
        from scipy.sparse import csr_array
        from sklearn.utils.extmath import randomized_svd
    except ImportError:
        raise MissingExtra("scikit-learn", "embedding") from None
    shape = (matrix.rows, matrix.columns)
    columns = min(rank, *shape)
    if not columns:  # a piece whose nodes are all hubs
        left, right = (np.zeros(size, dtype=np.float32) for size in ((shape[0], 0), (0, shape[1])))
        return left, np.zeros(0, dtype=np.float32), right
    sparse: Any = csr_array((matrix.data, matrix.indices, matrix.indptr), shape=shape)
    factors: tuple[Floats, Floats, Floats] = randomized_svd(
        sparse,
        columns,
        n_oversamples=_OVERSAMPLES,
        n_iter=iterations,
        power_iteration_normalizer="QR" if iterations else "none",
        random_state=np.random.RandomState(seed),
    )
    return factors
