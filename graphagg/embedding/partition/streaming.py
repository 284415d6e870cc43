"""Streaming partition: several passes over the nodes; each step reads only one node's row.

A node joins the part with the best score among the parts of its neighbors that have room, with L_p
the weight of part p and C its capacity (linear deterministic greedy: Stanton and Kliot, KDD 2012):

    score(p) = |neighbors in p| (1 - L_p / C)

Further passes move nodes by the same rule (restreaming: Nishimura and Ugander, KDD 2013). Nodes are
visited in breadth-first order, so that neighbors are visited close to each other.

The matrix is read row by row and may be a mapped file. Memory use is about 20 bytes per node.
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
    """Parts of nodes: `of_node[v]` is the part of node v (-1: none), `loads` the parts' weights.

    `capacity` is the maximum weight of a part.
    """

    of_node: Array
    loads: Array
    capacity: int


def stream(matrix: Csr, weights: Ints, active: Mask, count: int) -> Parts:
    """Cut a symmetric pattern into parts of about equal weight; O(entries) time.

    Returns the part of each active node, `[N]`, and -1 for other nodes. A part has at most 1.05
    times the mean weight, if node weights permit.
    """
    rows = Rows(np.asarray(matrix.indptr), np.asarray(matrix.indices))
    part_of = np.full(matrix.rows, _NONE, dtype=np.int32)
    capacity = int(np.ceil(SLACK * int(weights[active].sum()) / count))
    labels = Labels(part_of, np.zeros(count, dtype=np.int64), capacity)
    _restream(rows, weights, _breadth_first(rows, ~active), labels, _PASSES)
    return part_of


@kernel(checked=False)
def _breadth_first(rows: Rows, visited: Array) -> Array:
    """Return the unvisited nodes in breadth-first order, by component; updates `visited`."""
    # `order` is also the queue: nodes before `head` are done, nodes up to `tail` are waiting.
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
    """Move each node to the part with the best score, in place, until no node moves."""
    around = np.zeros(len(labels.loads), dtype=np.int64)
    touched = np.empty(len(labels.loads), dtype=np.int32)
    for _ in range(passes):
        moved = 0
        for node in nodes:
            before = labels.of_node[node]
            labels.of_node[node] = _NONE  # remove the node before it is placed
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
    """Return the best part below its capacity for a node that is in no part.

    `around` is all zeros before and after the call; `touched` has room for all parts.
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
            # Prefer the old part on ties, so a pass without improvement moves nothing.
            if best == _NONE or score > most or (score == most and part == before):
                best, most = part, score
        around[part] = 0
    if best != _NONE:
        return best
    # No neighboring part has room. The node stays in its part if it fits or is alone there, so
    # that no part becomes empty. Else it joins the lightest part, which may exceed its capacity.
    load = labels.loads[before]
    if before != _NONE and (load == 0 or load + weight <= labels.capacity):
        return before
    return int(np.argmin(labels.loads))
