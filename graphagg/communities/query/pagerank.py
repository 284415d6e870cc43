"""Personalised PageRank by forward push on the raw graph (Andersen, Chung, Lang, FOCS 2006).

p + alpha * residual is returned rather than p: what a node has received but not passed on counts as
if it had been pushed once, at no cost. The paper's baseline runs three dense steps on the derived
similarity graph instead; on the raw graph the ranking by p / degree is far better.

Work is bounded: a node of degree d is pushed only while its residual is at least eps * d, so the
edges read are at most 1 / (eps * alpha); and pushing stops when `most` edges were read.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from graphagg.arrays import Array
from graphagg.communities.similarity.neighborhood import (
    TWO_MODE,
    UNDIRECTED,
    Neighborhoods,
    Scratch,
    node_degree,
)


def pagerank(
    hoods: Neighborhoods, seeds: Array, alpha: float, eps: float, most: int, scratch: Scratch
) -> tuple[Array, Array, Array]:
    """Approximate personalised PageRank.

    Args:
        hoods: the graph.
        seeds: `[s]` vertices where the walk starts and returns to.
        alpha: probability of a return in each step.
        eps: residual a degree that may stay.
        most: edges to read at most; seeds of low degree are pushed first.
        scratch: the thread's work arrays.

    Returns:
        `[c]` int64 vertices reached, `[c]` float64 mass, `[c]` int64 degree.
    """
    degrees = _degrees(hoods.sets.indptr, hoods.holders.indptr, hoods.walk, seeds)
    ordered = seeds[np.argsort(degrees, kind="stable")]
    scratch.residual[seeds] = 1.0 / len(seeds)
    size = _push(
        *hoods.arrays, hoods.walk, ordered, alpha, eps, most, scratch.mass, scratch.residual,
        scratch.queued, scratch.queue, scratch.reached,
    )  # fmt: skip
    reached = scratch.reached[:size].astype(np.int64)
    mass = scratch.mass[reached] + alpha * scratch.residual[reached]
    for array in (scratch.mass, scratch.residual, scratch.queued):
        array[reached] = 0
    inside = reached < hoods.sets.rows
    found = reached[inside]
    degrees = _degrees(hoods.sets.indptr, hoods.holders.indptr, hoods.walk, found)
    return found, mass[inside], degrees


@numba.njit(cache=True)
def _push(
    ptr: Array,
    ind: Array,
    hptr: Array,
    hind: Array,
    walk: int,
    seeds: Array,
    alpha: float,
    eps: float,
    most: int,
    mass: Array,
    residual: Array,
    queued: Array,
    queue: Array,
    reached: Array,
) -> int:
    """Push until nothing is left to push; `queued`: 1 was reached, 3 stands in the queue too."""
    n = len(ptr) - 1
    head = tail = size = 0
    for s in seeds:
        reached[size] = s
        size += 1
        queued[s] = 3
        queue[tail] = s
        tail += 1
    read = 0
    while head != tail:
        node = queue[head]
        head = 0 if head == len(mass) else head + 1
        queued[node] = 1
        degree = node_degree(ptr, hptr, walk, node)
        if read + degree > most:
            continue
        read += degree
        rest = residual[node]
        residual[node] = 0.0
        mass[node] += alpha * rest
        if degree == 0:
            mass[node] += (1.0 - alpha) * rest
            continue
        share = (1.0 - alpha) * rest / degree
        for part in range(2):
            array, low, high, shift = _segment(ptr, ind, hptr, hind, walk, node, part, n)
            for j in range(low, high):
                other = array[j] + shift
                residual[other] += share
                if queued[other] == 0:
                    queued[other] = 1
                    reached[size] = other
                    size += 1
                if queued[other] == 1:
                    if residual[other] >= eps * node_degree(ptr, hptr, walk, other):
                        queued[other] = 3
                        queue[tail] = other
                        tail = 0 if tail == len(mass) else tail + 1
    return size


@numba.njit(cache=True)
def _segment(
    ptr: Array, ind: Array, hptr: Array, hind: Array, walk: int, node: int, part: int, n: int
) -> Any:
    """Part 0 or 1 of a node's neighbors: an array, its bounds, and what to add to its entries."""
    if part == 0:
        if walk == TWO_MODE and node >= n:
            return ind, 0, 0, 0
        return ind, ptr[node], ptr[node + 1], n if walk == TWO_MODE else 0
    if walk == UNDIRECTED or (walk == TWO_MODE and node < n):
        return hind, 0, 0, 0
    row = node - n if walk == TWO_MODE else node
    return hind, hptr[row], hptr[row + 1], 0


@numba.njit(cache=True)
def _degrees(ptr: Array, hptr: Array, walk: int, nodes: Array) -> Array:
    out = np.empty(len(nodes), dtype=np.int64)
    for i in range(len(nodes)):
        out[i] = node_degree(ptr, hptr, walk, nodes[i])
    return out
