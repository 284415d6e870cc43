"""Spectral propagation: a low-order polynomial of the graph's Laplacian, applied to the vectors.

Paper: ProNE (IJCAI 2019), section 3.2: a Chebyshev expansion, with mu = 0.2 and theta = 0.5, of a
band-pass filter. With E the row-normalized start, A1 = A + loops, D1 its row sums and
M X = (1 - mu) X - D1^-1 A1 X:

    L0 = E, L1 = M M L0 / 2 - L0, L2 = M M L1 - 2 L1 - L0      (ProNE's own recurrence)
    C = I0(theta) L0 - 2 I1(theta) L1 + 2 I2(theta) L2
    T = A1 (E - C),  output = T V l^(-1/4)  where  T^T T = V diag(l) V^T

Departures: three terms instead of ten (5 products instead of 19; measured, nothing changes by more
than 0.05 points); a loop weighs as much as its node's mean edge, which is 1 where edges weigh 1, so
that a graph whose weights are all doubled has the same vectors; the output is not normalized (the
dot product then scores links about a point better), and a second pass may follow.
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array, Doubles
from graphagg.embedding.prone.merge import fix_signs

_MU = 0.2
_BESSEL = (1.0634833707413236, 0.2578943053908963, 0.031906149177738254)  # I_n(0.5), n = 0, 1, 2
NEEDS = (("start",), ("start", "0"), ("start", "1"), ("start", "1", "2"), ("3",))
"""Arrays that each step of a pass reads: E, and earlier results. It multiplies the last."""
STEPS = len(NEEDS)
"""Products with the matrix in a pass."""


def advance(step: int, state: list[Array], product: Array) -> Array:
    """Compute the result of a step: M L0, then L1, M L1, and E - C.

    `state` holds the arrays `[rows, d]` of `NEEDS[step]` (L0 is E), `product` is D1^-1 A1 of the
    last.
    """
    filtered: Array = np.float32(1 - _MU) * state[-1] - product
    if step in (0, 2):
        return filtered
    start = state[0]
    if step == 1:
        return np.float32(0.5) * filtered - start
    first = state[1]
    second = filtered - np.float32(2) * first - start
    c0, c1, c2 = (np.float32(value) for value in _BESSEL)
    smooth = c0 * start - np.float32(2) * c1 * first + np.float32(2) * c2 * second
    return np.asarray(start - smooth)


def finish(product: Array, degree: Array) -> Array:
    """T from the last product, which is D1^-1 A1 (E - C)."""
    return np.asarray(product * degree[:, None], dtype=product.dtype)


def rotation(gram: Doubles, width: int | None = None) -> Doubles:
    """V l^(-1/4) of a Gram matrix V diag(l) V^T, `[d, w]`: X times it is U sqrt(S) of X = U S V^T.

    Directions without any length stay zero.
    """
    from scipy.linalg import eigh

    values, vectors = eigh(gram)
    values, vectors = values[::-1][:width], fix_signs(vectors[:, ::-1][:, :width])
    floor = 1e-12 * max(float(values[0]), 1e-300)
    scale = np.where(values > floor, np.maximum(values, floor) ** -0.25, 0.0)
    turned: Doubles = vectors * scale
    return turned
