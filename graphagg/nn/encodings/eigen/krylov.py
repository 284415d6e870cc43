"""Vectors M e_i, M^2 e_i, ... of each vertex i, held only where they are not 0.

For a symmetric M, the diagonals of its powers, or of any polynomial in it, are inner products of
such vectors: (M^(a+b))_ii = <M^a e_i, M^b e_i>. So K steps of a walk cost K/2 products with a
vector that lives on the ball of radius K/2 around its vertex. The work space is O(N) however many
vertices there are, and no column needs another.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from graphagg.arrays import Array, Doubles, Ints
from graphagg.nn.encodings.structure import Structure


def powers_diagonal(matrix: Structure, steps: int) -> Doubles:
    """diag(M^m) for m = 1..steps of a symmetric M, `[N, steps]`.

    O(sum over i of the entries within steps/2 hops of i, times steps).
    """
    half = (steps + 1) // 2
    products = _products(
        matrix.indptr, matrix.indices, matrix.weights, np.zeros(matrix.vertices), half, False
    )
    walked: Doubles = products[:, 1 : steps + 1]
    return walked


def chebyshev_diagonal(matrix: Structure, diagonal: Doubles, degree: int) -> Doubles:
    """diag(T_k(M)) for k = 0..degree of a symmetric M with spectrum in [-1, 1], `[N, degree + 1]`.

    `matrix` holds the entries off the diagonal, `diagonal` `[N]` those on it. By
    T_(a+b) = 2 T_a T_b - T_(a-b), with a - b at most 1.
    """
    half = (degree + 1) // 2
    products = _products(matrix.indptr, matrix.indices, matrix.weights, diagonal, half, True)
    found: Doubles = 2 * products[:, : degree + 1]
    found[:, ::2] -= 1.0
    if degree:
        found[:, 1::2] -= diagonal[:, None]
    return found


def returns(matrix: Structure, steps: int) -> Doubles:
    """diag(P^m) for m = 1..steps of any P, `[N, steps]`; balls of radius `steps`."""
    found: Doubles = _returns(matrix.indptr, matrix.indices, matrix.weights, steps)
    return found


@numba.njit(cache=True, nogil=True)
def _products(
    indptr: Ints, indices: Array, values: Doubles, diagonal: Doubles, half: int, chebyshev: bool
) -> Any:
    """`[N, 2 half + 1]`: <y_a, y_a> at 2a, <y_a, y_(a+1)> at 2a + 1, with y_a = M^a or T_a(M)."""
    size = len(indptr) - 1
    found = np.zeros((size, 2 * half + 1))
    older, now, new = np.zeros(size), np.zeros(size), np.zeros(size)
    seen = np.full(size, -1, dtype=np.int64)
    ball = np.empty(size, dtype=np.int64)
    for i in range(size):
        seen[i] = i
        ball[0] = i
        count = 1
        now[i] = 1.0
        found[i, 0] = 1.0
        for step in range(half):
            count = _step(indptr, indices, values, diagonal, now, new, seen, ball, count, i)
            square = cross = 0.0
            for t in range(count):
                u = ball[t]
                if chebyshev and step:
                    new[u] = 2 * new[u] - older[u]
                square += new[u] * new[u]
                cross += now[u] * new[u]
                older[u] = 0.0
            found[i, 2 * step + 1] = cross
            found[i, 2 * step + 2] = square
            older, now, new = now, new, older
        for t in range(count):
            older[ball[t]] = now[ball[t]] = 0.0
    return found


@numba.njit(cache=True, nogil=True)
def _step(
    indptr: Ints,
    indices: Array,
    values: Doubles,
    diagonal: Doubles,
    now: Doubles,
    new: Doubles,
    seen: Ints,
    ball: Ints,
    count: int,
    source: int,
) -> int:
    """Add M' now to new, and the vertices that it reaches to the ball; how many it holds then."""
    for t in range(count):
        u = ball[t]
        value = now[u]
        if value == 0.0:
            continue
        new[u] += diagonal[u] * value
        for e in range(indptr[u], indptr[u + 1]):
            v = indices[e]
            if seen[v] != source:
                seen[v] = source
                ball[count] = v
                count += 1
            new[v] += values[e] * value
    return count


