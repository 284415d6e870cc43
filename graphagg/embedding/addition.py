"""Vectors for new vertices from their neighbors', without training again.

After a propagation a vector is the sum of its row of A1 over the `sources` of all nodes (see
`prone.engine.Vectors`); without one, the sum of its row of the log matrix. So the row of a new
vertex over its neighbors' sources gives its vector: exactly, as far as a new embedding would have
the same sources. Terms that are not linear are held fixed: the neighbors' strengths and q, the
rotation, and the lengths that rows were divided by. The source of the new vertex itself, which its
loop and other new vertices ask for, is taken to be the mean of its neighbors' (a second round
reaches new vertices that have new neighbors).
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.prone.sparse import entries_where, multiply, row_sums
from graphagg.graph.csr import Csr

_ROUNDS = 2


def new_vectors(rows: Csr, sources: Array, log_q: Array | None, fresh: Array) -> tuple[Array, ...]:
    """Vectors and sources of new nodes.

    Args:
        rows: `[a, N]` weights of the new nodes' edges.
        sources: `[N, d]` float32; zeros where a node is new.
        log_q: `[N]` where vectors are not propagated, else None.
        fresh: `[a]` the numbers of the new nodes, ascending.

    Returns:
        `[a, d]` vectors and `[a, d]` sources.
    """
    sources = sources.astype(np.float32)
    has_source = np.ones(len(sources), dtype=bool)
    has_source[fresh] = False
    for _ in range(_ROUNDS):
        usable = entries_where(rows, has_source[rows.indices])  # those whose column has a source
        counts = np.maximum(usable.degrees(), 1)[:, None]
        weights = usable if log_q is None else _log_rows(usable, log_q)
        vectors = multiply(weights, sources)
        means = multiply(_means(usable), sources)
        if log_q is None:  # the loop weighs as much as the mean edge
            loops = row_sums(usable.indptr, usable.entries)[:, None] / counts
            vectors = vectors + (loops * means).astype(np.float32)
        sources[fresh] = means
        has_source[fresh] = usable.degrees() > 0
    return vectors, sources[fresh]


def _means(rows: Csr) -> Csr:
    strength = np.maximum(row_sums(rows.indptr, rows.entries), 1e-30)
    values = rows.entries / np.repeat(strength, rows.degrees())
    return Csr(rows.indptr, rows.indices, values.astype(np.float32), rows.columns)


def _log_rows(rows: Csr, log_q: Array) -> Csr:
    strength = np.log(np.maximum(row_sums(rows.indptr, rows.entries), 1e-30))
    values = np.log(rows.entries.astype(np.float64)) - np.repeat(strength, rows.degrees())
    values -= log_q[rows.indices]
    return Csr(rows.indptr, rows.indices, values.astype(np.float32), rows.columns)
