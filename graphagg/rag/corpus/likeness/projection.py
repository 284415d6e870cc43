"""Vectors of the vertices of a network by fast random projection.

Chen, Sultan, Tian, Chen and Skiena, *Fast and Accurate Network Embeddings via Very Sparse Random
Projection* (FastRP), CIKM 2019, arXiv 1908.11512. With the transition matrix A = D^-1 S of the
symmetric network S and random vectors R, the vectors of the vertices are

    N = sum over k of alpha_k A^k R,   each A^k R with rows of length 1.

Departures: the random vector of a vertex is drawn by a hash of its name, not by its number, so
that what two versions of a corpus share has the same vectors to start from, and a filter sees the
vectors of an index of what it leaves; its entries are -1 and 1; degrees are not raised to a power,
since the network's weights are rarities already. A step reads each edge once.
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array, Doubles, Ints
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel

DIMENSION = 128
STEPS = (0.0, 1.0, 1.0, 0.5)
"""alpha_1 to alpha_4: a direct tie alone makes no likeness; what is tied to the same does."""


def projected(adjacency: Csr, weights: Doubles, names: Ints) -> Doubles:
    """`[n, DIMENSION]`, rows of length 1; 0 for a vertex without edges.

    Args:
        adjacency: `[n, n]`, each edge both ways.
        weights: `[nnz]`.
        names: `[n]`, a number for each name.
    """
    vectors = _random(names.astype(np.uint64))
    total = np.zeros_like(vectors)
    for alpha in STEPS:
        following = np.zeros_like(vectors)
        _step(adjacency.indptr, adjacency.indices, weights, vectors, following)
        vectors = following
        total += alpha * vectors
    _unit(total)
    return total


@kernel
def _random(names: Array) -> Doubles:
    """Rows of -1 and 1 by the bits of splitmix64, seeded by each name."""
    vectors = np.empty((len(names), DIMENSION))
    for i in range(len(names)):
        state = names[i]
        for j in range(DIMENSION):
            state += np.uint64(0x9E3779B97F4A7C15)
            z = state
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
            vectors[i, j] = 1.0 if z >> np.uint64(63) else -1.0
    return vectors


@kernel
def _step(indptr: Array, indices: Array, weights: Array, vectors: Array, following: Array) -> None:
    """The weighted mean of each vertex's neighbors, of length 1."""
    for i in range(len(indptr) - 1):
        for at in range(indptr[i], indptr[i + 1]):
            for j in range(vectors.shape[1]):
                following[i, j] += weights[at] * vectors[indices[at], j]
    _unit(following)


@kernel
def _unit(vectors: Array) -> None:
    """Scale each row to length 1, in place."""
    for i in range(len(vectors)):
        square = 0.0
        for j in range(vectors.shape[1]):
            square += vectors[i, j] * vectors[i, j]
        if square > 0.0:
            for j in range(vectors.shape[1]):
                vectors[i, j] /= np.sqrt(square)
