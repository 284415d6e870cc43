"""Chooses the vertices that a query compares, within a bounded amount of work.

Exact comparison reads all sets that share an element with a seed's set. Its work, the sum of the
degrees of the set's elements, is computed beforehand. A seed whose work exceeds the budget is
looked up in the LSH tables instead, so the work of a query is bounded for seeds of any degree.
`minhash` compares the signatures of all vertices if the graph is small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.query.vertex_ranking import VertexRanking
from graphagg.communities.similarity.jaccard import jaccard_to_seeds, pair_similarities
from graphagg.communities.similarity.neighborhoods import Neighborhoods, QueryScratch
from graphagg.minhash.bands import BandTables
from graphagg.minhash.signatures import agreements

EXACT_WORK = 1_000_000
"""Maximum number of entries of the compressed rows that exact comparison reads. The LSH tables find
candidates for seeds that exceed it."""
PAIR_WORK = 200_000
"""Maximum number of element look-ups in one-by-one comparisons."""
SCAN_BELOW = 100_000
"""With fewer vertices `minhash` compares all signatures."""
MINHASH_WORK = 25_000
"""Maximum number of entries that `minhash` reads to find candidates with exact comparison."""
BUCKET_CAP = 64
"""Maximum number of vertices taken from one LSH bucket."""
CANDIDATES = 8_192
"""Maximum number of vertices that are compared one by one."""


@dataclass(frozen=True)
class SignatureTables:
    """Signatures and the LSH tables of their bands."""

    sig: Array  # `[n, K]` uint16
    tables: BandTables  # the LSH tables

    @property
    def permutations(self) -> int:
        """Number K of slots in a signature."""
        return int(self.sig.shape[1])

    def of(self, vertices: Array) -> Array:
        """Return the signatures of some vertices, `[len(vertices), K]`."""
        return np.ascontiguousarray(self.sig[vertices])

    def agreements(self, seeds: Array, vertices: Array) -> Array:
        """Count, for each vertex, the slots that agree with a seed, summed over seeds; uint32."""
        return agreements(self.sig, self.of(seeds), vertices)


@dataclass(frozen=True)
class QueryContext:
    """The seeds of a query, and the arrays that are needed to rank vertices."""

    neighborhoods: Neighborhoods  # the sets, their inverse, and the raw graph
    signature_tables: SignatureTables  # signatures and band tables
    seeds: Array  # `[s]` int64 distinct vertices
    scratch: QueryScratch  # the thread's work arrays


def split_by_work(neighborhoods: Neighborhoods, seeds: Array, budget: int) -> tuple[Array, Array]:
    """Split seeds into those within the budget of exact comparison, cheapest first, and others."""
    work = neighborhoods.work(seeds, budget)
    order = np.argsort(work, kind="stable")
    fits = np.cumsum(work[order]) <= budget
    return seeds[order[fits]], seeds[order[~fits]]


def minhash_ranking(query: QueryContext) -> VertexRanking:
    """Rank by the mean estimated Jaccard similarity to the seeds."""
    neighborhoods, seeds, stored = query.neighborhoods, query.seeds, query.signature_tables
    notes: tuple[str, ...] = ()
    if neighborhoods.sets.rows < SCAN_BELOW:
        vertices, plan = np.arange(neighborhoods.sets.rows), "scan"
    elif len(split_by_work(neighborhoods, seeds, MINHASH_WORK)[1]):
        vertices, notes = _from_tables(query, seeds)
        plan = "lsh"
    else:
        vertices, _ = jaccard_to_seeds(neighborhoods, seeds, 1.0, query.scratch)
        plan = "exact"
    vertices = vertices[neighborhoods.sizes(vertices) > 0]
    scores = stored.agreements(seeds, vertices) / (stored.permutations * len(seeds))
    return VertexRanking(vertices, scores, plan, {"minhash": scores}, notes)


def jaccard_ranking(query: QueryContext) -> VertexRanking:
    """Rank by the mean exact Jaccard similarity to the seeds.

    Seeds within the work budget are compared with all vertices. Other seeds are compared one by one
    with the vertices scored so far and the candidates from the LSH tables, best estimate first,
    within `PAIR_WORK` look-ups.
    """
    neighborhoods, stored = query.neighborhoods, query.signature_tables
    weight = 1.0 / len(query.seeds)
    cheap, costly = split_by_work(neighborhoods, query.seeds, EXACT_WORK)
    vertices, scores = jaccard_to_seeds(neighborhoods, cheap, weight, query.scratch)
    if not len(costly):
        return VertexRanking(vertices, scores, "exact", {"jaccard": scores})
    others, notes = _from_tables(query, costly)
    if len(vertices) > CANDIDATES:  # drop the least similar
        best = np.argpartition(-scores, CANDIDATES)[:CANDIDATES]
        vertices, scores = vertices[best], scores[best]
    merged = np.union1d(vertices, others)
    summed = np.zeros(len(merged))
    summed[np.searchsorted(merged, vertices)] = scores
    likely = summed + stored.agreements(costly, merged) / (stored.permutations * len(costly))
    ordered = np.lexsort((merged, -likely))[:CANDIDATES]
    extra = np.zeros(len(ordered))
    done = pair_similarities(neighborhoods.bundle, costly, merged[ordered], PAIR_WORK, extra)
    if done < len(ordered):
        notes = (*notes, f"{len(ordered) - done:,} candidates exceeded the comparison budget")
    summed[ordered] += weight * extra
    plan = "exact+lsh" if len(cheap) else "lsh"
    return VertexRanking(merged, summed, plan, {"jaccard": summed}, notes)


def _from_tables(query: QueryContext, seeds: Array) -> tuple[Array, tuple[str, ...]]:
    """Return the vertices that share LSH buckets with seeds, and a note if buckets were cut."""
    stored = query.signature_tables
    vertices, cut = stored.tables.candidates(stored.sig, seeds, BUCKET_CAP, CANDIDATES)
    return vertices, (f"{cut:,} LSH buckets were cut to {BUCKET_CAP} vertices",) if cut else ()
