"""Lanczos for the low end of a Laplacian: by a sparse factor, or by a Chebyshev polynomial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from graphagg.arrays import Doubles
from graphagg.nn.encodings.structure import CompressedRows

_TOLERANCE = 1e-12  # of an eigenvalue of the operator, relative to it
_COARSER = 1e-10  # a first attempt: a filter is steep where the wanted eigenvalues are
# A residual |L v - l v| must fall below this part of the smallest eigenvalue, so that vectors whose
# eigenvalues lie as close as that are told apart; within these parts of the bound on the spectrum.
_APART = 1e-6
_FINEST, _COARSEST = 2e-14, 1e-10
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
        solve = _shifted_inverse(matrix, bound)
        return _with_copies(matrix, solve, trivial, count, _Effort(_TOLERANCE, _NEARLY, 24))
    # Rows of equal length side by side: the loop over a row is then foreseen, a third of the time.
    order = np.argsort(-np.diff(matrix.indptr), kind="stable")
    sorted_matrix = _csr(matrix[order][:, order])
    above = _estimate(sorted_matrix, trivial[order], count)
    damp = chebyshev_of(sorted_matrix, bound, above)
    in_order = _filtered_lanczos(sorted_matrix, bound, damp, trivial[order], count)
    found = np.empty_like(in_order)
    found[order] = in_order
    return found


def _filtered_lanczos(
    matrix: Any, bound: float, damp: Callable[[Doubles], Doubles], trivial: Doubles, count: int
) -> Doubles:
    """What `lanczos` returns, by a filter: with less effort where that is seen to be enough.

    It is where the residuals are small enough and a second start finds no copy. Where eigenvalues
    are repeated, the vectors found must be exact to rounding, or their copies are lost among them.
    """
    found = _largest(damp, trivial[:, None], count, _COARSER, 8)
    if found.shape[1] == count:
        values = _rayleigh(matrix, found)
        residuals = np.linalg.norm(matrix @ found - found * values, axis=0)
        more = _largest(damp, np.column_stack([trivial, found]), 1, _ROUGHLY, 10)
        alone = not more.size or _rayleigh(matrix, more)[0] >= (1 - _ROUGHLY) * values.max()
        if alone and residuals.max() <= allowed_residual(float(values.min()), bound):
            return np.hstack([found, more])
    return _with_copies(matrix, damp, trivial, count, _Effort(_TOLERANCE, _ROUGHLY, 24))


def allowed_residual(smallest: float, bound: float) -> float:
    """Below this a residual |L v - l v| tells eigenvalues apart that lie as close as is asked for.

    Args:
        smallest: the smallest wanted eigenvalue.
        bound: on the spectrum.
    """
    return float(np.clip(_APART * smallest, _FINEST * bound, _COARSEST * bound))


class _Effort(NamedTuple):
    """How far Lanczos goes.

    Attributes:
        tolerance: for the wanted vectors, relative to an eigenvalue of the operator.
        nearly: for one that must only be told from another.
        room: vectors beside twice the wanted ones; each is kept orthogonal in every step, which a
            filter of a sparse matrix makes the larger part of a step.
    """

    tolerance: float
    nearly: float
    room: int


def _with_copies(
    matrix: Any, operator: Callable[[Doubles], Doubles], trivial: Doubles, count: int,
    effort: _Effort,
) -> Doubles:  # fmt: skip
    """What `lanczos` returns, by the operator whose largest eigenvalues are the wanted ones."""
    found = _largest(operator, trivial[:, None], count, effort.tolerance, effort.room)
    if found.shape[1] < count:
        return found
    for _ in range(count + 1):
        # In exact arithmetic one start finds one copy of each eigenvalue; rounding brings in the
        # others, in time. Another start, away from all that is found, has what is missing.
        last = np.sort(_rayleigh(matrix, found))[count - 1]
        more = _largest(operator, np.column_stack([trivial, found]), 1, effort.nearly, 10)
        found = np.hstack([found, more])
        if not more.size or _rayleigh(matrix, more)[0] >= (1 - effort.nearly) * last:
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
    center, half, degree = _filter(bound, above)
    older, now = block, np.asarray((matrix @ block - center * block) / half)
    for _ in range(degree - 1):
        new = matrix @ now
        new -= center * now
        new *= 2 / half
        new -= older
        older, now = now, new
    return now


def _filter(bound: float, above: float) -> tuple[float, float, int]:
    """Center and half width of what is damped, and the degree of the polynomial."""
    above = min(max(above, 1e-12 * bound), 0.9 * bound)
    center, half = (bound + above) / 2, (bound - above) / 2
    growth = float(np.arccosh(center / half))  # of the eigenvalue 0, a degree
    return center, half, 2 * int(np.clip(np.ceil(_AMPLIFY / growth), *_DEGREES) // 2)


def chebyshev_of(matrix: Any, bound: float, above: float) -> Callable[[Doubles], Doubles]:
    """The filter of `chebyshev` for one vector at a time, in one pass over memory a degree."""
    from scipy.sparse import eye_array

    center, half, degree = _filter(bound, above)
    mapped = _csr((2 / half) * (matrix - center * eye_array(matrix.shape[0])))
    # Without a sign, an index needs no test for counting from the end.
    kind = np.uint32 if mapped.nnz < 2**32 else np.uint64
    rows = CompressedRows(mapped.indptr.astype(kind), mapped.indices.astype(kind), mapped.data)

    def apply(vector: Doubles) -> Doubles:
        older, now = vector.copy(), np.empty_like(vector)
        _step(rows, vector, now, 0.5)
        for _ in range(degree - 1):
            _step(rows, now, older, 1.0)
            older, now = now, older
        return now

    return apply


def _csr(matrix: Any) -> Any:
    """The matrix by rows, with 32-bit indices where they are enough: half the memory to read."""
    from scipy.sparse import csr_array

    rows = csr_array(matrix)
    rows.sort_indices()
    if rows.nnz < 2**31:
        rows.indptr, rows.indices = rows.indptr.astype(np.int32), rows.indices.astype(np.int32)
    return rows


@numba.njit(cache=True, nogil=True)
def _step(matrix: CompressedRows, now: Doubles, into: Doubles, scale: float) -> None:
    """Into <- scale M now - into, or with half of M, in the first step, M now / 2."""
    for row in range(len(into)):
        total = 0.0
        for e in range(matrix.indptr[row], matrix.indptr[row + 1]):
            total += matrix.weights[e] * now[matrix.indices[e]]
        into[row] = scale * total if scale != 1.0 else total - into[row]


def _estimate(matrix: Any, trivial: Doubles, count: int) -> float:
    """A Ritz value a little beyond the wanted ones: an upper bound on an eigenvalue there."""
    from scipy.linalg import eigh_tridiagonal

    steps = min(2 * count + 40, len(trivial) // 2)
    basis = np.empty((steps + 1, len(trivial)))
    basis[0] = trivial
    vector = np.random.default_rng(len(trivial)).standard_normal(len(trivial))
    alphas, betas = [], []
    for step in range(1, steps + 1):
        done = basis[:step]
        for _ in range(2):  # twice is enough for vectors orthogonal to rounding
            vector -= (done @ vector) @ done
        length = float(np.linalg.norm(vector))
        betas.append(length)
        np.divide(vector, length, out=basis[step])
        vector = matrix @ basis[step]
        alphas.append(float(basis[step] @ vector))
    ritz = eigh_tridiagonal(np.array(alphas), np.array(betas[1:]), eigvals_only=True)
    return float(ritz[min(count + _GUARD, len(ritz) - 1)])


def _rayleigh(matrix: Any, vectors: Doubles) -> Doubles:
    found: Doubles = (vectors * (matrix @ vectors)).sum(axis=0)
    return found


def _largest(
    multiply: Callable[[Doubles], Doubles],
    known: Doubles,
    count: int,
    tolerance: float,
    room: int,
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
            ncv=min(size - 1, 2 * count + room),
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
