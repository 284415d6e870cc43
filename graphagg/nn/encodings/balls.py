"""Walks from each vertex, stored only at the vertices that they reach: O(N) work space."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.kernels import kernel
from graphagg.nn.encodings.adjacency import CompressedRows


@kernel(checked=False)
def returns(matrix: CompressedRows, steps: int) -> Any:
    """diag(P^m) for m = 1..steps of the transition matrix P: `[N, steps]`.

    O(sum over the vertices of the entries within `steps` steps, times steps).
    """
    size = len(matrix.indptr) - 1
    probabilities = np.zeros((size, steps))
    now, new = np.zeros(size), np.zeros(size)
    # `reached` are the vertices of the walk from i, in the order of arrival. `seen` needs no
    # clearing: it stores, for each vertex, the last source whose walk reached it.
    seen, reached = np.full(size, -1, dtype=np.int64), np.empty(size, dtype=np.int64)
    for i in range(size):
        seen[i], reached[0], now[i] = i, i, 1.0
        count = 1
        for step in range(steps):
            # The range takes the old `count`: vertices that are added below are 0 in `now`.
            for t in range(count):
                u = reached[t]
                value, now[u] = now[u], 0.0
                if value == 0.0:
                    continue
                for e in range(matrix.indptr[u], matrix.indptr[u + 1]):
                    v = matrix.indices[e]
                    if seen[v] != i:
                        seen[v], reached[count] = i, v
                        count += 1
                    new[v] += matrix.weights[e] * value
            probabilities[i, step] = new[i]
            now, new = new, now  # `new` is all 0 again
        for t in range(count):
            now[reached[t]] = 0.0
    return probabilities
