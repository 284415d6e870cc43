"""The lowest eigenpairs of the Laplacian of one connected graph.

Small graphs are solved densely, large ones by Lanczos (`lanczos`), in a bounded number of restarts:
what it found, filled up with random vectors to eight columns more than are wanted, is then filtered
by Chebyshev polynomials of the Laplacian that damp everything above the wanted values (subspace
iteration, Zhou, Saad et al. 2006), in O(N (k + 8)) memory. That last stage finishes where Lanczos
does not converge. It ends only when the columns beyond the wanted ones would show a copy of a
repeated eigenvalue, which a single Lanczos vector can miss.

The trivial vector is known and projected out: it is never among the vectors found.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from graphagg.arrays import Doubles
from graphagg.errors import GraphAggError
from graphagg.nn.encodings.eigen.lanczos import allowed_residual, chebyshev, lanczos
from graphagg.nn.encodings.structure import Component

Normalization = Literal["sym", "rw", "none"]

_GUARD = 8  # columns beside the wanted ones: they set how fast the last wanted one converges
_PASSES = 40
_SEEN, _SAME = 1e-2, 1e-4  # of an eigenvalue: how near is near


class NoConvergence(GraphAggError):
    """The eigenvectors of a large graph were not found to the tolerance."""

    exit_code = 1


def trivial_vector(component: Component, kind: Normalization) -> Doubles:
    """The unit vector of eigenvalue 0, `[n]`; of `sym` for kind `rw`, see `lowest`."""
    if component.size == 1:
        return np.ones(1)
    vector = np.ones(component.size) if kind == "none" else np.sqrt(component.degrees)
    unit: Doubles = vector / np.linalg.norm(vector)
    return unit


def lowest(
    component: Component, count: int, kind: Normalization, dense_below: int
) -> tuple[Doubles, Doubles]:
    """The `count` smallest eigenvalues above the trivial one, and their unit vectors.

    For `rw` these are the vectors of `sym`; those of D^-1 A are D^-1/2 times them.

    Args:
        component: a connected graph of n vertices.
        count: how many; at most n - 1 are returned.
        kind: "sym" (I - D^-1/2 W D^-1/2), "rw" (the same spectrum) or "none" (D - W).
        dense_below: solve graphs of fewer vertices densely, in O(n^3).

    Returns:
        `[m]` ascending and `[n, m]`, m = min(count, n - 1). The vectors of a repeated eigenvalue
        are an arbitrary basis of its eigenspace.

    Raises:
        NoConvergence: the residuals do not fall far enough below the smallest eigenvalue.
    """
    count = min(count, component.size - 1)
    if count < 1:
        return np.zeros(0), np.zeros((component.size, 0))
    trivial = trivial_vector(component, kind)
    # Lanczos and the filter need room beside the wanted vectors.
    if component.size < max(dense_below, 4 * (count + _GUARD)):
        return _dense(component, count, kind, trivial)
    matrix, bound = _laplacian(component, kind)
    return _filtered(matrix, bound, trivial, lanczos(matrix, bound, trivial, count), count)


def fix_signs(vectors: Doubles) -> Doubles:
    """Each column with its first entry of (nearly) the largest size positive."""
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
    weights, degrees = component.dense(), component.degrees
    if kind == "none":
        matrix, above = np.diag(degrees) - weights, 2 * degrees.max() + 1
    else:
        root = 1 / np.sqrt(degrees)
        matrix, above = np.eye(component.size) - root[:, None] * weights * root, 3.0
    # The trivial vector is moved above the spectrum: what is left is orthogonal to it.
    matrix += above * np.outer(trivial, trivial)
    if component.size < 64:
        values, vectors = np.linalg.eigh(matrix)
    else:
        from scipy.linalg import eigh

        values, vectors = eigh(matrix, subset_by_index=[0, count - 1])
    return values[:count], vectors[:, :count]


def _laplacian(component: Component, kind: Normalization) -> tuple[Any, float]:
    """The sparse Laplacian, and a bound on its eigenvalues."""
    from scipy.sparse import csr_array, diags_array

    weights, degrees = component.sparse(), component.degrees
    if kind == "none":
        rows = np.repeat(degrees, np.diff(component.indptr))
        # Anderson and Morley: no eigenvalue exceeds the largest d_u + d_v over the edges.
        return csr_array(diags_array(degrees) - weights), float(
            (rows + degrees[component.indices]).max()
        )
    root = diags_array(1 / np.sqrt(degrees))
    return csr_array(diags_array(np.ones(component.size)) - root @ weights @ root), 2.0


def _filtered(
    matrix: Any, bound: float, trivial: Doubles, found: Doubles, count: int
) -> tuple[Doubles, Doubles]:
    """Chebyshev-filtered subspace iteration from what was found and random columns."""
    size = matrix.shape[0]
    rng = np.random.default_rng(size + 1)
    more = max(count + _GUARD - found.shape[1], 0)
    block = np.hstack([found, rng.standard_normal((size, more))])
    values, block, _ = _rayleigh_ritz(matrix, block, trivial)
    values, block = values[: count + _GUARD], block[:, : count + _GUARD]
    residual, wanted = np.inf, 0.0
    for _ in range(_PASSES):
        block = chebyshev(matrix, bound, block, float(values[-1]))
        values, block, residuals = _rayleigh_ritz(matrix, block, trivial)
        residual = float(residuals[:count].max())
        wanted = allowed_residual(float(values[0]), bound)
        if residual <= wanted and _nothing_below(
            values[count - 1], values[count], residuals[count]
        ):
            return np.maximum(values[:count], 0), block[:, :count]
    raise NoConvergence(
        f"{count} eigenvectors of a graph of {size} vertices: the residual is {residual:.1e} after "
        f"{_PASSES} passes, wanted {wanted:.1e}; ask for fewer vectors, or raise "
        "dense_below if the graph fits in memory as a dense matrix"
    )


def _nothing_below(last: float, following: float, residual: float) -> bool:
    """Whether the columns beside the wanted ones would show a vector that is still missing.

    A copy of an eigenvalue that Lanczos did not see grows fastest in them. It has not come up where
    their first one is near an eigenvalue of its own, or as low as the last of the wanted ones.
    """
    return residual <= _SEEN * following or following - last <= _SAME * following


def _rayleigh_ritz(
    matrix: Any, block: Doubles, trivial: Doubles
) -> tuple[Doubles, Doubles, Doubles]:
    """Ritz values, ascending, their vectors in the span of the block, and the residuals."""
    block = block - np.outer(trivial, trivial @ block)
    block, _ = np.linalg.qr(block)
    product = matrix @ block
    values, turn = np.linalg.eigh(block.T @ product)
    block, product = block @ turn, product @ turn
    residuals: Doubles = np.linalg.norm(product - block * values, axis=0)
    return values, block, residuals
