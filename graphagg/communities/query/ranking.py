"""Scored vertices, and the best of them in an order that no input order can change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numba
import numpy as np

from graphagg.arrays import Array
from graphagg.communities.similarity.neighborhood import TWO_MODE, Neighborhoods


@dataclass(frozen=True)
class Ranking:
    """Scored vertices, not yet in order unless `ordered`.

    Attributes:
        vertices: `[c]` int64 distinct vertices.
        scores: `[c]` float64, higher is better; vertices of score 0 or less are no members.
        plan: how the vertices were found.
        parts: `[c]` components of the score, by name.
        notes: what the reader of the answer should know.
        ordered: the order is part of the answer (agglomerative growth).
    """

    vertices: Array
    scores: Array
    plan: str
    parts: Mapping[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    ordered: bool = False

    def best(self, k: int, exclude: Array) -> Array:
        """Positions of the `k` best in order, ties by number; `exclude` are no members. O(c)."""
        allowed = np.flatnonzero((self.scores > 0) & ~np.isin(self.vertices, exclude))
        if self.ordered:
            return allowed[:k]
        scores, vertices = self.scores[allowed], self.vertices[allowed]
        if len(scores) > k:
            limit = np.partition(scores, len(scores) - k)[len(scores) - k]
            above = np.flatnonzero(scores > limit)
            level = np.flatnonzero(scores == limit)
            missing = k - len(above)
            if len(level) > missing:
                level = level[np.argpartition(vertices[level], missing - 1)[:missing]]
            kept = np.concatenate([above, level])
            allowed, scores, vertices = allowed[kept], scores[kept], vertices[kept]
        order: Array = allowed[np.lexsort((vertices, -scores))]
        return order


def top_vertices(vertices: Array, scores: Array, k: int, exclude: Array) -> Array:
    """The `k` best vertices in order, without `exclude` and without scores of 0."""
    ranking = Ranking(vertices, scores, "")
    chosen: Array = vertices[ranking.best(k, exclude)]
    return chosen


def sweep_cut(
    hoods: Neighborhoods, seeds: Array, ordered: Array, most: int
) -> tuple[int, float] | None:
    """The prefix of a ranking that, with the seeds, has the least conductance.

    Conductance of S: edges that leave S over the smaller of the degrees in S and outside. Prefixes
    are tried while the edges read stay within `most`.

    Returns:
        How many of `ordered` to keep (at least 1) and the conductance; None if there are none.
    """
    assert hoods.walk != TWO_MODE
    if not len(ordered):
        return None
    inside = np.zeros(hoods.sets.rows, dtype=np.uint8)
    total = 2 * len(hoods.sets.indices) if hoods.walk else len(hoods.sets.indices)
    return _sweep(*hoods.arrays, bool(hoods.walk), seeds, ordered, most, total, inside)


@numba.njit(cache=True)
def _sweep(
    ptr: Array,
    ind: Array,
    hptr: Array,
    hind: Array,
    both: bool,
    seeds: Array,
    ordered: Array,
    most: int,
    total: int,
    inside: Array,
) -> tuple[int, float]:
    volume = cut = read = 0
    best_size, best = 1, np.inf
    for i in range(-len(seeds), len(ordered)):
        v = seeds[i + len(seeds)] if i < 0 else ordered[i]
        degree = ptr[v + 1] - ptr[v] + (hptr[v + 1] - hptr[v] if both else 0)
        read += degree
        if read > most and i > 0:
            break
        internal = 0
        for j in range(ptr[v], ptr[v + 1]):
            internal += inside[ind[j]]
        if both:
            for j in range(hptr[v], hptr[v + 1]):
                internal += inside[hind[j]]
        inside[v] = 1
        volume += degree
        cut += degree - 2 * internal
        smaller = min(volume, total - volume)
        if i >= 0 and smaller > 0 and cut / smaller < best:
            best_size, best = i + 1, cut / smaller
    return best_size, best
