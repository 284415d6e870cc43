"""Ranks vertices for seeds: the paper's methods, PageRank on the raw graph, and their fusion.

Paper: Real-Time Community Detection in Large Social Networks on a Laptop, arXiv 1601.03958:
`minhash` is its MS, `agglomerative` its AC. Departures: `jaccard` and `agglomerative` compare exact
sets, which is cheaper than an estimate if degrees are moderate; sets are closed; `pagerank` walks
the raw graph, where the ranking by p / degree is far better than on the similarity graph; `fused`
is new.
"""

from __future__ import annotations

import threading

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.config import Method
from graphagg.communities.query.fused import fused_ranking
from graphagg.communities.query.planner import (
    QueryContext,
    SignatureTables,
    jaccard_ranking,
    minhash_ranking,
)
from graphagg.communities.query.vertex_ranking import VertexRanking
from graphagg.communities.similarity.jaccard import grow
from graphagg.communities.similarity.neighborhoods import Neighborhoods, QueryScratch
from graphagg.graph.pagerank import PushLimits, degrees_of, push

ALPHA = 0.05
"""Probability of a return to the seeds in each step of the walk."""
RESIDUAL = 1e-5
"""Residual per edge that a vertex may keep when the push ends."""
PUSH_WORK = 2_000_000
"""Maximum number of edges that the push reads."""
HUB, HUB_REACH = 100, 300
"""Degree above which a seed is a hub; the prior is one edge per `HUB_REACH` further neighbors."""
GROWTH_WORK = 500_000
"""Maximum number of entries that `agglomerative` reads while the community grows."""


class Expander:
    """Ranks vertices by their closeness to seeds; safe to call from several threads."""

    def __init__(self, neighborhoods: Neighborhoods, signature_tables: SignatureTables) -> None:
        self.neighborhoods = neighborhoods
        self.signature_tables = signature_tables
        self._local = threading.local()

    @property
    def _scratch(self) -> QueryScratch:
        scratch = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = QueryScratch.of(self.neighborhoods)
        return scratch

    def rank(self, seeds: Array, k: int, method: Method) -> VertexRanking:
        """Score the vertices that a method reaches from distinct seeds, `[s]` int64.

        `agglomerative` and `fused` stop after about `k` members.
        """
        try:
            return self._rank(seeds, k, method)
        except BaseException:
            self._local.scratch = None  # an interrupted query leaves its work arrays dirty
            raise

    def _rank(self, seeds: Array, k: int, method: Method) -> VertexRanking:
        query = QueryContext(self.neighborhoods, self.signature_tables, seeds, self._scratch)
        if method == "minhash":
            return minhash_ranking(query)
        if method == "pagerank":
            return self._pagerank(seeds)
        if method == "fused":
            return fused_ranking(query, k, self._pagerank(seeds))
        close = jaccard_ranking(query)
        return close if method == "jaccard" else self._agglomerative(seeds, k, close)

    def _pagerank(self, seeds: Array) -> VertexRanking:
        """Score by PageRank mass divided by degree.

        If all seeds are hubs, the walk continues to smaller residuals, and `prior` edges without
        mass are added to the degree of each vertex. Otherwise the leaves of a hub, which have a
        single edge, would rank above vertices with many edges into its neighborhood.
        """
        neighborhoods = self.neighborhoods
        least = max(int(degrees_of(neighborhoods.raw, seeds).min()), 1)
        residual = RESIDUAL * min(1.0, HUB_REACH / least)
        vertices, mass, degrees = pagerank(
            neighborhoods, seeds, ALPHA, residual, PUSH_WORK, self._scratch
        )
        prior = max(0.0, (least - HUB) / HUB_REACH)
        scores = mass / (np.maximum(degrees, 1) + prior)
        return VertexRanking(vertices, scores, "push", {"pagerank": scores})

    def _agglomerative(self, seeds: Array, k: int, start: VertexRanking) -> VertexRanking:
        """Repeatedly add the vertex with the highest mean similarity to all members."""
        scratch = self._scratch
        positive = start.scores > 0  # a vertex of score 0 becomes active when growing reaches it
        vertices, size = start.vertices[positive], int(np.count_nonzero(positive))
        scratch.active[:size] = vertices
        scratch.scores[vertices] = start.scores[positive] * len(seeds)  # sums, not means
        scratch.members[seeds] = 1
        order, means, notes = np.empty(k, dtype=np.int64), np.empty(k), start.notes
        joined, size, unread = grow(
            self.neighborhoods.bundle, scratch, len(seeds), size, GROWTH_WORK, order, means
        )
        order, means = order[:joined], means[:joined]
        rest = np.zeros(0, dtype=np.int64)
        if joined < k:  # budget exhausted: add the best remaining candidates
            active = scratch.active[:size].astype(np.int64)
            members = np.concatenate([seeds, order])
            reached = VertexRanking(active, scratch.scores[active], start.plan)
            rest = active[reached.best(k - joined, members)]
        if unread or len(rest):
            notes = (*notes, f"the work budget ended growth after {joined - unread:,} members")
        scores = np.concatenate([means, scratch.scores[rest] / (len(seeds) + joined)])
        scratch.scores[scratch.active[:size]] = 0.0
        scratch.members[seeds] = 0
        scratch.members[order] = 0
        vertices, components = np.concatenate([order, rest]), {"running_mean": scores}
        return VertexRanking(vertices, scores, start.plan, components, notes, ordered=True)


def pagerank(
    neighborhoods: Neighborhoods,
    seeds: Array,
    alpha: float,
    eps: float,
    most: int,
    scratch: QueryScratch,
) -> tuple[Array, Array, Array]:
    """Approximate personalized PageRank; `eps` is the residual per edge that may remain.

    At most `most` edges are read; seeds of low degree are pushed first. Returns the reached
    vertices, `[c]` int64, their mass and their degrees.
    """
    by_degree = seeds[np.argsort(degrees_of(neighborhoods.raw, seeds), kind="stable")]
    reset = np.full(len(seeds), 1.0 / len(seeds))
    limits = PushLimits(alpha, per_edge=eps, edges=most, push_starts=True)
    nodes, mass = push(neighborhoods.raw, limits, by_degree, reset, scratch.push)
    is_vertex = nodes < neighborhoods.sets.rows  # in a two-mode graph elements are nodes too
    vertices = nodes[is_vertex]
    return vertices, mass[is_vertex], degrees_of(neighborhoods.raw, vertices)
