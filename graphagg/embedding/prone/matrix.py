"""The matrix that `prone` factorizes, and the decomposition of one of its pieces.

Paper: ProNE (IJCAI 2019), section 3.1: with P_ij = w_ij / D_i, D_i = sum_j w_ij and
q_j = (sum_i P_ij)^0.75 normalized to sum 1,

    F_ij = ln P_ij - ln q_j    for edges only.

The paper's code uses 1 negative sample, so the term ln 1 is 0. Values below 0 are kept.
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array, Floats
from graphagg.embedding.partition.pieces import Piece
from graphagg.embedding.sparse import row_sums, sparse_array
from graphagg.errors import needs
from graphagg.graph.csr import Csr

POWER = 0.75
OVERSAMPLES, ITERATIONS = 10, 3
"""Extra columns, and power iterations, of a piece's randomized decomposition."""


def strengths(piece: Piece) -> Array:
    """Return D of the piece's rows, `[owned + p]` float64; rows of hubs are partial sums."""
    return row_sums(piece.matrix, piece.matrix.entries)


def arriving(piece: Piece, strength: Array) -> Array:
    """Return sum_i P_ij of rows j, `[owned + p]` float64; `strength` `[c]` is D of the columns."""
    values = piece.matrix.entries / strength[piece.matrix.indices]
    return row_sums(piece.matrix, values)


def log_matrix(piece: Piece, strength: Array, log_q: Array) -> Csr:
    """Compute F for the piece's entries, float32.

    `strength` `[owned + p]` is D of its rows, complete also for hubs; `log_q` `[c]` is ln q of its
    columns.
    """
    lengths = piece.matrix.degrees()
    row = np.repeat(np.log(strength), lengths)
    values = np.log(piece.matrix.entries.astype(np.float64)) - row - log_q[piece.matrix.indices]
    return piece.with_values(values.astype(np.float32))


def smoothing(piece: Piece, strength: Array, loops: Array) -> Csr:
    """Compute D1^-1 A for the piece's entries, float32; the diagonal (loops) is added elsewhere.

    `strength` and `loops` `[owned + p]` are D and the loop of each row, complete also for hubs.
    """
    scale = 1.0 / (strength + loops)
    values = piece.matrix.entries * np.repeat(scale, piece.matrix.degrees())
    return piece.with_values(values.astype(np.float32))


def scaled_right_vectors(matrix: Csr, rank: int, seed: list[int]) -> Floats:
    """Return V S of a randomized SVD `matrix ~ U S V^T`, `[columns, r]` float32, with fixed signs.

    `seed` holds the seeds of the run and of the piece; r is less than `rank` for a small matrix.
    """
    with needs("scikit-learn", "embedding"):
        from sklearn.utils.extmath import randomized_svd
    columns = min(rank, matrix.rows, matrix.columns)
    if not columns:  # all nodes of the piece are hubs
        return np.zeros((matrix.columns, 0), dtype=np.float32)
    _, singular, right = randomized_svd(
        sparse_array(matrix),
        columns,
        n_oversamples=OVERSAMPLES,
        n_iter=ITERATIONS,
        power_iteration_normalizer="QR",
        random_state=np.random.RandomState(seed),
    )
    return np.ascontiguousarray((singular[:, None] * right).T, dtype=np.float32)