@numba.njit(cache=True, nogil=True)
def _returns(indptr: Ints, indices: Array, values: Doubles, steps: int) -> Any:
    size = len(indptr) - 1
    found = np.zeros((size, steps))
    now, new, nothing = np.zeros(size), np.zeros(size), np.zeros(size)
    seen = np.full(size, -1, dtype=np.int64)
    ball = np.empty(size, dtype=np.int64)
    for i in range(size):
        seen[i] = i
        ball[0] = i
        count = 1
        now[i] = 1.0
        for step in range(steps):
            count = _step(indptr, indices, values, nothing, now, new, seen, ball, count, i)
            found[i, step] = new[i]
            for t in range(count):
                now[ball[t]] = 0.0
            now, new = new, now
        for t in range(count):
            now[ball[t]] = 0.0
    return found


@numba.njit(cache=True, nogil=True)
def reach(indptr: Ints, indices: Array, hops: int) -> Any:
    """How many vertices lie within `hops` steps of each vertex, itself included, `[N]`."""
    size = len(indptr) - 1
    found = np.zeros(size, dtype=np.int64)
    seen = np.full(size, -1, dtype=np.int64)
    ball = np.empty(size, dtype=np.int64)
    for i in range(size):
        seen[i] = i
        ball[0] = i
        start, count = 0, 1
        for _ in range(hops):
            stop = count
            for t in range(start, stop):
                for e in range(indptr[ball[t]], indptr[ball[t] + 1]):
                    if seen[indices[e]] != i:
                        seen[indices[e]] = i
                        ball[count] = indices[e]
                        count += 1
            start = stop
        found[i] = count
    return found


@numba.njit(cache=True, nogil=True)
def walk_rows(indptr: Ints, indices: Array, values: Doubles, steps: int, offsets: Ints) -> Any:
    """Row i of P^0..P^(steps - 1) at the `offsets[i + 1] - offsets[i]` vertices next to i.

    Returns the columns `[offsets[-1]]`, ascending for each i, and the values `[.., steps]`.
    """
    size = len(indptr) - 1
    columns = np.empty(offsets[size], dtype=np.int64)
    found = np.zeros((offsets[size], steps))
    now, new, nothing = np.zeros(size), np.zeros(size), np.zeros(size)
    seen = np.full(size, -1, dtype=np.int64)
    ball = np.empty(size, dtype=np.int64)
    for i in range(size):
        _hops(indptr, indices, seen, ball, i, offsets[i + 1] - offsets[i])
        kept = columns[offsets[i] : offsets[i + 1]]
        kept[:] = np.sort(ball[: len(kept)])
        for t in range(len(kept)):
            seen[kept[t]] = -1
        seen[i] = i
        ball[0] = i
        count = 1
        now[i] = 1.0
        for step in range(steps):
            for t in range(len(kept)):
                found[offsets[i] + t, step] = now[kept[t]]
            count = _step(indptr, indices, values, nothing, now, new, seen, ball, count, i)
            for t in range(count):
                now[ball[t]] = 0.0
            now, new = new, now
        for t in range(count):
            now[ball[t]] = 0.0
    return columns, found


@numba.njit(cache=True, nogil=True)
def _hops(indptr: Ints, indices: Array, seen: Ints, ball: Ints, source: int, wanted: int) -> None:
    """Fill the ball with the `wanted` vertices next to the source, in the order of their hops."""
    seen[source] = source
    ball[0] = source
    count, t = 1, 0
    while count < wanted:
        for e in range(indptr[ball[t]], indptr[ball[t] + 1]):
            v = indices[e]
            if seen[v] != source:
                seen[v] = source
                ball[count] = v
                count += 1
        t += 1
