"""Exact Jaccard similarity from compressed rows: it counts shared elements.

For each element of a seed's set, the count of each of its holders is incremented. The final count
of a vertex is the size of its intersection with the set. `Neighborhoods.work` computes the work,
the sum of the holders' degrees, beforehand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.similarity.neighborhoods import (
    Neighborhoods,
    QueryScratch,
    SetArrays,
    comparison_work,
    jaccard,
    set_size,
)
from graphagg.kernels import kernel, lower_bound


def jaccard_to_seeds(
    neighborhoods: Neighborhoods, seeds: Array, weight: float, scratch: QueryScratch
) -> tuple[Array, Array]:
    """Sum `weight` times the exact similarity to each seed, for all vertices that share an element.

    Returns the vertices, `[c]` int64 in order of discovery, and their sums.
    """
    size = _add_similarities(neighborhoods.bundle, seeds, weight, scratch)
    vertices = scratch.active[:size].astype(np.int64)
    sums = scratch.scores[vertices]
    scratch.scores[vertices] = 0.0
    return vertices, sums


@kernel
def _add_similarities(sets: SetArrays, seeds: Array, weight: float, scratch: QueryScratch) -> int:
    """Call `add_similarity` for all seeds; each call from Python would cost 2 microseconds."""
    size = 0
    for seed in seeds:
        size = add_similarity(sets, seed, weight, scratch, size)
    return size


@kernel
def add_similarity(
    sets: SetArrays, seed: int, weight: float, scratch: QueryScratch, size: int
) -> int:
    """Add `weight` times the similarity to `seed` to the scores of vertices that share an element.

    Vertices whose score was zero are appended after the first `size` of `scratch.active`. Returns
    the new `size`.
    """
    offsets, closed = sets.offsets, sets.closed
    counts, touched = scratch.counts, scratch.touched
    scores, active = scratch.scores, scratch.active
    reached = count_shared(sets, seed, scratch)
    seed_size = set_size(offsets, closed, seed)
    for i in range(reached):
        v = touched[i]
        shared = counts[v]
        counts[v] = 0  # `counts` is all zero again for the next seed
        # Similarities are above 0, so score 0 means first contact, unless the index is damaged.
        if scores[v] == 0.0 and size < len(active):
            active[size] = v
            size += 1
        scores[v] += weight * jaccard(shared, seed_size, set_size(offsets, closed, v))
    return size


@kernel
def count_shared(sets: SetArrays, seed: int, scratch: QueryScratch) -> int:
    """Count the elements shared with `seed` in `scratch.counts`.

    Returns the number of vertices that share an element; they come first in `scratch.touched`.
    """
    offsets, elements, holder_offsets, holders, closed, _ = sets
    counts, touched = scratch.counts, scratch.touched
    reached = 0
    first = offsets[seed]
    # In a closed set the first element is the vertex itself, which comes before its row.
    for j in range(first - closed, offsets[seed + 1]):
        element = elements[j] if j >= first else seed
        if closed:  # each element is a vertex here, and its set contains it
            if counts[element] == 0 and reached < len(touched):
                touched[reached] = element
                reached += 1
            counts[element] += 1
        for h in range(holder_offsets[element], holder_offsets[element + 1]):
            v = holders[h]
            if counts[v] == 0 and reached < len(touched):
                touched[reached] = v
                reached += 1
            counts[v] += 1
    return reached


@kernel
def find_element(offsets: Array, elements: Array, vertex: int, element: int) -> Any:
    """Find the entry of an element in a vertex's set without the vertex itself; -1: not found."""
    end = offsets[vertex + 1]
    at = lower_bound(elements, offsets[vertex], end, element)
    return at if at < end and elements[at] == element else -1


@kernel
def intersection(sets: SetArrays, a: int, b: int, examples: Array) -> Any:
    """Return the size of the intersection of two sets; write the first shared ones to `examples`.

    Each element of the smaller set is searched in the larger one: O(small * log large).
    """
    offsets, elements, closed = sets.offsets, sets.elements, sets.closed
    if offsets[a + 1] - offsets[a] > offsets[b + 1] - offsets[b]:
        a, b = b, a
    first, shared = offsets[a], 0
    # In a closed set the vertex itself comes first, as in `count_shared`.
    for j in range(first - closed, offsets[a + 1]):
        element = elements[j] if j >= first else a
        own = closed and element == b
        if not own and find_element(offsets, elements, b, element) < 0:
            continue
        if shared < len(examples):
            examples[shared] = element
        shared += 1
    return shared


