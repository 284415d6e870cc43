"""Vectors M e_i, M^2 e_i, ... of each vertex i, stored only at their nonzero entries.

For a symmetric M, the diagonal of a power consists of inner products of such vectors:
(M^(a+b))_ii = <M^a e_i, M^b e_i>. So K steps of a walk take K/2 products with a vector that is zero
outside the ball of radius K/2 around its vertex. The work space is O(N).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.kernels import kernel
from graphagg.nn.encodings.adjacency import CompressedRows


class Ball(NamedTuple):
    """The vertices reached by walks from one vertex, in the order of arrival.

    One pair of arrays serves all vertices in turn. `seen` needs no clearing: it stores, for each
    vertex, the last source whose ball reached it.
    """

    seen: Ints
    members: Ints


def powers_diagonal(matrix: CompressedRows, steps: int) -> Doubles:
    """diag(M^m) for m = 1..steps of a symmetric M, `[N, steps]`.

    O(sum over i of the entries within steps/2 hops of i, times steps).
    """
    walked: Doubles = _products(matrix, (steps + 1) // 2)[:, :steps]
    return walked


@kernel
def _products(matrix: CompressedRows, half: int) -> Any:
    """`[N, 2 half]`: <y_a, y_(a+1)> at 2a, <y_(a+1), y_(a+1)> at 2a + 1, with y_a = M^a e_i."""
    size = len(matrix.indptr) - 1
    products = np.zeros((size, 2 * half))
    now, new = np.zeros(size), np.zeros(size)
    ball = Ball(np.full(size, -1, dtype=np.int64), np.empty(size, dtype=np.int64))
    for i in range(size):
        count = _begin(ball, i)
        now[i] = 1.0
        for step in range(half):
            # `new` is all 0: it was `now` in the step before, which cleared it.
            count = _step(matrix, now, new, ball, count, i)
            square = cross = 0.0
            for t in range(count):
                u = ball.members[t]
                square += new[u] * new[u]
                cross += now[u] * new[u]
                now[u] = 0.0
            products[i, 2 * step] = cross
            products[i, 2 * step + 1] = square
            now, new = new, now
        # Only the ball was written, so only the ball is cleared: the cost stays local.
        _clear(now, ball, count)
    return products


@kernel
def _begin(ball: Ball, source: int) -> int:
    """Start the ball of `source` with itself; return its size, 1."""
    ball.seen[source] = source
    ball.members[0] = source
    return 1


@kernel
def _step(
    matrix: CompressedRows, now: Doubles, new: Doubles, ball: Ball, count: int, source: int
) -> int:
    """Add M' now to new, and the vertices reached to the ball; return its new size."""
    # The range uses the old `count`: vertices added in this loop are 0 in `now`.
    for t in range(count):
        u = ball.members[t]
        value = now[u]
        if value == 0.0:
            continue
        for e in range(matrix.indptr[u], matrix.indptr[u + 1]):
            v = matrix.indices[e]
            if ball.seen[v] != source:
                ball.seen[v] = source
                ball.members[count] = v
                count += 1
            new[v] += matrix.weights[e] * value
    return count


@kernel
def returns(matrix: CompressedRows, steps: int) -> Any:
    """diag(P^m) for m = 1..steps of any P, `[N, steps]`; balls of radius `steps`."""
    size = len(matrix.indptr) - 1
    probabilities = np.zeros((size, steps))
    now, new = np.zeros(size), np.zeros(size)
    ball = Ball(np.full(size, -1, dtype=np.int64), np.empty(size, dtype=np.int64))
    for i in range(size):
        count = _begin(ball, i)
        now[i] = 1.0
        for step in range(steps):
            count = _step(matrix, now, new, ball, count, i)
            probabilities[i, step] = new[i]
            _clear(now, ball, count)
            now, new = new, now
        _clear(now, ball, count)
    return probabilities


@kernel
def _clear(values: Doubles, ball: Ball, count: int) -> None:
    """Set the entries of the first `count` vertices of the ball to 0."""
    for t in range(count):
        values[ball.members[t]] = 0.0
