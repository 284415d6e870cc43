"""From seeds to a ranking: the paper's methods, PageRank on the raw graph, and their fusion.

Paper: Real-Time Community Detection in Large Social Networks on a Laptop, arXiv 1601.03958:
`minhash` is its MS, `agglomerative` its AC. Departures: `jaccard` and `agglomerative` compare exact
sets, which costs less than estimating them where degrees are moderate; sets are closed; `pagerank`
walks the raw graph, where the ranking by p / degree is far better than on the similarity graph;
`fused` is new.
"""

from __future__ import annotations

import threading

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.config import Method, QueryConfig
from graphagg.communities.query.fused import fused_ranking
from graphagg.communities.query.planner import (
    Query,
    Sketches,
    jaccard_ranking,
    minhash_ranking,
)
from graphagg.communities.query.ranking import Ranking
from graphagg.communities.similarity.exact import grow
from graphagg.communities.similarity.neighborhood import Neighborhoods, Scratch
from graphagg.graph.push import Limits, degrees_of, push

RESIDUAL = 1e-5
"""Residual per edge of a vertex that the push leaves."""
PUSH_WORK = 2_000_000
"""Edges that the push or a sweep cut reads."""
GROWTH_WORK = 500_000
"""Entries that `agglomerative` reads while the community grows."""


class Expander:
    """Ranks vertices by their closeness to seeds; safe to call from several threads.

    Args:
        hoods: sets and raw graph.
        sketches: signatures and band tables.
    """

    def __init__(self, hoods: Neighborhoods, sketches: Sketches) -> None:
        self.hoods = hoods
        self.sketches = sketches
        self._local = threading.local()

    @property
    def _scratch(self) -> Scratch:
        scratch = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = Scratch.of(self.hoods)
        return scratch

    def rank(self, seeds: Array, k: int, method: Method, config: QueryConfig) -> Ranking:
        """Score all vertices that the method reaches.

        Args:
            seeds: `[s]` int64 distinct vertices.
            k: number of members that are wanted; `agglomerative` and `fused` look no further.
            method: the way vertices are scored.
            config: budgets.
        """
        try:
            return self._rank(seeds, k, method, config)
        except BaseException:
            self._local.scratch = None  # an interrupted query leaves its work arrays dirty
            raise

    def _rank(self, seeds: Array, k: int, method: Method, config: QueryConfig) -> Ranking:
        query = Query(self.hoods, self.sketches, seeds, config, self._scratch)
        if method == "minhash":
            return minhash_ranking(query)
        if method == "pagerank":
            return self._pagerank(seeds, config)
        if method == "fused":
            return fused_ranking(query, k, self._pagerank(seeds, config))
        close = jaccard_ranking(query)
        return close if method == "jaccard" else self._agglomerative(seeds, k, close)

    def _pagerank(self, seeds: Array, config: QueryConfig) -> Ranking:
        """Score by PageRank mass over degree, or over the weight of the vertex's edges."""
        vertices, mass, degrees = pagerank(
            self.hoods, seeds, config.alpha, RESIDUAL, PUSH_WORK, self._scratch
        )
        scores = mass / np.where(degrees > 0, degrees, 1)
        return Ranking(vertices, scores, "push", {"pagerank": scores})

    def _agglomerative(self, seeds: Array, k: int, start: Ranking) -> Ranking:
        """Add the vertex of the highest mean similarity to all members, again and again."""
        scratch = self._scratch
        near = start.scores > 0  # a vertex of score 0 becomes active when growing reaches it
        size = int(np.count_nonzero(near))
        scratch.active[:size] = start.vertices[near]
        scratch.scores[start.vertices[near]] = start.scores[near] * len(seeds)  # sums, not means
        scratch.members[seeds] = 1
        order, means, notes = np.empty(k, dtype=np.int64), np.empty(k), start.notes
        joined, size, unread = grow(
            self.hoods.bundle, scratch, len(seeds), size, GROWTH_WORK, order, means
        )
        order, means = order[:joined], means[:joined]
        rest = np.zeros(0, dtype=np.int64)
        if joined < k:  # the budget ended: the best of the candidates that growing left
            active = scratch.active[:size].astype(np.int64)
            members = np.concatenate([seeds, order])
            left = Ranking(active, scratch.scores[active], start.plan)
            rest = active[left.best(k - joined, members)]
        if unread or len(rest):
            notes = (*notes, f"the work budget ended growth after {joined - unread:,} members")
        scores = np.concatenate([means, scratch.scores[rest] / (len(seeds) + joined)])
        scratch.scores[scratch.active[:size]] = 0.0
        scratch.members[seeds] = 0
        scratch.members[order] = 0
        vertices, components = np.concatenate([order, rest]), {"running_mean": scores}
        return Ranking(vertices, scores, start.plan, components, notes, ordered=True)


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
        `[c]` int64 vertices reached, `[c]` float64 mass, `[c]` degree, or the weight of all edges.
    """
    by_degree = seeds[np.argsort(degrees_of(hoods.raw, seeds), kind="stable")]
    reset = np.full(len(seeds), 1.0 / len(seeds))
    limits = Limits(alpha, per_edge=eps, edges=most, push_starts=True)
    nodes, mass = push(hoods.raw, limits, by_degree, reset, scratch.push)
    is_vertex = nodes < hoods.sets.rows  # of a two-mode graph elements are nodes too
    vertices = nodes[is_vertex]
    return vertices, mass[is_vertex], hoods.strengths(vertices)
