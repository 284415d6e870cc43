"""Which vertices a query compares, and what that may cost.

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
from graphagg.communities.similarity.lsh import BandTables
from graphagg.communities.similarity.minhash import agreements, scan
from graphagg.communities.similarity.neighborhood import Neighborhoods, Scratch


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


def split_by_work(hoods: Neighborhoods, seeds: Array, budget: int) -> tuple[Array, Array]:
    """Seeds whose exact comparison fits the budget, cheapest first, and the others."""
    work = hoods.work(seeds, budget)
    order = np.argsort(work, kind="stable")
    fits = np.cumsum(work[order]) <= budget
    return seeds[order[fits]], seeds[order[~fits]]


def minhash_ranking(
    hoods: Neighborhoods,
    sketches: Sketches,
    seeds: Array,
    plan: Plan,
    config: QueryConfig,
    scratch: Scratch,
) -> Ranking:
    """Score by the mean estimated Jaccard similarity to the seeds."""
    notes: tuple[str, ...] = ()
    seed_sig = np.ascontiguousarray(sketches.sig[seeds])
    used: str = plan
    if plan == "scan" or (plan == "auto" and hoods.sets.rows < config.scan_below):
        equal = scan(sketches.sig, seed_sig)
        vertices = np.flatnonzero(equal)
        equal, used = equal[vertices], "scan"
    else:
        cheap, costly = split_by_work(
            hoods, seeds, config.exact_work if plan == "exact" else config.minhash_work
        )
        if plan == "exact" or (plan == "auto" and not len(costly)):
            vertices, _ = jaccard_to_seeds(hoods, cheap, 1.0, scratch)
            notes, used = _left_out(costly), "exact"
        else:
            vertices, cut = sketches.tables.candidates(
                sketches.sig, seeds, config.bucket_cap, config.candidates
            )
            notes, used = _cut_note(cut, config), "lsh"
        equal = np.empty(len(vertices), dtype=np.uint32)
        agreements(sketches.sig, seed_sig, vertices, equal)
    filled = hoods.sizes(vertices) > 0
    vertices, equal = vertices[filled], equal[filled]
    scores = equal / (sketches.permutations * len(seeds))
    return Ranking(vertices, scores, used, {"minhash": scores}, notes)


def jaccard_ranking(
    hoods: Neighborhoods,
    sketches: Sketches,
    seeds: Array,
    plan: Plan,
    config: QueryConfig,
    scratch: Scratch,
) -> Ranking:
    """Score by the mean exact Jaccard similarity to the seeds.

    Seeds that fit the work budget are compared with all; for the others the vertices found so far
    and those of the LSH tables (or of a scan) are compared one by one, best estimate first, within
    `pair_work` look-ups.
    """
    weight = 1.0 / len(seeds)
    budget = 0 if plan in ("lsh", "scan") else config.exact_work
    cheap, costly = split_by_work(hoods, seeds, budget)
    vertices, scores = jaccard_to_seeds(hoods, cheap, weight, scratch)
    if not len(costly):
        return Ranking(vertices, scores, "exact", {"jaccard": scores})
    if plan == "exact":
        return Ranking(vertices, scores, "exact", {"jaccard": scores}, _left_out(costly))
    notes: tuple[str, ...] = ()
    if plan == "scan":
        equal = scan(sketches.sig, np.ascontiguousarray(sketches.sig[costly]))
        others = np.flatnonzero(equal)
    else:
        others, cut = sketches.tables.candidates(
            sketches.sig, costly, config.bucket_cap, config.candidates
        )
        notes = _cut_note(cut, config)
    if len(vertices) > config.candidates:  # the others are left out
        kept = np.argpartition(-scores, config.candidates)[: config.candidates]
        vertices, scores = vertices[kept], scores[kept]
    merged, summed = _merge(vertices, scores, others)
    ordered = _most_alike(sketches, costly, merged, summed, config.candidates)
    extra = np.zeros(len(ordered))
    done = pair_similarities(
        hoods.sets.indptr, hoods.sets.indices, hoods.closed, costly, merged[ordered],
        config.pair_work, extra,
    )  # fmt: skip
    if done < len(ordered):
        notes = (*notes, f"{len(ordered) - done:,} candidates passed the comparison budget")
    summed[ordered] += weight * extra
    name = "scan" if plan == "scan" else "lsh"
    used = f"exact+{name}" if len(cheap) else name
    return Ranking(merged, summed, used, {"jaccard": summed}, notes)


def _merge(vertices: Array, scores: Array, others: Array) -> tuple[Array, Array]:
    """Scored vertices with new ones of score 0, ascending."""
    merged = np.union1d(vertices, others)
    summed = np.zeros(len(merged))
    summed[np.searchsorted(merged, vertices)] = scores
    return merged, summed


def _most_alike(
    sketches: Sketches, seeds: Array, vertices: Array, scores: Array, most: int
) -> Array:
    """Positions of the vertices in order of score plus estimated similarity, at most `most`."""
    equal = np.empty(len(vertices), dtype=np.uint32)
    agreements(sketches.sig, np.ascontiguousarray(sketches.sig[seeds]), vertices, equal)
    likely = scores + equal / (sketches.permutations * len(seeds))
    order: Array = np.lexsort((vertices, -likely))[:most]
    return order


def _cut_note(cut: int, config: QueryConfig) -> tuple[str, ...]:
    if not cut:
        return ()
    return (f"{cut:,} LSH buckets were cut to {config.bucket_cap} vertices",)


def _left_out(costly: Array) -> tuple[str, ...]:
    if not len(costly):
        return ()
    return (f"{len(costly)} seeds passed the work budget of plan 'exact' and were left out",)
