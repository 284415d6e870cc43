"""The method `fused`: PageRank times similarity, weighted by the share of similar vertices.

With p = PageRank mass over degree and J = mean similarity to the seeds, both scaled, a vertex
scores p^POWER (J' + c) / (1 + c).

c = FLOOR + GAP (1 - coverage) / coverage. Coverage is the share of vertices with J > 0 among the
best by p. In sparse graphs most true members share no neighbor with any seed, so the walk decides.
J' mixes J with the similarity to the first EXPANSION_SIZE vertices, similar to agglomeration.

Coverage should count few vertices if the community is small, and many if it is large.
So members are taken in stages: the first FIRST_STAGE with the coverage of as many vertices,
then the same number with the coverage of twice that number, and so on. The stages depend only on
the seeds, so a shorter answer is a prefix of a longer one; docs/decisions/fused-in-stages.md
describes the alternatives that were measured.

Most vertices that a walk reaches cannot be members and are not compared. J' is at most 1, so a
vertex scores at most p^POWER: a vertex with a lower p^POWER than the lowest score of the n best by
p is not among the n best. J and the similarity to the first vertices are divided by the largest
value among these members and the EXPANSION_SIZE best by p; larger quotients count as 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, kth_largest, top_k
from graphagg.communities.query import planner
from graphagg.communities.query.planner import QueryContext
from graphagg.communities.query.vertex_ranking import VertexRanking
from graphagg.communities.similarity.jaccard import pair_similarities
from graphagg.communities.similarity.jaccard_sums import similarity_sums

POWER = 0.7
"""Exponent of PageRank."""
FLOOR = 0.05
"""Smallest constant that is added to each similarity."""
GAP = 3.0
"""Growth of the constant if few of the best vertices by PageRank are similar to a seed."""
EXPANSION_SIZE = 30
"""Number of first vertices that candidates are compared with, in addition to the seeds."""
MIXTURE = 0.5
"""Weight of the similarities to these first vertices."""
FIRST_STAGE = 10
"""Number of members of the first stage; each later stage doubles the total."""
_SLACK = 1.0 - 1e-9  # bounds and scores round differently; a bound must not exclude a member


def fused_ranking(query: QueryContext, k: int, walk: VertexRanking) -> VertexRanking:
    """Rank at least the first `k` vertices by the product of PageRank and similarity."""
    seeds = np.sort(query.seeds)
    ends = _stages(k)
    most = max(EXPANSION_SIZE, ends[-1])
    vertices, p = _best_by_walk(walk, seeds, most)
    if not len(vertices):
        return VertexRanking(vertices, p, walk.plan, {"pagerank": p, "jaccard": p})
    walked = p**POWER
    to_seeds = _Closeness(query, seeds, vertices, most)
    first_similarities = to_seeds.of_first(most)
    coverage = np.cumsum(first_similarities > 0) / np.arange(1, len(first_similarities) + 1)

    def constant(count: int) -> float:
        """Return the constant c for the coverage of the first `count` vertices."""
        share = max(float(coverage[min(count, len(coverage)) - 1]), 0.01)
        return FLOOR + GAP * (1.0 - share) / share

    first = _first_vertices(to_seeds, vertices, walked, constant(EXPANSION_SIZE))
    wider = _Closeness(query, np.union1d(seeds, first), vertices, most)

    def mixed(count: int) -> Doubles:
        """Return J' of the first `count` vertices."""
        return (1.0 - MIXTURE) * to_seeds.of_first(count) + MIXTURE * wider.of_first(count)

    least = min(map(constant, ends))
    j = mixed(_reach(walked, mixed(ends[-1]), least, ends[-1]))
    vertices, p, walked = vertices[: len(j)], p[: len(j)], walked[: len(j)]
    order, scores = _by_stages(vertices, walked, j, constant, ends)
    components = {"pagerank": p[order], "jaccard": j[order]}
    notes = tuple(dict.fromkeys((*to_seeds.notes, *wider.notes)))
    return VertexRanking(vertices[order], scores, walk.plan, components, notes, ordered=True)