@kernel(small=True)
def pair_similarities(
    sets: SetArrays, seeds: Array, vertices: Array, budget: int, out: Array
) -> int:
    """Write to `out[i]` the sum of the exact similarities of `vertices[i]` to the seeds.

    Returns the number of vertices that were compared before the look-ups exceeded `budget`.
    """
    offsets, closed = sets.offsets, sets.closed
    no_examples = np.empty(0, dtype=np.int64)
    used = 0
    for i in range(len(vertices)):
        v = vertices[i]
        size = set_size(offsets, closed, v)
        for seed in seeds:  # + 1: comparing with an empty set is not free either
            used += min(size, set_size(offsets, closed, seed)) + 1
        if used > budget:
            return i
        total = 0.0
        for seed in seeds:
            shared = intersection(sets, seed, v, no_examples)
            if shared > 0:
                total += jaccard(shared, size, set_size(offsets, closed, seed))
        out[i] = total
    return len(vertices)


@kernel(small=True)
def shared_with_seeds(
    sets: SetArrays, seeds: Array, members: Array, budget: int, examples: Array, adjacent: Array
) -> Array:
    """Count shared elements, `[members, seeds]` int64; -1 if counting would exceed `budget`.

    Writes the first shared elements to `examples[i, j]`, and to `adjacent[i, j]` whether the seed
    is in the member's set.
    """
    offsets, elements, closed = sets.offsets, sets.elements, sets.closed
    counts = np.full((len(members), len(seeds)), -1, dtype=np.int64)
    used = 0
    for i in range(len(members)):
        v = members[i]
        for j in range(len(seeds)):
            s = seeds[j]
            # Adjacency costs one look-up and is always reported; only counting has a budget.
            adjacent[i, j] = find_element(offsets, elements, v, s) >= 0
            cost = min(set_size(offsets, closed, v), set_size(offsets, closed, s))
            if used + cost <= budget:  # a later, smaller comparison may still fit
                used += cost
                counts[i, j] = intersection(sets, s, v, examples[i, j])
    return counts


@kernel
def grow(
    sets: SetArrays,
    scratch: QueryScratch,
    seeds: int,
    size: int,
    budget: int,
    order: Array,
    means: Array,
) -> tuple[int, int, int]:
    """Add the best vertex to the community until `order` is full or `budget` entries were read.

    At the start `members` marks the seeds, and `scores` has the sum of similarities to the seeds
    for the first `size` of `active`. Writes new members to `order`, and to `means` the mean
    similarity of each to all earlier members. Returns the number that joined, the new `size`, and
    how many joined without adding similarities because reading them would exceed the budget.
    """
    scores, active, members = scratch.scores, scratch.active, scratch.members
    joined = unread = 0
    while joined < len(order) and budget >= 0:
        best = _best_outside(scores, active, members, size)
        budget -= size  # the search for the best counts as work too
        if best < 0:
            break
        members[best] = 1
        order[joined] = best
        means[joined] = scores[best] / (seeds + joined)
        joined += 1
        work = comparison_work(sets, best, budget)
        if work > budget:  # a hub joins, but the community does not grow from it
            unread += 1
            continue
        budget -= work
        size = add_similarity(sets, best, 1.0, scratch, size)
    return joined, size, unread


@kernel(checked=False)
def _best_outside(scores: Array, active: Array, members: Array, size: int) -> int:
    """Return the best of the first `size` active vertices that is not a member; -1: none.

    `add_similarity` has already checked the numbers of the vertices.
    """
    best = -1
    # The score is the SUM over members. Their number is the same for all candidates, so the mean
    # gives the same order. Ties go to the lowest number, regardless of the order in `active`.
    for i in range(size):
        v = active[i]
        if members[v] == 0 and (
            best < 0 or scores[v] > scores[best] or (scores[v] == scores[best] and v < best)
        ):
            best = v
    return best
