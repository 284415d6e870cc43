"""Lanczos for the low end of a Laplacian: by a sparse factor, or by a Chebyshev polynomial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphagg.arrays import Doubles

_TOLERANCE = 1e-12  # of an eigenvalue of the operator, relative to it
# Where an eigenvalue must only be told from another one: cheap with a factor, costly without.
_NEARLY, _ROUGHLY = 1e-6, 1e-2
_RESTARTS = 60
_AMPLIFY = 9.0  # a filter multiplies the vector of eigenvalue 0 by about e^9
_DEGREES = (4, 600)
_GUARD = 8  # Ritz values beyond the wanted ones, where the filter's damping begins
_SHIFT = 1e-6  # relative to the bound on the spectrum; keeps the shifted Laplacian definite
_MOST_ENTRIES = 10**8  # of the envelope, so that a factor stays below a GiB


def lanczos(matrix: Any, bound: float, trivial: Doubles, count: int) -> Doubles:
    """Vectors of the `count` smallest eigenvalues but the trivial, as far as they converge.

    Long thin graphs (grids, roads, trees), on which products alone need very many restarts, are
    the ones whose factors are small: where the reverse Cuthill-McKee envelope, which bounds the
    fill, holds at most 2 n^1.5 entries, the operator is (L + shift)^-1. Elsewhere it is a Chebyshev
    polynomial of L that damps what lies above a first estimate of the wanted eigenvalues: fewer
    vectors to keep orthogonal for the same number of products than with L itself.

    Args:
        matrix: `[n, n]` sparse Laplacian of a connected graph.
        bound: at least its largest eigenvalue.
        trivial: `[n]` unit vector of eigenvalue 0; projected out.
        count: how many, below n.

    Returns:
        `[n, m]`, orthonormal: those that converged, the copies that one start does not find, and
        one vector more, the lowest that is left, nearly.
    """
    if _envelope(matrix) <= min(2 * matrix.shape[0] ** 1.5, _MOST_ENTRIES):
        operator, tolerance = _shifted_inverse(matrix, bound), _NEARLY
    else:
        above, tolerance = _estimate(matrix, trivial, count), _ROUGHLY

        def operator(v: Doubles) -> Doubles:
            return chebyshev(matrix, bound, v, above)

    found = _largest(operator, trivial[:, None], count, _TOLERANCE)
    if found.shape[1] < count:
        return found
    for _ in range(count + 1):
        # In exact arithmetic one start finds one copy of each eigenvalue; rounding brings in the
        # others, in time. Another start, away from all that is found, has what is missing.
        last = np.sort(_rayleigh(matrix, found))[count - 1]
        more = _largest(operator, np.column_stack([trivial, found]), 1, tolerance)
        found = np.hstack([found, more])
        if not more.size or _rayleigh(matrix, more)[0] >= (1 - tolerance) * last:
            break
    return found


def chebyshev(matrix: Any, bound: float, block: Doubles, above: float) -> Doubles:
    """T_m(t(L)) block, with t mapping [above, bound] to [-1, 1]; what lies below `above` grows.

    Args:
        matrix: L, `[n, n]`.
        bound: at least its largest eigenvalue.
        block: `[n]` or `[n, w]`.
        above: where the damped part of the spectrum begins. The even degree m follows from it.
    """
    above = min(max(above, 1e-12 * bound), 0.9 * bound)
    center, half = (bound + above) / 2, (bound - above) / 2
    growth = float(np.arccosh(center / half))  # of the eigenvalue 0, a degree
    degree = 2 * int(np.clip(np.ceil(_AMPLIFY / growth), *_DEGREES) // 2)
    older, now = block, np.asarray((matrix @ block - center * block) / half)
    for _ in range(degree - 1):
        new = matrix @ now
        new -= center * now
        new *= 2 / half
        new -= older
        older, now = now, new
    return now


def _estimate(matrix: Any, trivial: Doubles, count: int) -> float:
    """A Ritz value a little beyond the wanted ones: an upper bound on an eigenvalue there."""
    from scipy.linalg import eigh_tridiagonal

    basis = [trivial]
    vector = np.random.default_rng(len(trivial)).standard_normal(len(trivial))
    alphas, betas = [], []
    for _ in range(min(2 * count + 40, len(trivial) // 2)):
        done = np.array(basis)
        for _ in range(2):  # twice is enough for vectors orthogonal to rounding
            vector -= done.T @ (done @ vector)
        length = float(np.linalg.norm(vector))
        betas.append(length)
        basis.append(vector / length)
        vector = matrix @ basis[-1]
        alphas.append(float(basis[-1] @ vector))
    ritz = eigh_tridiagonal(np.array(alphas), np.array(betas[1:]), eigvals_only=True)
    return float(ritz[min(count + _GUARD, len(ritz) - 1)])


def _rayleigh(matrix: Any, vectors: Doubles) -> Doubles:
    found: Doubles = (vectors * (matrix @ vectors)).sum(axis=0)
    return found


def _largest(
    multiply: Callable[[Doubles], Doubles], known: Doubles, count: int, tolerance: float
) -> Doubles:
    """Vectors of the operator's largest eigenvalues, orthogonal to the columns of `known`."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    size = len(known)

    def projected(vector: Doubles) -> Doubles:
        vector = vector.ravel()
        out = multiply(vector - known @ (known.T @ vector))
        result: Doubles = out - known @ (known.T @ out)
        return result

    try:
        _, vectors = eigsh(
            LinearOperator((size, size), matvec=projected, dtype=np.float64),
            k=count,
            which="LA",
            v0=np.random.default_rng(size + known.shape[1] - 1).standard_normal(size),
            ncv=min(size - 1, 2 * count + (10 if count == 1 else 24)),
            maxiter=_RESTARTS,
            tol=tolerance,
        )
    except ArpackNoConvergence as error:
        vectors = error.eigenvectors
    found: Doubles = np.asarray(vectors).reshape(size, -1)
    return found


def _envelope(matrix: Any) -> int:
    """Entries between the first of each row and the diagonal, in reverse Cuthill-McKee order."""
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    order = reverse_cuthill_mckee(matrix, symmetric_mode=True)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    first = np.minimum.reduceat(place[matrix.indices], matrix.indptr[:-1])
    return int((place - np.minimum(first, place)).sum())


def _shifted_inverse(matrix: Any, bound: float) -> Callable[[Doubles], Doubles]:
    from scipy.sparse import csc_array, eye_array
    from scipy.sparse.linalg import splu

    shifted = csc_array(matrix + _SHIFT * bound * eye_array(matrix.shape[0]))
    solve: Callable[[Doubles], Doubles] = splu(
        shifted,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    ).solve
    return solve
