"""A partition in passes over the nodes; each node reads only its own row.

A node joins the part with the best score among those around it that have room for it, with L_p the
weight of part p and C its capacity (linear deterministic greedy: Stanton and Kliot, KDD 2012):

    score(p) = |neighbors in p| (1 - L_p / C)

and further passes move nodes by the same rule (restreaming: Nishimura and Ugander, KDD 2013).
Nodes are visited in breadth-first order, so that neighbors are visited close to each other.

The matrix is read row by row and may be a mapped file. Memory holds some 20 bytes per node.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints, Mask
from graphagg.embedding.partition.report import SLACK, Parts
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel

_PASSES = 8
_NONE = -1


class Rows(NamedTuple):
    """A sparsity pattern: the columns of row v are `indices[indptr[v]:indptr[v + 1]]`."""

    indptr: Array
    indices: Array


class Labels(NamedTuple):
    """Parts of nodes: `of_node[v]` is the part of node v (-1: none), `loads` each part's weight.

    `capacity` is the weight that a part may hold.
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
    part_of = np.full(matrix.rows, _NONE, dtype=np.int32)
    capacity = int(np.ceil(SLACK * int(weights[active].sum()) / count))
    labels = Labels(part_of, np.zeros(count, dtype=np.int64), capacity)
    _restream(rows, weights, _breadth_first(rows, ~active), labels, _PASSES)
    return part_of


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
def _restream(rows: Rows, weights: Array, nodes: Array, labels: Labels, passes: int) -> None:
    """Move each node to the part of the best score, in place, until nothing moves."""
    around = np.zeros(len(labels.loads), dtype=np.int64)
    touched = np.empty(len(labels.loads), dtype=np.int32)
    for _ in range(passes):
        moved = 0
        for node in nodes:
            before = labels.of_node[node]
            labels.of_node[node] = _NONE  # a node is taken out before it is placed
            if before != _NONE:
                labels.loads[before] -= weights[node]
            best = _best_part(rows, node, weights[node], before, labels, around, touched)
            labels.of_node[node] = best
            labels.loads[best] += weights[node]
            moved += best != before
        if moved == 0:
            break


@kernel(checked=False)
def _best_part(
    rows: Rows, node: int, weight: int, before: int, labels: Labels, around: Array, touched: Array
) -> int:
    """The best part for a node without one, of those below their capacity.

    `around` is all zeros before and after; `touched` has room for all parts.
    """
    count = 0
    for i in range(rows.indptr[node], rows.indptr[node + 1]):
        part = labels.of_node[rows.indices[i]]
        if part != _NONE:
            if around[part] == 0:
                touched[count] = part
                count += 1
            around[part] += 1
    best, most = _NONE, 0.0
    for part in touched[:count]:
        if labels.loads[part] + weight <= labels.capacity:
            score = around[part] * (1.0 - labels.loads[part] / labels.capacity)
            # A tie goes to the old part, so a pass without improvement moves nothing.
            if best == _NONE or score > most or (score == most and part == before):
                best, most = part, score
        around[part] = 0
    if best != _NONE:
        return best
    # No part around it has room. The node stays where it fits or is alone, so that no part becomes
    # empty. Otherwise it joins the lightest part, which may then exceed its capacity.
    load = labels.loads[before]
    if before != _NONE and (load == 0 or load + weight <= labels.capacity):
        return before
    return int(np.argmin(labels.loads))
