"""Personalized PageRank of seeds on the raw graph, by forward push.

The paper's baseline runs three dense steps on the derived similarity graph instead; on the raw
graph the ranking by p / degree is far better.
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.similarity.neighborhood import Neighborhoods, Scratch
from graphagg.graph.push import Limits, degrees_of, push


def pagerank(
    hoods: Neighborhoods, seeds: Array, alpha: float, eps: float, most: int, scratch: Scratch
) -> tuple[Array, Array, Array]:
    """Approximate personalized PageRank.

    Args:
        hoods: the graph.
        seeds: `[s]` vertices where the walk starts and returns to.
        alpha: probability of a return in each step.
        eps: residual a degree that may stay.
        most: edges to read at most; seeds of low degree are pushed first.
        scratch: the thread's work arrays.

    Returns:
        `[c]` int64 vertices reached, `[c]` float64 mass, `[c]` int64 degree.
    """
    by_degree = seeds[np.argsort(degrees_of(hoods.raw, seeds), kind="stable")]
    reset = np.full(len(seeds), 1.0 / len(seeds))
    limits = Limits(alpha, per_edge=eps, edges=most, push_starts=True)
    nodes, mass = push(hoods.raw, limits, by_degree, reset, scratch.push)
    is_vertex = nodes < hoods.sets.rows  # of a two-mode graph elements are nodes too
    vertices = nodes[is_vertex]
    return vertices, mass[is_vertex], degrees_of(hoods.raw, vertices)
