"""Scored vertices, the best of them, and the sweep cut.

The order of a ranking does not depend on the order of its input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from graphagg.arrays import Array, top_k
from graphagg.communities.similarity.neighborhoods import (
    DIRECTED,
    TWO_MODE,
    Neighborhoods,
    SetArrays,
)
from graphagg.kernels import kernel


@dataclass(frozen=True)
class VertexRanking:
    """Scored vertices, not yet in order unless `ordered`."""

    vertices: Array  # `[c]` int64 distinct vertices
    scores: Array  # `[c]` float64, higher is better; vertices of score 0 or less are no members
    plan: str  # the plan that found the vertices
    # `[c]` components of the score, by name
    components: Mapping[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # facts that the reader of the answer should know
    ordered: bool = False  # the order is part of the answer (agglomerative growth)

    def best(self, k: int, exclude: Array) -> Array:
        """Positions of the `k` best in order, ties by number; `exclude` are no members. O(c)."""
        allowed = np.flatnonzero((self.scores > 0) & ~np.isin(self.vertices, exclude))
        if self.ordered:
            return allowed[:k]
        return allowed[top_k(self.scores[allowed], k, self.vertices[allowed])]


def sweep_cut(
    neighborhoods: Neighborhoods, seeds: Array, ordered: Array, most: int
) -> tuple[int, float] | None:
    """Find the prefix of `ordered` that has, with the seeds, the least conductance.

    Conductance of S: the edges that leave S over the smaller volume of S and its rest.
    Prefixes are tried while at most `most` edges are read. Returns the length of the prefix (1 or
    more) and its conductance; None if `ordered` is empty.
    """
    assert neighborhoods.walk != TWO_MODE
    if not len(ordered):
        return None
    # The adjacency lists each edge of an undirected graph twice, of a directed graph once.
    entries = int(neighborhoods.sets.indptr[-1])
    total = 2 * entries if neighborhoods.walk else entries
    inside = np.zeros(neighborhoods.sets.rows, dtype=np.uint8)
    return _sweep(neighborhoods.bundle, seeds, ordered, most, total, inside)


@kernel
def _sweep(
    sets: SetArrays, seeds: Array, ordered: Array, budget: int, total: int, inside: Array
) -> tuple[int, float]:
    """Find the best prefix of `ordered`; `total` is the sum of all degrees, `inside` all zero.

    A vertex adds its degree to the volume and to the cut of S. Each edge between it and S then
    leaves the cut at both ends.
    """
    offsets, elements, holder_offsets, holders, _, walk = sets
    read = volume = cut = 0
    best_size, best = 1, np.inf
    for i in range(-len(seeds), len(ordered)):  # the seeds first: they are always in S
        v = seeds[i + len(seeds)] if i < 0 else ordered[i]
        degree = offsets[v + 1] - offsets[v]
        if walk == DIRECTED:
            degree += holder_offsets[v + 1] - holder_offsets[v]
        read += degree
        if read > budget and i > 0:  # one member at least is tried
            break
        internal = 0
        for j in range(offsets[v], offsets[v + 1]):
            internal += inside[elements[j]]
        if walk == DIRECTED:
            for j in range(holder_offsets[v], holder_offsets[v + 1]):
                internal += inside[holders[j]]
        inside[v] = 1
        volume += degree
        cut += degree - 2 * internal
        smaller = min(volume, total - volume)
        if i >= 0 and smaller > 0 and cut / smaller < best:
            best_size, best = i + 1, cut / smaller
    return best_size, best
