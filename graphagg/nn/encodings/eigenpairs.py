"""The lowest eigenpairs of the Laplacian of one connected graph.

Small graphs are solved densely, large ones by ARPACK's Lanczos (`scipy.sparse.linalg.eigsh`). Long
thin graphs (grids, roads, trees), on which products alone need very many restarts, have small
factors. If the reverse Cuthill-McKee envelope, which bounds the fill, holds at most 2 n^1.5
entries, the operator is (L + shift)^-1, otherwise bound - L.

In exact arithmetic one start finds one vector of each eigenspace; rounding brings in the others
eventually. So a second random start, orthogonal to all vectors found, looks for a missing copy of a
repeated eigenvalue, until it finds nothing below the largest eigenvalue wanted.

The constant vector of eigenvalue 0 is known and projected out of the sparse search.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csc_array, csr_array, diags_array, eye_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh, splu

from graphagg.arrays import Doubles
from graphagg.errors import GraphAggError

_Operator = Callable[[Doubles], Doubles]

_ROOM = 24  # ARPACK's basis has this many vectors more than twice the wanted ones
_TOLERANCE = 1e-12  # of an eigenvalue of the operator, relative to it
_COARSE = 1e-3  # enough to distinguish two eigenvalues
# Residuals |L v - l v| must fall below _APART times the smallest eigenvalue, so that vectors with
# eigenvalues this close are separated; clipped to these parts of the bound on the spectrum.
_APART, _FINEST, _COARSEST = 1e-6, 2e-14, 1e-10
_PASSES = 20
_TINY = 64  # below this, all eigenvectors cost less than a choice of them
_SHIFT = 1e-6  # relative to the bound on the spectrum; keeps the shifted Laplacian definite
_SMALL, _MOST_ENTRIES = 10**6, 10**8  # envelopes that are always, or never, factored (1 GiB)


class NoConvergence(GraphAggError):
    """The eigenvectors of a large graph were not found to the tolerance."""

    exit_code = 1


def lowest(matrix: csr_array, count: int, dense_below: int) -> tuple[Doubles, Doubles]:
    """Find the `count` smallest eigenvalues of D - W, and their unit vectors.

    `matrix` is W of one component. If it has fewer than `dense_below` vertices, it is solved
    densely, in O(n^3).

    Returns `[m]` ascending values, the first 0, and vectors `[n, m]`, m = min(count, n). The
    vectors of a repeated eigenvalue are an arbitrary basis of its eigenspace. Raises
    `NoConvergence` if the residuals do not fall far enough.
    """
    degrees, size = matrix.sum(axis=1), matrix.shape[0]
    count = min(count, size)
    # Lanczos needs more vectors than the wanted ones.
    if size < max(dense_below, 4 * (count + _ROOM)):
        dense = np.diag(degrees) - matrix.toarray()
        if size < _TINY:
            values, vectors = np.linalg.eigh(dense)
        else:
            values, vectors = eigh(dense, subset_by_index=[0, count - 1])
        values[0] = 0.0
        return values[:count], vectors[:, :count]
    trivial = np.full(size, size**-0.5)
    if count == 1:
        return np.zeros(1), trivial[:, None]
    laplacian = csr_array(diags_array(degrees) - matrix)
    # No eigenvalue is above twice the largest degree.
    values, vectors = _sparse(laplacian, 2 * float(degrees.max()), trivial, count - 1)
    return np.append(0.0, values), np.column_stack([trivial, vectors])


def fix_signs(vectors: Doubles) -> Doubles:
    """Flip each column so that its first entry of (nearly) the largest size is positive."""
    if vectors.size == 0:
        return vectors
    sizes = np.abs(vectors)
    first = np.argmax(sizes >= sizes.max(axis=0) * (1 - 1e-6), axis=0)
    signs = np.where(vectors[first, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    fixed: Doubles = vectors * signs
    return fixed


def _sparse(matrix: Any, bound: float, trivial: Doubles, count: int) -> tuple[Doubles, Doubles]:
    operator, coarse = _operator(matrix, bound)
    vectors = _extreme(operator, trivial[:, None], count, _TOLERANCE)
    for _ in range(count):
        values, vectors = _rayleigh_ritz(matrix, vectors, trivial)
        deflated = np.column_stack([trivial, vectors])
        other = _extreme(operator, deflated, 1, coarse(float(values[count - 1])))
        if _rayleigh_ritz(matrix, other, trivial)[0][0] >= (1 - _COARSE) * values[count - 1]:
            break
        vectors = np.hstack([vectors, _extreme(operator, deflated, 1, _TOLERANCE)])
    allowed = residual = np.inf
    for _ in range(_PASSES):
        # Subspace iteration removes the traces of other vectors that rounding left in copies.
        values, vectors = _rayleigh_ritz(matrix, vectors, trivial)
        misfit = matrix @ vectors[:, :count] - vectors[:, :count] * values[:count]
        residual = float(np.linalg.norm(misfit, axis=0).max())
        allowed = float(np.clip(_APART * values[0], _FINEST * bound, _COARSEST * bound))
        if residual <= allowed:
            return np.maximum(values[:count], 0), vectors[:, :count]
        vectors = np.column_stack([operator(vector) for vector in vectors.T])
    raise _no_convergence(
        count, len(trivial), f"the residual is {residual:.1e}, wanted {allowed:.1e}"
    )


def _operator(matrix: Any, bound: float) -> tuple[_Operator, Callable[[float], float]]:
    """An operator whose largest eigenvalues belong to the lowest eigenvectors of L.

    With it a function from an eigenvalue of L to a tolerance that separates it from deflated ones.
    """
    size = matrix.shape[0]
    if _envelope(matrix) > min(max(2 * size**1.5, _SMALL), _MOST_ENTRIES):
        return (
            lambda vector: np.asarray(bound * vector - matrix @ vector),
            lambda value: _COARSE * value / bound,
        )
    shifted = csc_array(matrix + _SHIFT * bound * eye_array(size))
    symmetric = {"SymmetricMode": True}
    factor = splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=symmetric)
    return factor.solve, lambda value: _COARSE


def _envelope(matrix: Any) -> int:
    """Count entries between the first of each row and the diagonal, in Cuthill-McKee order."""
    order = reverse_cuthill_mckee(matrix, symmetric_mode=True)
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    first = np.minimum.reduceat(position[matrix.indices], matrix.indptr[:-1])
    return int((position - np.minimum(first, position)).sum())


def _extreme(operator: _Operator, deflated: Doubles, count: int, tolerance: float) -> Doubles:
    """Find vectors of the operator's largest eigenvalues, orthogonal to `deflated` `[n, m]`."""
    size = len(deflated)

    def projected(vector: Doubles) -> Doubles:
        vector = vector.ravel()
        image = operator(vector - deflated @ (deflated.T @ vector))
        result: Doubles = image - deflated @ (deflated.T @ image)
        return result

    seed = size + deflated.shape[1] - 1
    # Newer versions of SciPy restart in an invariant subspace from this generator.
    seeded = {"rng": seed} if "rng" in inspect.signature(eigsh).parameters else {}
    try:
        _, vectors = eigsh(
            LinearOperator((size, size), matvec=projected, dtype=np.float64),
            k=count,
            which="LA",
            v0=np.random.default_rng(seed).standard_normal(size),
            ncv=min(size - 1, 2 * count + _ROOM),
            tol=tolerance,
            **seeded,
        )
    except ArpackError as error:
        raise _no_convergence(count, size, str(error)) from None
    return np.asarray(vectors).reshape(size, -1)


def _rayleigh_ritz(matrix: Any, block: Doubles, trivial: Doubles) -> tuple[Doubles, Doubles]:
    """Ritz values, ascending, and their vectors in the span of the block."""
    block, _ = np.linalg.qr(block - np.outer(trivial, trivial @ block))
    values, turn = np.linalg.eigh(block.T @ (matrix @ block))
    return values, block @ turn


def _no_convergence(count: int, size: int, why: str) -> NoConvergence:
    return NoConvergence(
        f"{count} eigenvectors of a graph of {size} vertices: {why}; ask for fewer vectors, or "
        "raise dense_below if the graph fits in memory as a dense matrix"
    )
