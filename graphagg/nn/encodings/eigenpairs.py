"""The lowest eigenpairs of the Laplacian of one connected graph.

Small graphs are solved densely, large ones by ARPACK's Lanczos (`scipy.sparse.linalg.eigsh`). Long
thin graphs (grids, roads, trees), on which products alone need very many restarts, have small
factors. If the reverse Cuthill-McKee envelope, which bounds the fill, holds at most 2 n^1.5
entries, the operator is (L + shift)^-1, otherwise bound - L.

In exact arithmetic one start finds one vector of each eigenspace; rounding brings in the others
eventually. So a second random start, orthogonal to all vectors found, looks for a missing copy of a
repeated eigenvalue, until it finds nothing below the largest eigenvalue wanted.

The trivial vector is known and projected out, so it is never among the vectors found.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from graphagg.arrays import Doubles
from graphagg.errors import GraphAggError
from graphagg.nn.encodings.adjacency import Component

Normalization = Literal["sym", "none"]
_Operator = Callable[[Doubles], Doubles]

_ROOM = 24  # ARPACK's basis has this many vectors more than twice the wanted ones
_TOLERANCE = 1e-12  # of an eigenvalue of the operator, relative to it
_COARSE = 1e-3  # enough to distinguish two eigenvalues
# Residuals |L v - l v| must fall below _APART times the smallest eigenvalue, so that vectors with
# eigenvalues this close are separated; clipped to these parts of the bound on the spectrum.
_APART, _FINEST, _COARSEST = 1e-6, 2e-14, 1e-10
_PASSES = 20
_SHIFT = 1e-6  # relative to the bound on the spectrum; keeps the shifted Laplacian definite
_SMALL, _MOST_ENTRIES = 10**6, 10**8  # envelopes that are always, or never, factored (1 GiB)


class NoConvergence(GraphAggError):
    """The eigenvectors of a large graph were not found to the tolerance."""

    exit_code = 1


def trivial_vector(component: Component, kind: Normalization) -> Doubles:
    """The unit vector of eigenvalue 0, `[n]`."""
    if component.size == 1:
        return np.ones(1)
    vector = np.ones(component.size) if kind == "none" else np.sqrt(component.degrees)
    unit: Doubles = vector / np.linalg.norm(vector)
    return unit


def lowest(
    component: Component, count: int, kind: Normalization, dense_below: int
) -> tuple[Doubles, Doubles]:
    """Find the `count` smallest eigenvalues above the trivial one, and their unit vectors.

    `kind` is "sym" (I - D^-1/2 W D^-1/2) or "none" (D - W). Graphs of fewer than `dense_below`
    vertices are solved densely, in O(n^3).

    Returns `[m]` ascending values and vectors `[n, m]`, m = min(count, n - 1). The vectors of a
    repeated eigenvalue are an arbitrary basis of its eigenspace. Raises `NoConvergence` if the
    residuals do not fall far enough.
    """
    count = min(count, component.size - 1)
    if count < 1:
        return np.zeros(0), np.zeros((component.size, 0))
    trivial = trivial_vector(component, kind)
    # Lanczos needs more vectors than the wanted ones.
    if component.size < max(dense_below, 4 * (count + _ROOM)):
        return _dense(component, count, kind, trivial)
    return _sparse(*_laplacian(component, kind), trivial, count)


def fix_signs(vectors: Doubles) -> Doubles:
    """Flip each column so that its first entry of (nearly) the largest size is positive."""
    if vectors.size == 0:
        return vectors
    sizes = np.abs(vectors)
    first = np.argmax(sizes >= sizes.max(axis=0) * (1 - 1e-6), axis=0)
    signs = np.where(vectors[first, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    fixed: Doubles = vectors * signs
    return fixed


def _dense(
    component: Component, count: int, kind: Normalization, trivial: Doubles
) -> tuple[Doubles, Doubles]:
    weights, degrees = component.matrix.toarray(), component.degrees
    if kind == "none":
        matrix, above = np.diag(degrees) - weights, float(2 * degrees.max() + 1)
    else:
        root = 1 / np.sqrt(degrees)
        matrix, above = np.eye(component.size) - root[:, None] * weights * root, 3.0
    # The trivial vector is moved above the spectrum: the others are orthogonal to it.
    matrix += above * np.outer(trivial, trivial)
    if component.size < 64:
        values, vectors = np.linalg.eigh(matrix)
    else:
        from scipy.linalg import eigh

        values, vectors = eigh(matrix, subset_by_index=[0, count - 1])
    return values[:count], vectors[:, :count]


def _laplacian(component: Component, kind: Normalization) -> tuple[Any, float]:
    """Make the sparse Laplacian, and a bound on its eigenvalues."""
    from scipy.sparse import csr_array, diags_array

    weights, degrees = component.matrix, component.degrees
    if kind == "none":
        return csr_array(diags_array(degrees) - weights), component.laplacian_bound
    root = diags_array(1 / np.sqrt(degrees))
    return csr_array(diags_array(np.ones(component.size)) - root @ weights @ root), 2.0


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
    from scipy.sparse import csc_array, eye_array
    from scipy.sparse.linalg import splu

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
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    order = reverse_cuthill_mckee(matrix, symmetric_mode=True)
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    first = np.minimum.reduceat(position[matrix.indices], matrix.indptr[:-1])
    return int((position - np.minimum(first, position)).sum())


def _extreme(operator: _Operator, deflated: Doubles, count: int, tolerance: float) -> Doubles:
    """Find vectors of the operator's largest eigenvalues, orthogonal to `deflated` `[n, m]`."""
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

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
