"""Containment C(A, B) = |A & B| / |A|: finds the large sets that have most of a small one.

Jaccard similarity cannot find them: a set of 20 inside one of 100,000 has J = 0.0002. Paper: Zhu
et al., LSH Ensemble, VLDB 2016: sets are partitioned by size, and within a partition the
containment looked for becomes a similarity, J = C x / (x + u - C x) for sizes x and at most u.
Departures: where counting fits the work budget it is exact over all sets; and a partition whose
similarity is below what K slots can show (K J < 1) is compared element by element, the largest sets
first, instead of being looked up in tables that would find nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.query.planner import Query, left_out, split_by_work
from graphagg.communities.query.ranking import Ranking
from graphagg.communities.similarity.exact import count_shared, intersection
from graphagg.communities.similarity.neighborhood import Sets, set_size, sum_of
from graphagg.kernels import kernel
from graphagg.store import Artifact

THRESHOLD = 0.5
"""The containment that the size partitions are searched for."""


@dataclass(frozen=True)
class SizePartitions:
    """Vertices by the size or weight of their sets, in partitions of equal number.

    Attributes:
        order: `[n]` int32, by (size, vertex) ascending.
        bounds: `[partitions + 1]` int64, position in `order` where each partition begins.
    """

    order: Array
    bounds: Array

    @classmethod
    def of(cls, sizes: Array, count: int) -> SizePartitions:
        """Sort by size; `sizes` is `[n]`."""
        order = np.argsort(sizes, kind="stable").astype(np.int32)
        bounds = np.linspace(0, len(sizes), count + 1).astype(np.int64)
        return cls(order, bounds)

    @classmethod
    def open(cls, artifact: Artifact, name: str) -> SizePartitions:
        """Map the arrays `<name>.order` and `.bounds`."""
        return cls(artifact.array(f"{name}.order"), artifact.array(f"{name}.bounds"))


def containment_ranking(query: Query, partitions: SizePartitions) -> Ranking:
    """Score by the mean share of a seed's set that the vertex's set has.

    `exact` counts; `lsh` and `scan` go through the size partitions; `auto` counts the seeds that
    fit the work budget.
    """
    hoods, plan, scratch = query.hoods, query.plan, query.scratch
    budget = 0 if plan in ("lsh", "scan") else query.config.exact_work
    cheap, costly = split_by_work(hoods, query.seeds, budget)
    notes: tuple[str, ...] = ()
    if plan == "exact":
        notes, costly = left_out(costly), costly[:0]
    reached, shares, bundle = [], [], hoods.bundle
    for seed, size in zip(cheap, hoods.weights(cheap).tolist(), strict=True):
        count = count_shared(bundle, seed, scratch)
        touched = scratch.touched[:count].astype(np.int64)
        reached.append(touched)
        shares.append(scratch.counts[touched] / float(size))
        scratch.counts[touched] = 0
    for seed in costly:
        vertices, share, complete = _through_partitions(query, partitions, int(seed))
        reached.append(vertices)
        shares.append(share)
        if not complete:
            notes = ("the comparison budget ended before the smallest partition", *notes)
    if not reached:
        return Ranking(np.zeros(0, dtype=np.int64), np.zeros(0), plan, notes=notes)
    vertices, positions = np.unique(np.concatenate(reached), return_inverse=True)
    scores = np.bincount(positions, np.concatenate(shares), len(vertices)) / len(query.seeds)
    used = "exact" if not len(costly) else "exact+scan" if len(cheap) else "scan"
    sizes = hoods.weights(vertices).astype(np.float64)
    # Of equal containment the smaller set says more.
    ranked = scores * (1.0 - 1e-6 * sizes / (1.0 + sizes.max(initial=0.0)))
    return Ranking(vertices, ranked, used, {"containment": scores, "size": sizes}, notes)


def _through_partitions(
    query: Query, partitions: SizePartitions, seed: int
) -> tuple[Array, Array, bool]:
    """Search the size partitions for vertices that have part of the seed's set.

    Returns:
        The vertices, their shares, and whether all partitions were searched.
    """
    hoods, sketches = query.hoods, query.sketches
    size = hoods.weights(np.array([seed]))[0]
    left = query.config.pair_work
    vertices, shares = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    complete = True
    for low, high in reversed(list(pairwise(partitions.bounds.tolist()))):
        members = partitions.order[low:high][::-1].astype(np.int64)  # the largest first
        if not len(members):
            continue
        largest = hoods.weights(members[:1])[0]
        if largest < THRESHOLD * size:
            break
        similarity = THRESHOLD * size / (size + largest - THRESHOLD * size)
        slots = similarity * sketches.permutations
        if slots >= 1:  # enough for signatures to show it; 8 look-ups buy a comparison of them
            members = members[: left // 8]
            equal = sketches.agreements(np.array([seed]), members)
            left -= len(members) * 8
            members = members[equal >= max(1.0, slots / 2)]
        contained = np.zeros(len(members))
        done, used = _containments(hoods.bundle, seed, members, left, contained)
        left -= used
        vertices.append(members[:done])
        shares.append(contained[:done])
        if done < len(members) or left <= 0:
            complete = False
            break
    return np.concatenate(vertices), np.concatenate(shares), complete


@kernel
def _containments(
    sets: Sets, seed: int, vertices: Array, budget: int, out: Array
) -> tuple[int, int]:
    """Write the containment of the seed's set in each vertex's set to `out`.

    Returns:
        The number of vertices that were compared, and the look-ups used.
    """
    no_examples = np.empty(0, dtype=np.int64)
    offsets, closed = sets.offsets, sets.closed
    size = set_size(offsets, closed, seed)
    weight = sum_of(sets.masses, seed, size)
    used = 0
    for i in range(len(vertices)):
        v = vertices[i]
        used += min(size, set_size(offsets, closed, v)) + 1  # + 1: an empty set is looked at, too
        if used > budget:
            return i, used
        if size > 0:
            out[i] = intersection(sets, seed, v, no_examples)[1] / weight
    return len(vertices), used
