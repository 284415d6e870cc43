"""Propagation: each vector becomes a mean of vectors that random walks reach.

With E the row-normalized start, A1 = A + loops, D1 its row sums, P = D1^-1 A1, and c the mean of
the rows of E, weighted by D1:

    S = 3 c + sum over k < 10 of P^k (E - c),  T = D1^(1/2) P S
    output = T V l^(-1/4)  where  T^T T = V diag(l) V^T

A window of ten steps has the same role in DeepWalk (KDD 2014). With growing k each row of P^k E
converges to c, in a dense graph after few steps. Since c is the same for all nodes, its weight is
three and not ten. ProNE (IJCAI 2019, section 3.2) has a band-pass filter here, a Chebyshev
expansion with mu = 0.2 and theta = 0.5; docs/decisions/walks-not-bands.md compares both. A loop
weighs as much as its node's mean edge, which is 1 if edges weigh 1, so that doubling all weights
of a graph changes only the length of the vectors. The output is not normalized:
lengths help the dot product to score links.
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Doubles
from graphagg.embedding.prone.merge import fix_signs

STEPS = 10
"""Products with the matrix in a pass."""
COMMON = 3
"""Weight of the common direction c."""


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
