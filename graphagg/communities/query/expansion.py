"""From seeds to a ranking: the paper's methods, PageRank on the raw graph, and their fusion.

Paper: Real-Time Community Detection in Large Social Networks on a Laptop, arXiv 1601.03958:
`minhash` is its MS, `agglomerative` its AC. Departures: `jaccard` and `agglomerative` compare exact
sets, which costs less than estimating them where degrees are moderate; sets are closed; `pagerank`
walks the raw graph; `fused` is new.
"""

from __future__ import annotations

import threading

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.config import Method, Plan, QueryConfig
from graphagg.communities.query.containment import SizePartitions, containment_ranking
from graphagg.communities.query.pagerank import pagerank
from graphagg.communities.query.planner import (
    Sketches,
    jaccard_ranking,
    minhash_ranking,
    split_by_work,
)
from graphagg.communities.query.ranking import Ranking, top_vertices
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
            scratch = Scratch(max(self.hoods.sets.rows, self.hoods.sets.columns), self.hoods.nodes)
            self._local.scratch = scratch
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
        shared = (self.hoods, self.sketches, seeds, plan, config, self._scratch)
        if method == "minhash":
            return minhash_ranking(*shared)
        if method == "jaccard":
            return jaccard_ranking(*shared)
        if method == "containment":
            return containment_ranking(
                self.hoods, self.sketches.sig, self.partitions, seeds, plan, config, self._scratch
            )
        if method == "pagerank":
            return self._pagerank(seeds, config)
        if method == "agglomerative":
            return self._agglomerative(seeds, k, jaccard_ranking(*shared), config)
        return self._fused(seeds, k, jaccard_ranking(*shared), config)

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
        score, active = scratch.score, scratch.active
        near = start.vertices[start.scores > 0]  # what scores 0 joins `active` when it is reached
        size = len(near)
        active[:size] = near
        score[near] = start.scores[start.scores > 0] * len(seeds)
        member = scratch.queued
        member[seeds] = 1
        order, means = np.empty(k, dtype=np.int64), np.empty(k)
        found, size, light = grow(
            *self.hoods.arrays, self.hoods.closed, k, float(len(seeds)), config.growth_work,
            member, scratch.counts, scratch.touched, score, active, size, order, means,
        )  # fmt: skip
        notes = start.notes
        rest = np.zeros(0, dtype=np.int64)
        if found < k:
            reached = active[:size].astype(np.int64)
            taken = np.concatenate([seeds, order[:found]])
            rest = top_vertices(reached, score[reached], k - found, taken)
        if light or len(rest):
            notes = (*notes, f"the work budget ended growth after {found - light:,} members")
        last = score[rest] / (len(seeds) + found)
        score[active[:size]] = 0.0
        member[seeds] = 0
        member[order[:found]] = 0
        scores = np.concatenate([means[:found], last])
        vertices = np.concatenate([order[:found], rest])
        parts = {"running_mean": scores}
        return Ranking(vertices, scores, start.plan, parts, notes, ordered=True)

    def _fused(self, seeds: Array, k: int, close: Ranking, config: QueryConfig) -> Ranking:
        """PageRank times similarity, where similarity weighs as much as it can tell.

        With p = PageRank mass over degree and J = mean similarity to the seeds, both scaled to
        maximum 1, a vertex scores p^power (J' + c).

        c = floor + gap (1 - coverage) / coverage, where coverage is the share of the k best by p
        that have J > 0: in sparse graphs most true members share no neighbor with any seed, and
        there the walk decides. J' mixes J with the similarity to the first `grown` members of a
        first pass, as agglomeration would.

        The formula and its constants were chosen among 38 variants on email-Eu-core, Amazon and
        LFR mu = 0.1 (least regret against the best single method).
        """
        settings = config.fused
        walk = self._pagerank(seeds, config)
        vertices, p = walk.vertices, _scaled(walk.scores)  # elsewhere the score is 0
        j = self._at(vertices, close.vertices, _scaled(close.scores))
        nearest = Ranking(vertices, p, "").best(k, seeds)
        coverage = float((j[nearest] > 0).mean()) if len(nearest) else 1.0
        c = settings.floor + settings.gap * (1.0 - coverage) / max(coverage, 0.01)
        walked = p**settings.power
        first = top_vertices(vertices, walked * (j + c), min(k, settings.grown), seeds)
        grown, _ = split_by_work(self.hoods, np.concatenate([seeds, first]), config.growth_work)
        if len(first) and len(grown):
            near, sums = jaccard_to_seeds(self.hoods, grown, 1.0, self._scratch)
            wider = self._at(vertices, near, _scaled(sums))
            j = (1.0 - settings.mixture) * j + settings.mixture * wider
        parts = {"pagerank": p, "jaccard": j}
        return Ranking(vertices, walked * (j + c), close.plan, parts, close.notes)

    def _at(self, wanted: Array, vertices: Array, scores: Array) -> Array:
        """The scores of the wanted vertices; 0 for those that have none."""
        dense = self._scratch.score
        dense[vertices] = scores
        found: Array = dense[wanted]
        dense[vertices] = 0.0
        return found


def _scaled(scores: Array) -> Array:
    """Scores over their maximum."""
    scaled: Array = scores / max(float(scores.max(initial=0.0)), 1e-300)
    return scaled
