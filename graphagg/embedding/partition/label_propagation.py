"""A multilevel partition whose steps each see a bounded part of the graph.

1. Coarsen: nodes join clusters by label propagation with a hard bound on a cluster's weight; the
   clusters become the nodes of the next level, until what is left fits one worker, or a part has
   only 96 nodes of it, or they join no more.
2. METIS cuts the coarse graph, with the clusters' weights; of one that is too large for a worker it
   sees the heaviest entries.
3. Refine, level by level back to the graph: label propagation between the parts with hard
   capacities (Spinner, ICDE 2017, with the quotas of balanced label propagation, WSDM 2013).

Label propagation from random labels alone keeps 2 to 6 times the cut of METIS.

A round has three steps, each of which needs a range of nodes, or of labels, alone: every node of
the half that may move proposes the label of most weight around it; every label accepts, by gain,
what it has room for (what leaves it meanwhile makes no room, so no bound is ever passed); the
labels are written. Weights are integers: sums are exact in any order, and both engines make the
same moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.metis import SLACK, Parts, metis, used
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.csr import Csr

CLUSTER_ROUNDS = 4
REFINE_ROUNDS = 6
CLUSTERS_A_PART = 48
"""The bound on a cluster's weight: a part's over this."""
LEAST_SHRINK = 0.9
_COARSE = 2 * CLUSTERS_A_PART  # nodes a part


@dataclass(frozen=True)
class Grain:
    """A graph at one level.

    Attributes:
        matrix: `[n, n]` symmetric, int64 values: edges of the graph between two nodes.
        weights: `[n]` int64 entries of the graph that a node stands for.
    """

    matrix: Csr
    weights: Array


def propagate_labels(matrix: Csr, weights: Array, count: int, config: EmbeddingConfig) -> Parts:
    """Cut a symmetric pattern into `count` parts of at most 1.05 times the mean weight."""
    ones = np.ones(len(matrix.indices), dtype=np.int64)
    grain = Grain(Csr(matrix.indptr, matrix.indices, ones, matrix.columns), weights)
    limit = coarse_limit(config, len(matrix.indices), count)
    stack: list[tuple[Grain, Array]] = []
    bound = cluster_bound(int(weights.sum()), grain.matrix.rows, count)
    while not is_coarse(grain.matrix.rows, len(grain.matrix.indices), limit, count):
        coarse, places = contract(grain, cluster(grain, bound))
        if coarse.matrix.rows > LEAST_SHRINK * grain.matrix.rows:
            break
        stack.append((grain, places))
        grain = coarse
    parts = metis(lightened(grain, limit), grain.weights, count, config.random_state)
    parts = used(parts, grain.weights, count)
    parts = refine(grain, parts, count)
    for finer, places in reversed(stack):
        parts = refine(finer, parts[places], count)
    return parts


def coarse_limit(config: EmbeddingConfig, entries: int, count: int) -> int:
    """Entries of a graph that one worker may partition."""
    return config.max_piece_edges or max(1024, int(SLACK * entries / count))


def is_coarse(nodes: int, entries: int, limit: int, count: int) -> bool:
    """Whether a graph fits one worker, or has few nodes a part: METIS cuts it."""
    return entries <= limit or nodes <= _COARSE * count


def cluster_bound(total: int, nodes: int, count: int) -> int:
    """The bound on a cluster's weight: four mean nodes at least."""
    return max(total // (CLUSTERS_A_PART * count), 4 * total // nodes, 1)


def cluster(grain: Grain, bound: int) -> Array:
    """Labels `[n]`: nodes that stand alone join a cluster beside them while it is under `bound`."""
    n = grain.matrix.rows
    labels = np.arange(n, dtype=np.int32)
    loads = grain.weights.copy()
    members = np.ones(n, dtype=np.int64)
    for turn in range(CLUSTER_ROUNDS):
        may = movers(np.arange(n), turn) & (members[labels] == 1) & (labels == np.arange(n))
        room = bound - loads
        targets, gains = propose(grain.matrix, 0, labels, grain.weights, room, may)
        accepted = accept(targets, gains, grain.weights, room)
        # one that is joined this turn stays
        accepted = accepted[~np.isin(accepted, targets[accepted])]
        np.add.at(loads, targets[accepted], grain.weights[accepted])
        np.add.at(members, targets[accepted], 1)
        loads[accepted] -= grain.weights[accepted]
        members[accepted] -= 1
        labels[accepted] = targets[accepted]
    return labels


def refine(grain: Grain, parts: Parts, count: int) -> Parts:
    """Move nodes to the parts that most of their edges lead to, within the capacities."""
    parts = parts.astype(np.int32)
    capacity = int(np.ceil(SLACK * grain.weights.sum() / count))
    everyone, heaviest = np.arange(grain.matrix.rows), int(grain.weights.max())
    for turn in range(REFINE_ROUNDS):
        loads = np.bincount(parts, grain.weights, count).astype(np.int64)
        room = capacity - loads
        over = room < 0
        may = movers(everyone, turn) | over[parts]
        targets, gains = propose(grain.matrix, 0, parts, grain.weights, room, may)
        # A part over its capacity sends away what costs least, until it fits.
        must = over[parts] & (targets >= 0)
        leaving = accept(np.where(must, parts, -1), gains, grain.weights, heaviest - room)
        kept = ~over[parts] & (gains > 0)
        kept[leaving] = True
        targets = np.where(kept, targets, -1)
        accepted = accept(targets, gains, grain.weights, room)
        parts[accepted] = targets[accepted]
    return parts


def movers(nodes: Array, turn: int) -> Array:
    """The half of the nodes that may move in a turn."""
    mixed = ((nodes.astype(np.int64) + 1) * 1103515245 + turn * 12820163) % 2147483647
    half: Array = (mixed >> 9) & 1 == 1
    return half


def propose(
    matrix: Csr, first: int, labels: Array, weights: Array, room: Array, may: Array
) -> tuple[Array, Array]:
    """For each node of a range, the label it would move to (-1: none) and what it gains.

    Args:
        matrix: `[r, n]` the rows of nodes `first` to `first + r - 1`.
        first: the first node.
        labels: `[n]` of all nodes.
        weights: `[r]` of the nodes.
        room: weight that each label can still take.
        may: `[r]` which nodes may move.
    """
    targets = np.full(matrix.rows, -1, dtype=np.int32)
    gains = np.zeros(matrix.rows, dtype=np.int64)
    rows = matrix.indptr, matrix.indices, matrix.entries
    _propose(*rows, first, labels, weights, room, may, targets, gains)
    return targets, gains


@numba.njit(cache=True)
def _propose(
    indptr: Array, indices: Array, values: Array, first: int, labels: Array, weights: Array,
    room: Array, may: Array, targets: Array, gains: Array,
) -> None:  # fmt: skip
    around = np.zeros(len(room), dtype=np.int64)
    touched = np.empty(len(room), dtype=np.int32)
    for row in range(len(indptr) - 1):
        if not may[row]:
            continue
        found = 0
        for i in range(indptr[row], indptr[row + 1]):
            label = labels[indices[i]]
            if around[label] == 0:
                touched[found] = label
                found += 1
            around[label] += values[i]
        own = labels[first + row]
        best = _heaviest_label(around, touched[:found], own, weights[row], room)
        if best >= 0:
            targets[row] = best
            gains[row] = around[best] - around[own]
        for j in range(found):
            around[touched[j]] = 0


@numba.njit(cache=True)
def _heaviest_label(around: Array, touched: Array, own: int, weight: int, room: Array) -> int:
    """The label with room that has most weight around, the lowest of equals; -1: none."""
    best = -1
    for label in touched:
        if label == own or room[label] < weight:
            continue
        more = best < 0 or around[label] > around[best]
        if more or (around[label] == around[best] and label < best):
            best = label
    return best


def accept(targets: Array, gains: Array, weights: Array, room: Array) -> Array:
    """The nodes that their targets (-1: none) take: by gain, then by number, while there is room.

    Args:
        targets: `[n]` the label each node would move to.
        gains: `[n]` what it gains.
        weights: `[n]` of the nodes.
        room: weight that each label can still take.
    """
    nodes = np.flatnonzero(targets >= 0)
    order = taken(targets[nodes], gains[nodes], nodes, weights[nodes], room)
    found: Array = nodes[order]
    return found


def taken(keys: Array, gains: Array, nodes: Array, weights: Array, room: Array) -> Array:
    """Which of some proposals their labels `keys` take; the proposals in any order."""
    order = np.lexsort((nodes, -gains, keys))
    if not len(order):
        return order
    to = keys[order]
    sums = np.cumsum(weights[order])
    first = np.searchsorted(to, to)
    before = np.where(first > 0, sums[first - 1], 0)
    found: Array = order[sums - before <= room[to]]
    return found


def contract(grain: Grain, labels: Array) -> tuple[Grain, Array]:
    """The graph of the clusters, and the cluster's place of each node `[n]`."""
    names, places = np.unique(labels, return_inverse=True)
    n = len(names)
    matrix = grain.matrix
    rows, columns = places[expand_rows(matrix)], places[matrix.indices]
    crossing = rows != columns
    keys = rows[crossing].astype(np.int64) * n + columns[crossing]
    pairs, back = np.unique(keys, return_inverse=True)
    values = np.bincount(back, matrix.entries[crossing], len(pairs)).astype(np.int64)
    found = Csr.from_pairs(pairs // n, pairs % n, values, (n, n))
    weights = np.bincount(places, grain.weights, n).astype(np.int64)
    return Grain(found, weights), places.astype(np.int64)


def lightened(grain: Grain, limit: int) -> Csr:
    """The matrix with its heaviest entries alone where it has more than `limit`."""
    matrix = grain.matrix
    if len(matrix.indices) <= limit:
        return matrix
    rows, columns = expand_rows(matrix).astype(np.int64), matrix.indices.astype(np.int64)
    low, high = np.minimum(rows, columns), np.maximum(rows, columns)
    order = np.lexsort((rows, high, low, -matrix.entries))[: limit // 2 * 2]
    return Csr.from_pairs(
        rows[order], columns[order], matrix.entries[order], (matrix.rows, matrix.rows)
    )
