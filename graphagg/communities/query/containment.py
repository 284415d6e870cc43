"""Containment C(A, B) = |A & B| / |A|: which large sets hold a small one.

Jaccard similarity cannot find them: a set of 20 inside one of 100,000 has J = 0.0002. Paper: Zhu
et al., LSH Ensemble, VLDB 2016: sets are parted by size, and within a part the containment wanted
becomes a similarity, J = C x / (x + u - C x) for sizes x and at most u. Departures: where counting
fits the work budget it is exact over all sets; and a part whose similarity is below what K slots
can show (K J < 1) is compared element by element, the largest sets first, instead of being looked
up in tables that would find nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from graphagg.arrays import Array
from graphagg.communities.config import Plan, QueryConfig
from graphagg.communities.query.planner import split_by_work
from graphagg.communities.query.ranking import Ranking
from graphagg.communities.similarity.exact import count_shared, intersection
from graphagg.communities.similarity.minhash import agreements
from graphagg.communities.similarity.neighborhood import Neighborhoods, Scratch

THRESHOLD = 0.5
"""The containment that the size partitions are searched for."""


@dataclass(frozen=True)
class SizePartitions:
    """Vertices by the size of their sets, in parts of equal number.

    Attributes:
        order: `[n]` int32, by (size, vertex) ascending.
        bounds: `[parts + 1]` int64, where in `order` each part begins.
    """

    order: Array
    bounds: Array

    @classmethod
    def of(cls, sizes: Array, parts: int) -> SizePartitions:
        """Sort by size; `sizes` is `[n]`."""
        order = np.argsort(sizes, kind="stable").astype(np.int32)
        bounds = np.linspace(0, len(sizes), parts + 1).astype(np.int64)
        return cls(order, bounds)


def containment_ranking(
    hoods: Neighborhoods,
    sig: Array,
    partitions: SizePartitions,
    seeds: Array,
    plan: Plan,
    config: QueryConfig,
    scratch: Scratch,
) -> Ranking:
    """Score by the mean share of a seed's set that the vertex's set holds.

    `exact` counts; `lsh` and `scan` go through the size partitions; `auto` counts the seeds that
    fit the work budget.
    """
    budget = 0 if plan in ("lsh", "scan") else config.exact_work
    cheap, costly = split_by_work(hoods, seeds, budget)
    notes: tuple[str, ...] = ()
    if plan == "exact" and len(costly):
        notes = (f"{len(costly)} seeds passed the work budget of plan 'exact' and were left out",)
        costly = costly[:0]
    found, shares = [], []
    for seed in cheap:
        reached = count_shared(*hoods.arrays, hoods.closed, seed, scratch.counts, scratch.touched)
        touched = scratch.touched[:reached].astype(np.int64)
        found.append(touched)
        shares.append(scratch.counts[touched] / float(hoods.sizes(np.array([seed]))[0]))
        scratch.counts[touched] = 0
    for seed in costly:
        vertices, share, complete = _through_partitions(hoods, sig, partitions, int(seed), config)
        found.append(vertices)
        shares.append(share)
        if not complete:
            notes = ("the comparison budget ended before the smallest partition", *notes)
    if not found:
        return Ranking(np.zeros(0, dtype=np.int64), np.zeros(0), plan, notes=notes)
    vertices, places = np.unique(np.concatenate(found), return_inverse=True)
    scores = np.bincount(places, np.concatenate(shares), len(vertices)) / len(seeds)
    used = "exact" if not len(costly) else "exact+scan" if len(cheap) else "scan"
    sizes = hoods.sizes(vertices).astype(np.float64)
    # Of equal containment the smaller set says more.
    ranked = scores * (1.0 - 1e-6 * sizes / (1.0 + sizes.max(initial=0.0)))
    return Ranking(vertices, ranked, used, {"containment": scores, "size": sizes}, notes)


def _through_partitions(
    hoods: Neighborhoods, sig: Array, partitions: SizePartitions, seed: int, config: QueryConfig
) -> tuple[Array, Array, bool]:
    """Vertices that hold part of the seed's set, their shares, and whether all were looked at."""
    size = int(hoods.sizes(np.array([seed]))[0])
    left = config.pair_work
    vertices, shares = [], []
    for part in range(len(partitions.bounds) - 2, -1, -1):
        low, high = partitions.bounds[part], partitions.bounds[part + 1]
        members = partitions.order[low:high][::-1].astype(np.int64)  # the largest first
        if not len(members):
            continue
        largest = int(hoods.sizes(members[:1])[0])
        if largest < THRESHOLD * size:
            break
        wanted = THRESHOLD * size / (size + largest - THRESHOLD * size)
        slots = wanted * sig.shape[1]
        if slots >= 1:
            members = members[: left // 8]
            equal = np.empty(len(members), dtype=np.uint32)
            agreements(sig, np.ascontiguousarray(sig[seed : seed + 1]), members, equal)
            left -= len(members) * 8
            members = members[equal >= max(1.0, slots / 2)]
        held = np.zeros(len(members))
        done, used = _held(
            hoods.sets.indptr, hoods.sets.indices, hoods.closed, seed, members, left, held
        )
        left -= used
        vertices.append(members[:done])
        shares.append(held[:done])
        if done < len(members) or left <= 0:
            return np.concatenate(vertices), np.concatenate(shares), False
    if not vertices:
        return np.zeros(0, dtype=np.int64), np.zeros(0), True
    return np.concatenate(vertices), np.concatenate(shares), True


@numba.njit(cache=True)
def _held(
    ptr: Array, ind: Array, closed: bool, seed: int, vertices: Array, most: int, out: Array
) -> tuple[int, int]:
    """Containment of the seed's set in each vertex's; how many were done, and look-ups used."""
    none = np.empty(0, dtype=np.int64)
    size = ptr[seed + 1] - ptr[seed] + closed
    used = 0
    for i in range(len(vertices)):
        v = vertices[i]
        used += min(size, ptr[v + 1] - ptr[v] + closed) + 1
        if used > most:
            return i, used
        if size > 0:
            out[i] = intersection(ptr, ind, closed, seed, v, none) / size
    return len(vertices), used
