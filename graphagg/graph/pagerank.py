"""Personalized PageRank by forward push (Andersen, Chung and Lang, FOCS 2006).

p = alpha r + (1 - alpha) T' p, for a reset vector r and the transition matrix T of a graph. A node
keeps the share alpha of its residual as mass and pushes the rest to its neighbors, until all
residuals are small. The result is p + alpha residual, as if each had been pushed once more.

`push` uses a queue, so its cost depends on the nodes that are reached, not on the size of the
graph: if a residual of `per_edge` per edge may remain, at most 1 / (alpha per_edge) edges are read
for a reset of sum 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, read_only
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel

UNDIRECTED, DIRECTED, TWO_MODE = 0, 1, 2
_NO_LIMIT = 1 << 62
_AT_ONCE = 64  # number of neighbors whose slots are prefetched


class Links(NamedTuple):
    """Links of nodes: the neighbors of node i are at `offsets[i]` to `offsets[i + 1]`."""

    offsets: Array  # `[nodes + 1]` int64
    neighbors: Array  # `[links]` int32


class PushGraph(NamedTuple):
    """A graph in the format of the kernels; create it with `push_graph`.

    Row `node` of `forward` links a node to `forward.neighbors + shift`, and row `node - shift` of
    `backward` links it to `backward.neighbors`, if these rows exist.
    """

    forward: Links  # links of the n rows of a matrix
    backward: Links  # links of its m columns; empty for an undirected graph
    shift: int  # number of the first column as a node: n in a two-mode graph, else 0


class PushLimits(NamedTuple):
    """Parameters and stopping limits of a push."""

    alpha: float  # probability of a return to the reset in each step
    per_edge: float  # residual that may remain at a node for each of its edges
    # upper bound on edges to read; a node with more edges than remain is skipped
    edges: int = _NO_LIMIT
    push_starts: bool = False  # whether the nodes of the reset are pushed even if residuals are low


class PushScratch(NamedTuple):
    """Work arrays for a graph; pages that are never touched are never allocated.

    Each node that is reached gets the next slot, so values are stored in the order of arrival.

    Attributes:
        slots: `[nodes]` int32, all 0 between two pushes; 1 + the slot of a node that was reached.
        nodes: `[nodes]` int32, the node of each slot.
        mass, residual: `[nodes]` float64, by slot.
        limit: `[nodes]` float64, by slot: the minimum residual to enter the queue; infinite
            while the slot is in the queue.
        queue: `[nodes + 1]` int32, a ring buffer of slots. A slot is in it at most once; the extra
            entry distinguishes a full ring from an empty one.
    """

    slots: Array
    nodes: Array
    mass: Array
    residual: Array
    limit: Array
    queue: Array

    @classmethod
    def of(cls, nodes: int) -> PushScratch:
        """Allocate work arrays for a number of nodes."""
        return cls(
            np.zeros(nodes, np.int32),
            np.empty(nodes, np.int32),
            np.empty(nodes),
            np.empty(nodes),
            np.empty(nodes),
            np.empty(nodes + 1, np.int32),
        )


def push_graph(rows: Csr, columns: Csr, kind: int) -> PushGraph:
    """Bundle a matrix and its transpose for `push`.

    UNDIRECTED: `rows` lists all neighbors, `columns` is ignored. DIRECTED: links are followed both
    ways. TWO_MODE: the n rows are nodes 0 to n - 1, the m columns are nodes n to n + m - 1.
    """
    forward, backward = (Links(read_only(m.indptr), read_only(m.indices)) for m in (rows, columns))
    if kind == UNDIRECTED:
        backward = backward._replace(offsets=backward.offsets[:1])
    return PushGraph(forward, backward, rows.rows if kind == TWO_MODE else 0)


def push(
    graph: PushGraph,
    limits: PushLimits,
    starts: Array,
    values: Doubles,
    scratch: PushScratch | None = None,
) -> tuple[Ints, Doubles]:
    """Compute PageRank from the distinct nodes `starts`, with reset values `values`, `[s]`.

    Nodes are pushed in the order of `starts`. Returns the nodes reached, `[c]` int64 in order of
    arrival, and their scores. Pass `scratch` to reuse the work arrays of another push.
    """
    rows, columns = len(graph.forward.offsets) - 1, len(graph.backward.offsets) - 1
    scratch = scratch or PushScratch.of(max(rows, graph.shift + columns))
    size = _push(graph, limits, starts, values, scratch)
    reached = scratch.nodes[:size].astype(np.int64)
    scores = scratch.mass[:size] + limits.alpha * scratch.residual[:size]
    scratch.slots[reached] = 0
    return reached, scores


@kernel(small=True)
def degrees_of(graph: PushGraph, nodes: Array) -> Array:
    """Count the links of some nodes, `[n]` int64."""
    forward, backward, shift = graph.forward.offsets, graph.backward.offsets, graph.shift
    degrees = np.empty(len(nodes), dtype=np.int64)
    for i in range(len(nodes)):
        degrees[i] = _degree(forward, backward, shift, nodes[i])
    return degrees


@kernel
def _start(  # type: ignore[no-untyped-def]  # noqa: ANN202
    graph: PushGraph, limits: PushLimits, starts: Array, values: Array, scratch: PushScratch
):
    """Assign slots to the nodes of the reset and queue them; return slot and queue counts."""
    forward, backward, shift = graph.forward.offsets, graph.backward.offsets, graph.shift
    slots, nodes, mass, residual, limit, queue = scratch
    tail = 0
    for slot in range(len(starts)):
        node = starts[slot]
        slots[node], nodes[slot] = slot + 1, node
        mass[slot], residual[slot] = 0.0, values[slot]
        limit[slot] = limits.per_edge * max(1, _degree(forward, backward, shift, node))
        if limits.push_starts or values[slot] >= limit[slot]:
            limit[slot] = np.inf
            queue[tail] = slot
            tail += 1
    return len(starts), tail


@kernel(small=True)
def _push(  # type: ignore[no-untyped-def]  # noqa: ANN202, C901
    graph: PushGraph, limits: PushLimits, starts: Array, values: Array, scratch: PushScratch
):
    """Push until all residuals are below their limits; return the number of nodes reached."""
    # Unpack the arrays before the loops: inside, each access to the tuple would count
    # references.
    forward, neighbors_forward = graph.forward
    backward, neighbors_backward = graph.backward
    shift, alpha, per_edge = graph.shift, limits.alpha, limits.per_edge
    slots, nodes, mass, residual, limit, queue = scratch
    size, tail = _start(graph, limits, starts, values, scratch)
    block_slots = np.empty(_AT_ONCE, dtype=np.int32)
    head = edges = 0
    while head != tail:
        slot = queue[head]
        head = 0 if head + 1 == len(queue) else head + 1
        node = nodes[slot]
        degree = _degree(forward, backward, shift, node)
        limit[slot] = per_edge * degree
        if edges + degree > limits.edges:  # the node keeps its residual; smaller ones may fit
            continue
        edges += degree
        amount = residual[slot]
        residual[slot] = 0.0  # before the neighbors are visited: a node may be its own neighbor
        mass[slot] += alpha * amount
        if degree == 0:  # no neighbor to push to: keep the whole residual
            mass[slot] += (1.0 - alpha) * amount
            continue
        share = (1.0 - alpha) * amount / degree
        for side in range(2):
            low, high = _range(forward if side == 0 else backward, node, 0 if side == 0 else shift)
            neighbors = neighbors_forward if side == 0 else neighbors_backward
            added = shift if side == 0 else 0  # columns are numbered after the rows
            for begin in range(low, high, len(block_slots)):
                end = min(begin + len(block_slots), high)
                for j in range(begin, end):  # the processor runs these reads in parallel
                    block_slots[j - begin] = slots[neighbors[j] + added]
                for j in range(begin, end):
                    other = neighbors[j] + added
                    slot = block_slots[j - begin] - 1
                    if slot < 0:
                        slot = size
                        slots[other] = slot + 1
                        nodes[slot], mass[slot], residual[slot] = other, 0.0, 0.0
                        limit[slot] = per_edge
                        size += 1
                    residual[slot] += share
                    if residual[slot] < limit[slot]:  # always true while it is in the queue
                        continue
                    # The first limit assumes one edge, because reading a degree may read the disk.
                    limit[slot] = per_edge * _degree(forward, backward, shift, other)
                    if residual[slot] >= limit[slot]:
                        limit[slot] = np.inf
                        queue[tail] = slot
                        tail = 0 if tail + 1 == len(queue) else tail + 1
    return size


@kernel
def _degree(forward: Array, backward: Array, shift: int, node: int) -> int:
    """Return the number of links of a node."""
    low, high = _range(forward, node, 0)
    low_back, high_back = _range(backward, node, shift)
    return high - low + high_back - low_back


@kernel
def _range(offsets: Array, node: int, shift: int) -> tuple[int, int]:
    """Return start and end offset of a node's links on one side; 0 and 0 if it has none."""
    row = node - shift
    if row < 0 or row + 1 >= len(offsets):
        return 0, 0
    return offsets[row], max(offsets[row], offsets[row + 1])  # so that a degree is never negative
