"""Four methods that embed a small graph on one machine, behind one protocol.

`prone`     section 3.1 of ProNE (IJCAI 2019): a truncated SVD of the log matrix.
`netmf`     NetMF (WSDM 2018), equation 8: a truncated SVD of log max(1, M) with
            M = vol(G) / (b T) (sum_{r=1..T} P^r) D^-1, T = 10, b = 1. Dense: for small pieces.
`deepwalk`  DeepWalk (KDD 2014) with negative sampling: 10 walks of 40 from each node, window 5.
            Departure: one pass of plain SGD in the order of the walks, so it repeats to the bit.
`cleora`    Cleora (2021): Markov propagation of random vectors, rows normalized each time, then
            whitened.

All are deterministic in (graph, dim, seed).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.partition.pieces import make_piece
from graphagg.embedding.prone.matrix import arriving, log_matrix, raised, strengths, truncated_svd
from graphagg.embedding.prone.sparse import gram, multiply, normalize_rows, row_sums
from graphagg.errors import PieceTooLarge
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel

NETMF_NODES = 20_000
_NETMF_WINDOW = 10
_WALKS, _WALK_LENGTH, _WINDOW, _NEGATIVES = 10, 40, 5, 5
_RATE = 0.025
_CLEORA_ROUNDS = 4
_ITERATIONS = 5


class BaseEmbedder(Protocol):
    """Embeds a small graph."""

    def __call__(self, matrix: Csr, dim: int, seed: list[int]) -> Array:
        """Vectors `[n, dim]` float32 of a symmetric weighted matrix `[n, n]`.

        Nodes without an edge, and directions that the graph does not have, are zeros.
        """


def prone(matrix: Csr, dim: int, seed: list[int]) -> Array:
    """Factorize the log matrix; see the head of this file."""
    piece = make_piece(
        0, np.array([0, matrix.rows]), expand_rows(matrix), matrix.indices, matrix.entries
    )
    strength = strengths(piece)
    q = raised(arriving(piece, strength[piece.columns]))
    log_q = np.full(matrix.rows, 0.0)
    filled = q > 0
    log_q[filled] = np.log(q[filled]) - np.log(q.sum())
    logs = log_matrix(piece, np.where(filled, strength, 1.0), log_q[piece.columns])
    left, singular, _ = truncated_svd(logs, dim, _ITERATIONS, seed)
    return _padded(left * np.sqrt(singular), dim)


def netmf(matrix: Csr, dim: int, seed: list[int]) -> Array:
    """Factorize DeepWalk's matrix in closed form.

    Raises:
        PieceTooLarge: over 20,000 nodes; the matrix is dense.
    """
    n = matrix.rows
    if n > NETMF_NODES:
        raise PieceTooLarge(
            f"a piece of {n:,} nodes, base 'netmf' takes {NETMF_NODES:,} at most, for its matrix "
            "is dense; give more --pieces, or take base prone"
        )
    step, degree, inverse = _transitions(matrix)
    power = np.eye(n, dtype=np.float32)
    total = np.zeros((n, n), dtype=np.float32)
    for _ in range(_NETMF_WINDOW):
        power = multiply(step, power)
        total += power
    total *= (degree.sum() / _NETMF_WINDOW * inverse)[None, :].astype(np.float32)
    logs = np.log(np.maximum(total, 1.0))
    from scipy.sparse import csr_array

    sparse = csr_array(logs)
    sparse_logs = Csr(sparse.indptr.astype(np.int64), sparse.indices, sparse.data, n)
    left, singular, _ = truncated_svd(sparse_logs, dim, _ITERATIONS, seed)
    return _padded(left * np.sqrt(singular), dim)


def deepwalk(matrix: Csr, dim: int, seed: list[int]) -> Array:
    """Skip-gram with negative sampling over random walks."""
    generator = np.random.default_rng(seed)
    n = matrix.rows
    sums = np.concatenate([[0.0], np.cumsum(matrix.entries, dtype=np.float64)])
    degree = row_sums(matrix.indptr, matrix.entries)
    graph = _Graph(matrix.indptr, matrix.indices, sums, np.cumsum(degree**0.75))
    center = ((generator.random((n, dim)) - 0.5) / dim).astype(np.float32)
    model = _Model(center, np.zeros((n, dim), dtype=np.float32))
    starts = np.flatnonzero(degree > 0)
    state = int(generator.integers(1, 2**31 - 1))
    for turn in range(_WALKS):
        order = generator.permutation(starts)
        state = _train(graph, model, order, _RATE * (1 - turn / _WALKS), state)
    center[degree == 0] = 0
    return center


class _Graph(NamedTuple):
    """What walks and negative samples are drawn from.

    Attributes:
        indptr: `[n + 1]` of the rows.
        indices: `[nnz]` columns.
        sums: `[nnz + 1]` running sums of the weights.
        noise: `[n]` running sums of degree^0.75.
    """

    indptr: Array
    indices: Array
    sums: Array
    noise: Array


class _Model(NamedTuple):
    """The vectors of nodes as centers and as contexts, `[n, dim]` float32, trained in place."""

    center: Array
    context: Array


@kernel
def _train(graph: _Graph, model: _Model, order: Array, rate: float, state: int) -> int:
    """Train on one walk from each node of `order`; the state that the next call begins with."""
    np.random.seed(state)  # noqa: NPY002  # numba has no Generator with a seed
    walk = np.empty(_WALK_LENGTH, dtype=np.int64)
    pull = np.empty(model.center.shape[1], dtype=np.float32)
    for start in order:
        walk[0] = start
        for i in range(1, _WALK_LENGTH):
            low, high = graph.indptr[walk[i - 1]], graph.indptr[walk[i - 1] + 1]
            # A neighbor in proportion to its weight, by bisection of the running sums; `min`, for
            # rounding may draw the very end of the last interval.
            between = graph.sums[high] - graph.sums[low]
            drawn = graph.sums[low] + np.random.random() * between  # noqa: NPY002
            step = np.searchsorted(graph.sums[low + 1 : high + 1], drawn, side="right")
            walk[i] = graph.indices[min(low + step, high - 1)]
        for i in range(_WALK_LENGTH):
            # A window of random width weighs near contexts more, as in word2vec.
            reach = 1 + int(np.random.random() * _WINDOW)  # noqa: NPY002
            for j in range(max(0, i - reach), min(_WALK_LENGTH, i + reach + 1)):
                if i != j:
                    _step(model.center[walk[i]], walk[j], model.context, graph.noise, pull, rate)
    return np.random.randint(1, 2**31 - 1)  # noqa: NPY002


@kernel(fastmath=True)
def _step(
    center: Array, target: int, context: Array, noise: Array, pull: Array, rate: float
) -> None:
    """One step of gradient descent for a pair and its negative samples, in place."""
    # The center moves once, after all samples: until then its change is gathered in `pull`.
    pull[:] = 0
    for draw in range(_NEGATIVES + 1):
        other, label = target, 1.0
        if draw > 0:
            drawn = np.random.random() * noise[-1]  # noqa: NPY002
            other, label = min(np.searchsorted(noise, drawn, side="right"), len(noise) - 1), 0.0
            if other == target:
                continue
        dot = np.float32(0)
        for k in range(len(center)):
            dot += center[k] * context[other, k]
        error = np.float32(rate * (label - 1.0 / (1.0 + np.exp(-dot))))
        for k in range(len(center)):
            pull[k] += error * context[other, k]
            context[other, k] += error * center[k]
    for k in range(len(center)):
        center[k] += pull[k]


def cleora(matrix: Csr, dim: int, seed: list[int]) -> Array:
    """Normalized Markov propagation of random vectors, whitened."""
    generator = np.random.default_rng(seed)
    step, degree, _ = _transitions(matrix)
    rows = generator.uniform(-1, 1, (matrix.rows, dim)).astype(np.float32)
    for _ in range(_CLEORA_ROUNDS):
        rows = normalize_rows(multiply(step, rows))
    return _whitened(rows, degree > 0)


def _transitions(matrix: Csr) -> tuple[Csr, Array, Array]:
    """P = D^-1 A, the diagonal of D, and that of D^-1 (0 for nodes without an edge)."""
    degree = row_sums(matrix.indptr, matrix.entries)
    inverse = np.where(degree > 0, 1.0 / np.maximum(degree, 1e-30), 0.0)
    values = (matrix.entries * np.repeat(inverse, matrix.degrees())).astype(np.float32)
    return Csr(matrix.indptr, matrix.indices, values, matrix.columns), degree, inverse


def _whitened(rows: Array, filled: Array) -> Array:
    from scipy.linalg import eigh

    centered = rows - np.where(filled[:, None], rows[filled].mean(axis=0), 0)
    values, vectors = eigh(gram(centered) / max(int(filled.sum()), 1))
    scale = np.where(values > 1e-9 * values[-1], np.maximum(values, 1e-30) ** -0.5, 0.0)
    turned: Array = (centered @ (vectors * scale)).astype(np.float32)
    return turned


def _padded(rows: Array, dim: int) -> Array:
    whole = np.zeros((len(rows), dim), dtype=np.float32)
    whole[:, : rows.shape[1]] = rows
    return whole


BASES: dict[str, BaseEmbedder] = {
    "prone": prone,
    "netmf": netmf,
    "deepwalk": deepwalk,
    "cleora": cleora,
}
