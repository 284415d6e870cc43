"""A partition in passes over the nodes; each node reads only its own row.

A node joins the part with the best score among those around it that have room for it, with L_p the
weight of part p and C its capacity (linear deterministic greedy: Stanton and Kliot, KDD 2012):

    score(p) = |neighbors in p| (1 - L_p / C)

and further passes move nodes by the same rule (restreaming: Nishimura and Ugander, KDD 2013).
Nodes come in breadth-first order, so that a node's neighbors come close to it. Departure: what
joins a part is first a cluster of nodes, then its nodes. Clusters are made by the same passes, with
each node a label of its own and the bound on a cluster's weight as capacity, at three bounds, the
coarser clusters of the finer ones. Against single nodes in 10 passes that divides the cut on
web-NotreDame by 2 to 4 (`python -m benchmarks.graphs.embedding --part partitioners`).

The matrix is read row by row and may be a mapped file. In memory are some 60 bytes per node.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints, Mask, offsets
from graphagg.embedding.partition.report import SLACK, Parts
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel

CLUSTERS_A_PART = (512, 48, 6)
"""Bounds on a cluster's weight, fine to coarse: a part's mean weight over this."""
_CLUSTER_PASSES = 2
_PART_PASSES = 3
_NONE = -1


class Rows(NamedTuple):
    """A pattern: the columns of row v are `indices[indptr[v]:indptr[v + 1]]`."""

    indptr: Array
    indices: Array


class Groups(NamedTuple):
    """Nodes that move together: group g is `nodes[starts[g]:starts[g + 1]]`."""

    nodes: Array
    starts: Array

    @property
    def labels(self) -> Array:
        """The group of each entry of `nodes`."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


class Labels(NamedTuple):
    """Labels of nodes: `of_node[v]` is the label of node v (-1: none), `loads` each label's weight.

    `capacity` is the weight that a label may hold.
    """

    of_node: Array
    loads: Array
    capacity: int


def stream(matrix: Csr, weights: Ints, active: Mask, count: int) -> Parts:
    """Cut a symmetric pattern into parts of about one weight; O(entries) time.

    Returns `[N]` the part of each active node, -1 for the others. A part has at most 1.05 times the
    mean weight, where node weights permit.
    """
    rows = Rows(np.asarray(matrix.indptr), np.asarray(matrix.indices))
    total = int(weights[active].sum())
    nodes = _breadth_first(rows, ~active)
    levels = [Groups(nodes, np.arange(len(nodes) + 1))]
    for clusters in CLUSTERS_A_PART:
        levels.append(_coarser(rows, weights, levels[-1], total // (clusters * count)))
    part_of = np.full(matrix.rows, _NONE, dtype=np.int32)
    capacity = int(np.ceil(SLACK * total / count))
    labels = Labels(part_of, np.zeros(count, dtype=np.int64), capacity)
    for groups in reversed(levels):
        _restream(rows, weights, groups, labels, _PART_PASSES)
    return part_of


def _coarser(rows: Rows, weights: Ints, groups: Groups, bound: int) -> Groups:
    """Join groups to clusters of at most `bound`, in the order in which each is first seen."""
    count = len(groups.starts) - 1
    clusters = np.full(len(rows.indptr) - 1, _NONE, dtype=np.int32)
    clusters[groups.nodes] = groups.labels
    loads = np.bincount(groups.labels, weights[groups.nodes], count).astype(np.int64)
    _restream(rows, weights, groups, Labels(clusters, loads, bound), _CLUSTER_PASSES)
    _, first, cluster_of, sizes = np.unique(
        clusters[groups.nodes], return_index=True, return_inverse=True, return_counts=True
    )
    turn = np.argsort(first)
    rank = np.empty(len(turn), dtype=np.int64)
    rank[turn] = np.arange(len(turn))
    order = np.argsort(rank[cluster_of], kind="stable")
    return Groups(groups.nodes[order], offsets(sizes[turn]))


@kernel(checked=False)
def _breadth_first(rows: Rows, visited: Array) -> Array:
    """Breadth-first order of the nodes that are not `visited`, which it marks, by component."""
    # The order is the queue: nodes before `head` are done, those up to `tail` wait.
    order = np.empty(len(visited) - visited.sum(), dtype=np.int32)
    tail = 0
    for root in range(len(visited)):
        if visited[root]:
            continue
        visited[root] = True
        order[tail] = root
        head = tail
        tail += 1
        while head < tail:
            node = order[head]
            head += 1
            for i in range(rows.indptr[node], rows.indptr[node + 1]):
                neighbor = rows.indices[i]
                if not visited[neighbor]:
                    visited[neighbor] = True
                    order[tail] = neighbor
                    tail += 1
    return order


@kernel(checked=False)
def _restream(rows: Rows, weights: Array, groups: Groups, labels: Labels, passes: int) -> None:
    """Move each group to the label of the best score, in place, until nothing moves."""
    around = np.zeros(len(labels.loads), dtype=np.int64)
    touched = np.empty(len(labels.loads), dtype=np.int32)
    for _ in range(passes):
        moved = 0
        for group in range(len(groups.starts) - 1):
            members = groups.nodes[groups.starts[group] : groups.starts[group + 1]]
            before = labels.of_node[members[0]]
            # A group is taken out before it is placed: the edges inside it pull it nowhere.
            weight = 0
            for node in members:
                weight += weights[node]
                labels.of_node[node] = _NONE
            if before != _NONE:
                labels.loads[before] -= weight
            best = _best_label(rows, members, weight, before, labels, around, touched)
            for node in members:
                labels.of_node[node] = best
            labels.loads[best] += weight
            moved += best != before
        if moved == 0:
            break


@kernel(checked=False)
def _best_label(
    rows: Rows, members: Array, weight: int, before: int, labels: Labels,
    around: Array, touched: Array,
) -> int:  # fmt: skip
    """The best label for a group without a label, of those below their capacity.

    `around` is all zeros before and after; `touched` holds the labels that it counts.
    """
    best, most = _NONE, 0.0
    for label in touched[: _count_around(rows, members, labels, around, touched)]:
        if labels.loads[label] + weight <= labels.capacity:
            score = around[label] * (1.0 - labels.loads[label] / labels.capacity)
            # A tie goes to the old label, so a pass without improvement moves nothing.
            if best == _NONE or score > most or (score == most and label == before):
                best, most = label, score
        around[label] = 0
    if best != _NONE:
        return best
    # No label around it has room. The group stays where it fits or is alone, so that no label
    # becomes empty. Otherwise it joins the lightest label, which may then exceed its capacity.
    load = labels.loads[before]
    if before != _NONE and (load == 0 or load + weight <= labels.capacity):
        return before
    return int(np.argmin(labels.loads))


@kernel(checked=False)
def _count_around(rows: Rows, members: Array, labels: Labels, around: Array, touched: Array) -> int:
    """Count the neighbors of a group by label into `around`; returns the size of `touched`."""
    count = 0
    for node in members:
        for i in range(rows.indptr[node], rows.indptr[node + 1]):
            label = labels.of_node[rows.indices[i]]
            if label != _NONE:
                if around[label] == 0:
                    touched[count] = label
                    count += 1
                around[label] += 1
    return count
