"""Personalized PageRank by forward push (Andersen, Chung and Lang, FOCS 2006).

p = alpha r + (1 - alpha) T' p, for a reset vector r and the transition matrix T of a graph. A node
keeps the share alpha of its residual as mass and pushes the rest to its neighbors, until all
residuals are small. The result is p + alpha residual, as if each had been pushed once more.

`push` keeps a queue, so that the work follows the nodes that are reached, not the size of the
graph: with a residual of `per_edge` for each edge that may stay, at most 1 / (alpha per_edge) edges
are read for a reset of sum 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, read_only
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel

UNDIRECTED, DIRECTED, TWO_MODE = 0, 1, 2
_NO_LIMIT = 1 << 62
_AT_ONCE = 64  # neighbors whose slots are read before they are used


class Links(NamedTuple):
    """The links of some nodes: node i has the links from `offsets[i]` to `offsets[i + 1]`."""

    offsets: Array  # `[nodes + 1]` int64
    neighbors: Array  # `[links]` int32


class PushGraph(NamedTuple):
    """A graph as the kernels read it; make it with `push_graph`.

    A node links to `forward.neighbors + shift` by row `node` of `forward`, and to
    `backward.neighbors` by row `node - shift` of `backward`, if there are such rows.
    """

    forward: Links  # links of the n rows of a matrix
    backward: Links  # links of its m columns; an undirected graph needs none
    shift: int  # number of the first column as a node: n in a two-mode graph, else 0


class PushLimits(NamedTuple):
    """Bounds at which a push ends."""

    alpha: float  # probability of a return to the reset in each step
    per_edge: float  # residual that may stay at a node for each of its edges
    # edges to read at most; a node with more edges than are left is passed over
    edges: int = _NO_LIMIT
    push_starts: bool = False  # whether the nodes of the reset are pushed whatever their residual


class PushScratch(NamedTuple):
    """Work arrays for a graph; pages that are never touched are never allocated.

    A node that is reached gets the next slot, so that values lie together in the order of arrival.

    Attributes:
        slots: `[nodes]` int32, all 0 between two pushes; 1 + the slot of a node that was reached.
        nodes: `[nodes]` int32, the node of each slot.
        mass, residual: `[nodes]` float64, by slot.
        limit: `[nodes]` float64, by slot: the least residual that puts it in the queue; infinite
            while it is in the queue.
        queue: `[nodes + 1]` int32 slots in a ring. A slot is in it at most once, and one entry
            more distinguishes a full ring from an empty one.
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

    UNDIRECTED: `rows` lists all neighbors, `columns` is not read. DIRECTED: links are walked both
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
    """Compute PageRank outward from the distinct nodes `starts`, whose resets are `values`, `[s]`.

    Nodes are pushed in the order of `starts`. Returns the nodes reached, `[c]` int64 in order of
    arrival, and their scores. `scratch` reuses the work arrays of another push.
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
    """Assign slots to the reset's nodes and queue them; return the counts of slots and queued."""
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
    """Push until all residuals are below their limits; returns the number of nodes reached."""
    # Arrays are taken out of their bundles before the loops: inside, each access would count
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
        if edges + degree > limits.edges:  # it keeps its residual; smaller nodes may still fit
            continue
        edges += degree
        amount = residual[slot]
        residual[slot] = 0.0  # before the neighbors are visited: a node may be its own neighbor
        mass[slot] += alpha * amount
        if degree == 0:  # no neighbor to push to: all of it stays
            mass[slot] += (1.0 - alpha) * amount
            continue
        share = (1.0 - alpha) * amount / degree
        for side in range(2):
            low, high = _range(forward if side == 0 else backward, node, 0 if side == 0 else shift)
            neighbors = neighbors_forward if side == 0 else neighbors_backward
            added = shift if side == 0 else 0  # columns are numbered after the rows
            for begin in range(low, high, len(block_slots)):
                end = min(begin + len(block_slots), high)
                for j in range(begin, end):  # the processor waits for these reads side by side
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
                    if residual[slot] < limit[slot]:  # always so while it stands in the queue
                        continue
                    # At first the limit is for one edge: reading a degree may read a disk.
                    limit[slot] = per_edge * _degree(forward, backward, shift, other)
                    if residual[slot] >= limit[slot]:
                        limit[slot] = np.inf
                        queue[tail] = slot
                        tail = 0 if tail + 1 == len(queue) else tail + 1
    return size


@kernel
def _degree(forward: Array, backward: Array, shift: int, node: int) -> int:
    """The number of a node's links."""
    low, high = _range(forward, node, 0)
    low_back, high_back = _range(backward, node, shift)
    return high - low + high_back - low_back


@kernel
def _range(offsets: Array, node: int, shift: int) -> tuple[int, int]:
    """Return the first and the end offset of a node's links on one side; 0 and 0 if it has none."""
    row = node - shift
    if row < 0 or row + 1 >= len(offsets):
        return 0, 0
    return offsets[row], max(offsets[row], offsets[row + 1])  # no work is negative
