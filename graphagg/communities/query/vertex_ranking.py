"""Scored vertices, and the best of them.

The order of a ranking does not depend on the order of its input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from graphagg.arrays import Array, top_k


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
        """Positions of the `k` best in order, ties by number, without vertices `exclude`; O(c)."""
        allowed = np.flatnonzero((self.scores > 0) & ~np.isin(self.vertices, exclude))
        if self.ordered:
            return allowed[:k]
        return allowed[top_k(self.scores[allowed], k, self.vertices[allowed])]
