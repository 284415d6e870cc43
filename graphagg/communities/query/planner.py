"""Chooses the vertices that a query compares, within a bounded amount of work.

`exact` reads all sets that share an element with a seed's. Its work, the sum of the degrees of the
set's elements, is known beforehand; a seed whose work does not fit the budget goes through the LSH
tables instead. `scan` compares all signatures. So the work of every query is bounded, whatever the
degree of its seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.config import Plan, QueryConfig
from graphagg.communities.query.ranking import Ranking
from graphagg.communities.similarity.exact import jaccard_to_seeds, pair_similarities
from graphagg.communities.similarity.neighborhood import Neighborhoods, Scratch
from graphagg.minhash.bands import BandTables
from graphagg.minhash.signatures import agreements


@dataclass(frozen=True)
class Sketches:
    """Signatures and their band tables.

    Attributes:
        sig: `[n, K]` uint16.
        tables: the LSH tables.
    """

    sig: Array
    tables: BandTables

    @property
    def permutations(self) -> int:
        """K."""
        return int(self.sig.shape[1])

    def of(self, vertices: Array) -> Array:
        """The signatures of some vertices, `[len(vertices), K]`."""
        return np.ascontiguousarray(self.sig[vertices])

    def agreements(self, seeds: Array, vertices: Array) -> Array:
        """Equal slots of each vertex with all seeds together, `[len(vertices)]` uint32."""
        return agreements(self.sig, self.of(seeds), vertices)

    def scan(self, seeds: Array) -> Array:
        """Equal slots of every vertex with all seeds together, `[n]` uint32: all is read."""
        return self.agreements(seeds, np.arange(len(self.sig)))


@dataclass(frozen=True)
class Query:
    """The seeds, the arrays that rank vertices by them, and the bounds on the work.

    Attributes:
        hoods: the sets, their inverse, and the raw graph.
        sketches: signatures and band tables.
        seeds: `[s]` int64 distinct vertices.
        plan: the way candidates are found.
        config: budgets and constants.
        scratch: the thread's work arrays.
    """

    hoods: Neighborhoods
    sketches: Sketches
    seeds: Array
    plan: Plan
    config: QueryConfig
    scratch: Scratch


def split_by_work(hoods: Neighborhoods, seeds: Array, budget: int) -> tuple[Array, Array]:
    """Part seeds into those that fit the budget of exact comparison, cheapest first, and others."""
    work = hoods.work(seeds, budget)
    order = np.argsort(work, kind="stable")
    fits = np.cumsum(work[order]) <= budget
    return seeds[order[fits]], seeds[order[~fits]]


def minhash_ranking(query: Query) -> Ranking:
    """Score by the mean estimated Jaccard similarity to the seeds."""
    hoods, seeds, plan, config = query.hoods, query.seeds, query.plan, query.config
    notes: tuple[str, ...] = ()
    sketches = query.sketches
    if plan == "scan" or (plan == "auto" and hoods.sets.rows < config.scan_below):
        equal = sketches.scan(seeds)
        vertices = np.flatnonzero(equal)
        equal, used = equal[vertices], "scan"
    else:
        budget = config.exact_work if plan == "exact" else config.minhash_work
        cheap, costly = split_by_work(hoods, seeds, budget)
        if plan == "exact" or (plan == "auto" and not len(costly)):
            vertices, _ = jaccard_to_seeds(hoods, cheap, 1.0, query.scratch)
            notes, used = left_out(costly), "exact"
        else:
            vertices, notes = _from_tables(query, seeds)
            used = "lsh"
        equal = sketches.agreements(seeds, vertices)
    filled = hoods.sizes(vertices) > 0
    vertices, equal = vertices[filled], equal[filled]
    scores = equal / (sketches.permutations * len(seeds))
    return Ranking(vertices, scores, used, {"minhash": scores}, notes)


def jaccard_ranking(query: Query) -> Ranking:
    """Score by the mean exact Jaccard similarity to the seeds.

    Seeds that fit the work budget are compared with all. For the others the vertices scored so far
    and the candidates of the LSH tables (or of a scan) are compared one by one, best estimate
    first, within `pair_work` look-ups.
    """
    hoods, sketches, plan, config = query.hoods, query.sketches, query.plan, query.config
    weight = 1.0 / len(query.seeds)
    budget = 0 if plan in ("lsh", "scan") else config.exact_work
    cheap, costly = split_by_work(hoods, query.seeds, budget)
    vertices, scores = jaccard_to_seeds(hoods, cheap, weight, query.scratch)
    if plan == "exact" or not len(costly):
        return Ranking(vertices, scores, "exact", {"jaccard": scores}, left_out(costly))
    notes: tuple[str, ...] = ()
    if plan == "scan":
        others = np.flatnonzero(sketches.scan(costly))
    else:
        others, notes = _from_tables(query, costly)
    if len(vertices) > config.candidates:  # the least similar are left out
        kept = np.argpartition(-scores, config.candidates)[: config.candidates]
        vertices, scores = vertices[kept], scores[kept]
    merged = np.union1d(vertices, others)
    summed = np.zeros(len(merged))
    summed[np.searchsorted(merged, vertices)] = scores
    equal = sketches.agreements(costly, merged)
    likely = summed + equal / (sketches.permutations * len(costly))
    ordered = np.lexsort((merged, -likely))[: config.candidates]
    extra = np.zeros(len(ordered))
    done = pair_similarities(hoods.bundle, costly, merged[ordered], config.pair_work, extra)
    if done < len(ordered):
        notes = (*notes, f"{len(ordered) - done:,} candidates passed the comparison budget")
    summed[ordered] += weight * extra
    name = "scan" if plan == "scan" else "lsh"
    used = f"exact+{name}" if len(cheap) else name
    return Ranking(merged, summed, used, {"jaccard": summed}, notes)


def _from_tables(query: Query, seeds: Array) -> tuple[Array, tuple[str, ...]]:
    """The vertices that share LSH buckets with some seeds, and a note if buckets were cut."""
    cap, sketches = query.config.bucket_cap, query.sketches
    vertices, cut = sketches.tables.candidates(sketches.sig, seeds, cap, query.config.candidates)
    return vertices, (f"{cut:,} LSH buckets were cut to {cap} vertices",) if cut else ()


def left_out(costly: Array) -> tuple[str, ...]:
    """A note on the seeds that plan `exact` left out, if there are any."""
    if not len(costly):
        return ()
    return (f"{len(costly)} seeds passed the work budget of plan 'exact' and were left out",)
