"""Scored vertices, and the selection of the best ones.

The order of a ranking does not depend on the order of its input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from graphagg.arrays import Array, top_k


@dataclass(frozen=True)
class VertexRanking:
    """Scored vertices, unsorted unless `ordered`."""

    vertices: Array  # `[c]` int64 distinct vertices
    scores: Array  # `[c]` float64, higher is better; vertices of score 0 or less are not members
    plan: str  # the plan that found the vertices
    # `[c]` components of the score, by name
    components: Mapping[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # remarks for the reader of the answer
    ordered: bool = False  # the order is part of the answer (agglomerative growth)

    def best(self, k: int, exclude: Array) -> Array:
        """Return positions of the `k` best, sorted, ties by number, without `exclude`; O(c)."""
        allowed = np.flatnonzero((self.scores > 0) & ~np.isin(self.vertices, exclude))
        if self.ordered:
            return allowed[:k]
        return allowed[top_k(self.scores[allowed], k, self.vertices[allowed])]