class _Closeness:
    """Scaled similarity of a walk's vertices, best first, to some members (ascending).

    The first `count` vertices are compared at once, later vertices only on demand.
    """

    def __init__(self, query: QueryContext, members: Array, vertices: Array, count: int) -> None:
        self._query, self._members, self._vertices = query, members, vertices
        self._look_ups = planner.PAIR_WORK
        self.notes: tuple[str, ...] = ()
        compared = self._compare(np.concatenate([members, vertices[:count]]))
        to_members, self._sums = compared[: len(members)], compared[len(members) :]
        common = self._sums[:EXPANSION_SIZE]
        self._scale = max(float(to_members.max()), float(common.max(initial=0.0)), 1e-300)

    def of_first(self, count: int) -> Doubles:
        """Return the similarities of the first `count` vertices, from 0 to 1."""
        missing = self._vertices[len(self._sums) : count]
        if len(missing):
            self._sums = np.concatenate([self._sums, self._compare(missing)])
        return np.minimum(self._sums[:count] / self._scale, 1.0)

    def _compare(self, vertices: Array) -> Doubles:
        """Sum similarities; members with very large sets are limited by the look-up budget."""
        query = self._query
        sums, costly = similarity_sums(
            query.neighborhoods, self._members, vertices, planner.EXACT_WORK, query.scratch
        )
        if len(costly):
            sizes, extra = query.neighborhoods.sizes(vertices), np.zeros(len(vertices))
            bundle, look_ups = query.neighborhoods.bundle, self._look_ups
            done = pair_similarities(bundle, costly, vertices, look_ups, extra)
            sums += extra
            self._look_ups -= int((sizes[:done] + 1).sum()) * len(costly)
            if done < len(vertices):
                self._look_ups = 0
                self.notes = (
                    f"{len(costly)} sets exceeded the comparison budget and were compared only "
                    "with the first vertices of the walk",
                )
        return sums


def _stages(k: int) -> list[int]:
    """Return the number of members after each stage, up to the first stage with at least `k`."""
    ends = [FIRST_STAGE]
    while ends[-1] < k:
        ends.append(2 * ends[-1])
    return ends


def _best_by_walk(walk: VertexRanking, seeds: Array, most: int) -> tuple[Ints, Doubles]:
    """Select the vertices that can be among the `most` best, sorted by p, without the seeds.

    For any J', the score of a vertex is between p^POWER c / (1 + c), where c is at least FLOOR,
    and p^POWER.
    """
    others = ~np.isin(walk.vertices, seeds)
    vertices, p = walk.vertices[others], walk.scores[others]
    p = p / max(float(walk.scores.max(initial=0.0)), 1e-300)
    if len(p) > most:
        least = kth_largest(p, most)
        share = FLOOR / (1.0 + FLOOR)
        able = p >= _SLACK * least * share ** (1.0 / POWER)
        vertices, p = vertices[able], p[able]
    order = top_k(p, len(p), vertices)
    return vertices[order], p[order]


def _first_vertices(to_seeds: _Closeness, vertices: Ints, walked: Doubles, c: float) -> Ints:
    """Select the `EXPANSION_SIZE` best vertices by similarity to the seeds alone."""
    j = to_seeds.of_first(_reach(walked, to_seeds.of_first(EXPANSION_SIZE), c, EXPANSION_SIZE))
    scores = walked[: len(j)] * (j + c) / (1.0 + c)
    return vertices[top_k(scores, EXPANSION_SIZE, vertices[: len(j)])]


def _reach(walked: Doubles, j: Doubles, c: float, count: int) -> int:
    """Count the first vertices by p that can be among the `count` best, for any constant >= `c`.

    `walked` is p^POWER, descending; `j` is J' of the first `count`. A larger constant raises each
    score.
    """
    if len(walked) <= count:
        return len(walked)
    least = float((walked[:count] * (j + c)).min()) / (1.0 + c)
    return max(count, int(np.searchsorted(-walked, -_SLACK * least, side="right")))


def _by_stages(
    vertices: Ints, walked: Doubles, j: Doubles, constant: Callable[[int], float], ends: list[int]
) -> tuple[Ints, Doubles]:
    """Take vertices stage by stage; return their positions and their scores, which never increase.

    With the constant of its stage, a vertex may score higher than the previous one; then it gets
    the score of the previous one.
    """
    remaining = np.arange(len(vertices))
    positions, scores = [], []
    for begin, end in zip([0, *ends], ends, strict=False):
        c = constant(end)
        scored = walked[remaining] * (j[remaining] + c) / (1.0 + c)
        best = top_k(scored, end - begin, vertices[remaining])
        positions.append(remaining[best])
        scores.append(scored[best])
        remaining = np.delete(remaining, best)
    return np.concatenate(positions), np.minimum.accumulate(np.concatenate(scores))
