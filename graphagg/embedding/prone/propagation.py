"""Propagation: each vector becomes a mean of the vectors that random walks reach.

Let E be the row-normalized start, A1 = A + loops, D1 its row sums, P = D1^-1 A1, and c the mean of
the rows of E, weighted by D1. Then:

    S = 3 c + sum over k < 10 of P^k (E - c),  T = D1^(1/2) P S
    output = T V l^(-1/4)  where  T^T T = V diag(l) V^T

The ten steps correspond to a window of ten steps in DeepWalk (KDD 2014). As k grows, each row of
P^k E converges to c; in a dense graph this takes few steps. Since c is the same for all nodes, its
weight is three and not ten. ProNE (IJCAI 2019, section 3.2) uses a band-pass filter here, a
Chebyshev expansion with mu = 0.2 and theta = 0.5; docs/decisions/walks-not-bands.md compares both.
The weight of a loop is the mean weight of its node's edges (1 if the graph is unweighted), so
doubling all weights of a graph changes only the length of the vectors. The output is not
normalized: the lengths help the dot product to score links.
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Doubles
from graphagg.embedding.prone.merge import fix_signs

STEPS = 10
"""Number of matrix products in a pass."""
COMMON = 3
"""Weight of the common direction c."""


def rotation(gram: Doubles, width: int | None = None) -> Doubles:
    """Return V l^(-1/4), `[d, w]`, of the Gram matrix V diag(l) V^T of rows X.

    X times the result is U sqrt(S), where X = U S V^T. Directions of length zero stay zero.
    """
    from scipy.linalg import eigh

    values, vectors = eigh(gram)
    values, vectors = values[::-1][:width], fix_signs(vectors[:, ::-1][:, :width])
    floor = 1e-12 * max(float(values[0]), 1e-300)
    scale = np.where(values > floor, np.maximum(values, floor) ** -0.25, 0.0)
    turned: Doubles = vectors * scale
    return turned
