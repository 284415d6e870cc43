"""From seeds to a ranking: the paper's methods, PageRank on the raw graph, and their fusion.

Paper: Real-Time Community Detection in Large Social Networks on a Laptop, arXiv 1601.03958:
`minhash` is its MS, `agglomerative` its AC. Departures: `jaccard` and `agglomerative` compare exact
sets, which costs less than estimating them where degrees are moderate; sets are closed; `pagerank`
walks the raw graph; `fused` is new.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.config import Method, Plan, QueryConfig
from graphagg.communities.query.containment import SizePartitions, containment_ranking
from graphagg.communities.query.pagerank import pagerank
from graphagg.communities.query.planner import (
    Query,
    Sketches,
    jaccard_ranking,
    minhash_ranking,
    split_by_work,
)
from graphagg.communities.query.ranking import Ranking, largest, top_vertices
from graphagg.communities.similarity.exact import grow, jaccard_to_seeds
from graphagg.communities.similarity.neighborhood import Neighborhoods, Scratch


class Expander:
    """Ranks vertices by their closeness to seeds; safe to call from several threads.

    Args:
        hoods: sets and raw graph.
        sketches: signatures and band tables.
        partitions: vertices by the size of their sets.
    """

    def __init__(
        self, hoods: Neighborhoods, sketches: Sketches, partitions: SizePartitions
    ) -> None:
        self.hoods = hoods
        self.sketches = sketches
        self.partitions = partitions
        self._local = threading.local()

    @property
    def _scratch(self) -> Scratch:
        scratch = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = Scratch.of(self.hoods)
        return scratch

    def rank(
        self, seeds: Array, k: int, method: Method, plan: Plan, config: QueryConfig
    ) -> Ranking:
        """Score all vertices that the method reaches.

        Args:
            seeds: `[s]` int64 distinct vertices.
            k: how many members are wanted; `agglomerative` and `fused` look no further.
            method: how to score.
            plan: how to find what is scored.
            config: budgets and constants.
        """
        try:
            return self._rank(seeds, k, method, plan, config)
        except BaseException:
            self._local.scratch = None  # an interrupted query leaves its work arrays dirty
            raise

    def _rank(
        self, seeds: Array, k: int, method: Method, plan: Plan, config: QueryConfig
    ) -> Ranking:
        query = Query(self.hoods, self.sketches, seeds, plan, config, self._scratch)
        if method == "minhash":
            return minhash_ranking(query)
        if method == "containment":
            return containment_ranking(query, self.partitions)
        if method == "pagerank":
            return self._pagerank(seeds, config)
        close = jaccard_ranking(query)
        if method == "jaccard":
            return close
        grow_by = self._agglomerative if method == "agglomerative" else self._fused
        return grow_by(seeds, k, close, config)

    def _pagerank(self, seeds: Array, config: QueryConfig) -> Ranking:
        """Score by PageRank mass over degree."""
        vertices, mass, degrees = pagerank(
            self.hoods, seeds, config.alpha, config.eps, config.push_work, self._scratch
        )
        scores = mass / np.maximum(degrees, 1)
        return Ranking(vertices, scores, "push", {"pagerank": scores})

    def _agglomerative(self, seeds: Array, k: int, start: Ranking, config: QueryConfig) -> Ranking:
        """Add the vertex of the highest mean similarity to all members, again and again."""
        scratch = self._scratch
        near = start.scores > 0  # a vertex of score 0 becomes active when growing reaches it
        size = int(np.count_nonzero(near))
        scratch.active[:size] = start.vertices[near]
        scratch.scores[start.vertices[near]] = start.scores[near] * len(seeds)  # sums, not means
        scratch.members[seeds] = 1
        order, means, notes = np.empty(k, dtype=np.int64), np.empty(k), start.notes
        joined, size, unread = grow(
            self.hoods.bundle, scratch, len(seeds), size, config.growth_work, order, means
        )
        order, means = order[:joined], means[:joined]
        rest = np.zeros(0, dtype=np.int64)
        if joined < k:  # the budget ended: the best of the candidates that growing left
            active = scratch.active[:size].astype(np.int64)
            members = np.concatenate([seeds, order])
            rest = top_vertices(active, scratch.scores[active], k - joined, members)
        if unread or len(rest):
            notes = (*notes, f"the work budget ended growth after {joined - unread:,} members")
        scores = np.concatenate([means, scratch.scores[rest] / (len(seeds) + joined)])
        scratch.scores[scratch.active[:size]] = 0.0
        scratch.members[seeds] = 0
        scratch.members[order] = 0
        vertices, parts = np.concatenate([order, rest]), {"running_mean": scores}
        return Ranking(vertices, scores, start.plan, parts, notes, ordered=True)

    def _fused(self, seeds: Array, k: int, close: Ranking, config: QueryConfig) -> Ranking:
        """PageRank times similarity, where similarity weighs as much as it can tell.

        With p = PageRank mass over degree and J = mean similarity to the seeds, both scaled to
        maximum 1, a vertex scores p^power (J' + c) / (1 + c).

        c = floor + gap (1 - coverage) / coverage, where coverage is the share of the best by p that
        have J > 0: in sparse graphs most true members share no neighbor with any seed, and there
        the walk decides. J' mixes J with the similarity to the first `grown` vertices, as
        agglomeration would.

        How many of the best by p are looked at decides much: few where the community is small, many
        where it is large. So members are taken in stages: the first `stage` by the coverage of so
        many, then as many as there are by the coverage of twice as many, and so on. The stages
        depend on the seeds alone, so that fewer members are the first of more; see
        docs/decisions/fused-in-stages.md for the other ways that were measured.
        """
        settings = config.fused
        walk = self._pagerank(seeds, config)
        j = self._scores_at(walk.vertices, close.vertices, _scaled(close.scores))
        p, others = _scaled(walk.scores), ~np.isin(walk.vertices, seeds)
        vertices, p, j = walk.vertices[others], p[others], j[others]
        by_walk = np.lexsort((vertices, -p))
        coverage = np.cumsum(j[by_walk] > 0) / np.arange(1, len(j) + 1)

        def constant(count: int) -> float:
            """C by the coverage of the first `count`."""
            share = max(float(coverage[min(count, len(coverage)) - 1]), 0.01)
            return settings.floor + settings.gap * (1.0 - share) / share

        if not len(vertices):
            return Ranking(vertices, p, close.plan, {"pagerank": p, "jaccard": j}, close.notes)
        walked = p**settings.power
        first = top_vertices(
            vertices, walked * (j + constant(settings.grown)), settings.grown, seeds
        )
        grown, _ = split_by_work(self.hoods, np.concatenate([seeds, first]), config.growth_work)
        if len(first) and len(grown):
            near, sums = jaccard_to_seeds(self.hoods, grown, 1.0, self._scratch)
            wider = self._scores_at(vertices, near, _scaled(sums))
            j = (1.0 - settings.mixture) * j + settings.mixture * wider
        order, scores = _by_stages(vertices, walked, j, constant, settings.stage, k)
        parts = {"pagerank": p[order], "jaccard": j[order]}
        return Ranking(vertices[order], scores, close.plan, parts, close.notes, ordered=True)

    def _scores_at(self, asked: Array, vertices: Array, scores: Array) -> Array:
        """The scores of the vertices asked for; 0 for those that have none."""
        dense = self._scratch.scores
        dense[vertices] = scores
        values: Array = dense[asked]
        dense[vertices] = 0.0
        return values


def _by_stages(
    vertices: Array, walked: Array, j: Array, constant: Callable[[int], float], stage: int, k: int
) -> tuple[Array, Array]:
    """Positions of `k` vertices or some more, and their scores, which never rise.

    A vertex of a later stage may score more by that stage's constant than one before it; it gets
    the score of the last one before it.
    """
    left = np.arange(len(vertices))
    positions, scores = [], []
    size, taken = stage, 0
    while taken < k and len(left):
        c = constant(size)
        found = walked[left] * (j[left] + c) / (1.0 + c)
        best = largest(found, size - taken, vertices[left])
        positions.append(left[best])
        scores.append(found[best])
        left = np.delete(left, best)
        size, taken = 2 * size, size
    return np.concatenate(positions), np.minimum.accumulate(np.concatenate(scores))


def _scaled(scores: Array) -> Array:
    """Scores over their maximum."""
    scaled: Array = scores / max(float(scores.max(initial=0.0)), 1e-300)
    return scaled
