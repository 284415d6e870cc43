"""Exact Jaccard similarity from compressed rows, by counting shared elements.

For a seed s every vertex v that shares an element is reached through the holders of the elements of
N(s); the count of arrivals is the size of the intersection. The work is the sum of the holders'
degrees: `Neighborhoods.work` tells it beforehand, so that the planner can refuse it.
"""

from __future__ import annotations

import numba
import numpy as np

from graphagg.arrays import Array
from graphagg.communities.similarity.neighborhood import Neighborhoods, Scratch


def jaccard_to_seeds(
    hoods: Neighborhoods, seeds: Array, weight: float, scratch: Scratch
) -> tuple[Array, Array]:
    """`weight` times the sum of the exact similarities to the seeds, of all that share anything.

    Args:
        hoods: the sets.
        seeds: `[s]` vertices.
        weight: of each seed.
        scratch: the thread's work arrays.

    Returns:
        `[c]` int64 vertices in order of first contact, and `[c]` float64 sums.
    """
    size = 0
    for seed in seeds:
        size = add_similarity(
            *hoods.arrays, hoods.closed, seed, weight, scratch.counts, scratch.touched,
            scratch.score, scratch.active, size,
        )  # fmt: skip
    found = scratch.active[:size].astype(np.int64)
    score = scratch.score[found]
    scratch.score[found] = 0.0
    return found, score


@numba.njit(cache=True)
def add_similarity(
    ptr: Array,
    ind: Array,
    hptr: Array,
    hind: Array,
    closed: bool,
    seed: int,
    weight: float,
    counts: Array,
    touched: Array,
    score: Array,
    active: Array,
    size: int,
) -> int:
    """Add `weight` times the similarity to `seed` to all vertices that share an element.

    `counts` is all zero before and after; vertices whose score was zero are appended to `active`.
    """
    reached = count_shared(ptr, ind, hptr, hind, closed, seed, counts, touched)
    mine = ptr[seed + 1] - ptr[seed] + closed
    for i in range(reached):
        v = touched[i]
        shared = counts[v]
        counts[v] = 0
        if score[v] == 0.0:
            active[size] = v
            size += 1
        score[v] += weight * shared / (mine + ptr[v + 1] - ptr[v] + closed - shared)
    return size


@numba.njit(cache=True)
def count_shared(
    ptr: Array,
    ind: Array,
    hptr: Array,
    hind: Array,
    closed: bool,
    seed: int,
    counts: Array,
    touched: Array,
) -> int:
    """Count the elements that each vertex shares with `seed`; returns how many were touched."""
    reached = 0
    first = ptr[seed] - (1 if closed else 0)
    for j in range(first, ptr[seed + 1]):
        element = seed if j < ptr[seed] else ind[j]
        if closed:
            if counts[element] == 0:
                touched[reached] = element
                reached += 1
            counts[element] += 1
        for i in range(hptr[element], hptr[element + 1]):
            v = hind[i]
            if counts[v] == 0:
                touched[reached] = v
                reached += 1
            counts[v] += 1
    return reached


@numba.njit(cache=True)
def intersection(ptr: Array, ind: Array, closed: bool, a: int, b: int, examples: Array) -> int:
    """Size of the intersection of two sets; the first shared elements go to `examples`.

    Each element of the smaller set is searched in the larger: O(small * log large).
    """
    if ptr[a + 1] - ptr[a] > ptr[b + 1] - ptr[b]:
        a, b = b, a
    low, high = ptr[b], ptr[b + 1]
    shared = 0
    for j in range(ptr[a] - (1 if closed else 0), ptr[a + 1]):
        element = a if j < ptr[a] else ind[j]
        inside = closed and element == b
        if not inside and low < high:
            at = _search(ind, low, high, element)
            inside = at < high and ind[at] == element
        if inside:
            if shared < len(examples):
                examples[shared] = element
            shared += 1
    return shared


@numba.njit(cache=True)
def _search(ind: Array, low: int, high: int, element: int) -> int:
    while low < high:
        middle = (low + high) // 2
        if ind[middle] < element:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True)
def pair_similarities(
    ptr: Array, ind: Array, closed: bool, seeds: Array, vertices: Array, most: int, out: Array
) -> int:
    """`out[i]`: the sum of the exact similarities of `vertices[i]` to the seeds.

    Vertices are taken in order while the look-ups stay within `most`; returns how many were.
    """
    none = np.empty(0, dtype=np.int64)
    used = 0
    for i in range(len(vertices)):
        v = vertices[i]
        size = ptr[v + 1] - ptr[v] + closed
        for seed in seeds:
            used += min(size, ptr[seed + 1] - ptr[seed] + closed) + 1
        if used > most:
            return i
        total = 0.0
        for seed in seeds:
            shared = intersection(ptr, ind, closed, seed, v, none)
            other = ptr[seed + 1] - ptr[seed] + closed
            if shared > 0:
                total += shared / (size + other - shared)
        out[i] = total
    return len(vertices)


@numba.njit(cache=True)
def shared_with_seeds(
    ptr: Array,
    ind: Array,
    closed: bool,
    seeds: Array,
    members: Array,
    most: int,
    examples: Array,
    adjacent: Array,
) -> Array:
    """How many elements each member shares with each seed, `[members, seeds]`; -1: not counted.

    `examples` is `[members, seeds, e]` and takes the first shared elements, `adjacent` whether the
    member's set holds the seed; comparisons whose look-ups would pass `most` in sum are left out.
    """
    out = np.full((len(members), len(seeds)), -1, dtype=np.int64)
    used = 0
    for i in range(len(members)):
        v = members[i]
        for j in range(len(seeds)):
            s = seeds[j]
            at = _search(ind, ptr[v], ptr[v + 1], s)
            adjacent[i, j] = at < ptr[v + 1] and ind[at] == s
            cost = min(ptr[v + 1] - ptr[v], ptr[s + 1] - ptr[s]) + closed
            if used + cost <= most:
                used += cost
                out[i, j] = intersection(ptr, ind, closed, s, v, examples[i, j])
    return out


@numba.njit(cache=True)
def grow(
    ptr: Array,
    ind: Array,
    hptr: Array,
    hind: Array,
    closed: bool,
    wanted: int,
    weight: float,
    most: int,
    member: Array,
    counts: Array,
    touched: Array,
    score: Array,
    active: Array,
    size: int,
    out: Array,
    means: Array,
) -> tuple[int, int, int]:
    """Add the best vertex `wanted` times, each time with its similarities to all others.

    `member` marks the seeds; `weight` is their number. The score is the SUM over members: the
    running mean orders alike. A vertex whose work passes what is left of `most` joins without
    adding its similarities; looking for the best counts as work too, and growing ends with the
    budget. Returns the members found, the size of `active`, and how many joined so.
    """
    found = light = 0
    while found < wanted and most >= 0:
        best = -1
        for i in range(size):
            v = active[i]
            if member[v] == 0 and (
                best < 0 or score[v] > score[best] or (score[v] == score[best] and v < best)
            ):
                best = v
        most -= size
        if best < 0:
            break
        member[best] = 1
        out[found] = best
        means[found] = score[best] / (weight + found)
        found += 1
        work = (hptr[best + 1] - hptr[best] + 1) if closed else 0
        for j in range(ptr[best], ptr[best + 1]):
            work += hptr[ind[j] + 1] - hptr[ind[j]] + closed
            if work > most:
                break
        if work > most:
            light += 1
            continue
        most -= work
        size = add_similarity(
            ptr, ind, hptr, hind, closed, best, 1.0, counts, touched, score, active, size
        )
    return found, size, light
