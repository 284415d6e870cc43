"""Scored vertices, the best of them, and the sweep cut.

The order of a ranking does not depend on the order of its input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.similarity.neighborhoods import (
    DIRECTED,
    TWO_MODE,
    Neighborhoods,
    SetArrays,
    strength_of,
    value_of,
    zero_of,
)
from graphagg.kernels import kernel


@dataclass(frozen=True)
class VertexRanking:
    """Scored vertices, not yet in order unless `ordered`.

    Attributes:
        vertices: `[c]` int64 distinct vertices.
        scores: `[c]` float64, higher is better; vertices of score 0 or less are no members.
        plan: the plan that found the vertices.
        components: `[c]` components of the score, by name.
        notes: facts that the reader of the answer should know.
        ordered: the order is part of the answer (agglomerative growth).
    """

    vertices: Array
    scores: Array
    plan: str
    components: Mapping[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    ordered: bool = False

    def best(self, k: int, exclude: Array) -> Array:
        """Positions of the `k` best in order, ties by number; `exclude` are no members. O(c)."""
        allowed = np.flatnonzero((self.scores > 0) & ~np.isin(self.vertices, exclude))
        if self.ordered:
            return allowed[:k]
        kept: Array = allowed[largest(self.scores[allowed], k, self.vertices[allowed])]
        return kept


def largest(values: Array, count: int, ties: Array) -> Array:
    """Positions of the `count` largest values, best first, ties by the lower of `ties`; O(n)."""
    kept = np.arange(len(values))
    if len(values) > count:
        bound = nth_largest(values, count)
        above, level = np.flatnonzero(values > bound), np.flatnonzero(values == bound)
        missing = count - len(above)
        if len(level) > missing:
            level = level[np.argpartition(ties[level], missing - 1)[:missing]]
        kept = np.concatenate([above, level])
    order: Array = kept[descending(values[kept], ties[kept])]
    return order


def nth_largest(values: Array, count: int) -> float:
    """The `count`-th largest of at least `count` values; quick where large values come early."""
    some = values[: 10 * count]
    least = np.partition(some, len(some) - count)[len(some) - count]
    able = values[values >= least]
    return float(np.partition(able, len(able) - count)[len(able) - count])


def descending(values: Array, ties: Array) -> Array:
    """Positions by value, the largest first, of equal ones by the lower of `ties`."""
    order: Array = np.argsort(-values)
    ordered = values[order]
    same = ordered[1:] == ordered[:-1]
    if same.any():
        tied = np.zeros(len(order), dtype=np.bool_)
        tied[1:] |= same
        tied[:-1] |= same
        some = order[tied]
        order[tied] = some[np.lexsort((ties[some], -values[some]))]
    return order


def sweep_cut(
    neighborhoods: Neighborhoods, seeds: Array, ordered: Array, most: int
) -> tuple[int, float] | None:
    """The prefix of a ranking that, with the seeds, has the least conductance.

    Conductance of S: edges that leave S over the smaller of the degrees in S and outside; with
    weights, sums of the edges' weights. Prefixes are tried while the edges read stay within `most`.

    Returns:
        The number of `ordered` to keep (at least 1) and the conductance; None if it is empty.
    """
    assert neighborhoods.walk != TWO_MODE
    if not len(ordered):
        return None
    # The adjacency lists each edge of an undirected graph twice, of a directed graph once.
    entries = int(neighborhoods.sets.indptr[-1])
    total: float = 2 * entries if neighborhoods.walk else entries
    if neighborhoods.set_weights is not None:
        total = float(neighborhoods.set_weights[:, 2].sum())
    inside = np.zeros(neighborhoods.sets.rows, dtype=np.uint8)
    return _sweep(neighborhoods.bundle, seeds, ordered, most, total, inside)


@kernel
def _sweep(
    sets: SetArrays, seeds: Array, ordered: Array, budget: int, total: float, inside: Array
) -> tuple[int, float]:
    """Find the best prefix of `ordered`, and its conductance.

    `inside` is all zero, `total` the sum of all degrees.

    The volume of S and the number of edges that leave it are kept up to date: a vertex adds its
    degree to both, and each edge between it and S leaves S no more, at neither end.
    """
    offsets, elements, holder_offsets, holders, _, walk, values, holder_values, set_weights = sets
    read = 0
    volume = cut = zero_of(set_weights)
    best_size, best = 1, np.inf
    for i in range(-len(seeds), len(ordered)):  # the seeds first: they are always in S
        v = seeds[i + len(seeds)] if i < 0 else ordered[i]
        degree = offsets[v + 1] - offsets[v]
        if walk == DIRECTED:
            degree += holder_offsets[v + 1] - holder_offsets[v]
        read += degree
        if read > budget and i > 0:  # one member at least is tried
            break
        internal = zero_of(set_weights)
        for j in range(offsets[v], offsets[v + 1]):
            internal += inside[elements[j]] * value_of(values, j)
        if walk == DIRECTED:
            for j in range(holder_offsets[v], holder_offsets[v + 1]):
                internal += inside[holders[j]] * value_of(holder_values, j)
        inside[v] = 1
        strength = strength_of(set_weights, v, degree)
        volume += strength
        cut += strength - 2 * internal
        smaller = min(volume, total - volume)
        if i >= 0 and smaller > 0 and cut / smaller < best:
            best_size, best = i + 1, cut / smaller
    return best_size, best
