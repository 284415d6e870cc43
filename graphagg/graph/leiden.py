"""Leiden (Traag, Waltman and van Eck, 2019): partitions whose communities are connected.

An iteration moves vertices to better communities until no move helps (the paper's fast local move),
refines each community into well connected parts, and continues with the parts as vertices. The gain
of joining vertex or part v to community C is

    w(v, C) - gamma (out(v) in(C) + in(v) out(C)),

where w is the weight between them in both directions. The masses `out` and `in`, `[n, 2]`, are
degrees for modularity, so that the kernels also fit undirected, directed (Leicht and Newman, 2008)
and two-mode graphs (Barber, 2007), and numbers of vertices for the constant Potts model.

Departures: a part joins the part with the largest gain, not a random one. Vertices are visited in
the order of a hash of their neighborhoods. The hash depends only on the structure of the graph, so
names and the order of edges do not matter, except for vertices with equal neighborhoods.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, Mask
from graphagg.graph.csr import Csr
from graphagg.graph.leiden_kernels import (
    Rows,
    aggregate,
    connected,
    move,
    quality,
    refine,
    renumbered,
    surroundings,
)

ITERATIONS = 2
"""Number of iterations if there is no start partition."""
CONVERGE = -1
"""Repeat until an iteration no longer improves the partition, as in igraph and leidenalg."""
TOLERANCE = 0.005
"""Loss of modularity that is accepted to keep a start; vertices then only move one by one."""
_CORES = 3
"""Number of partitions whose overlap is the start of the iterations with `CONVERGE`."""
_LEAST = 1e-6
"""Iterations end when one gains less than this share of the total weight."""
FEW = 0.002
"""If more than this share of vertices move one by one, an iteration follows; this happens
when about .4 % of the edges changed."""
_ROUNDS = 3
"""Radius in steps of the neighborhood that the hash of a vertex covers."""
_SLACK = 1e-9
"""Minimum gain of a move, as a share of the mean weight; smaller gains are rounding errors."""


def leiden(
    adjacency: Csr,
    masses: Doubles,
    gamma: float,
    *,
    iterations: int = ITERATIONS,
    random_state: int = 0,
    start: Array | None = None,
    fixed: Mask | None = None,
    order: Array | None = None,
    review: bool = False,
) -> Array:
    """Find the communities `[n]` of a symmetric graph with positive float64 weights.

    Vertices are visited in the given `order`, or in that of their neighborhoods. Each community
    is connected, and no vertex gains from a move to another one, so a `start` that is a result of
    this function does not change. From any other start, vertices move one by one, in numeric order.
    If more than `FEW` move, or with `review`, an iteration is tried, and used if it gains more than
    `TOLERANCE`. Vertices that are `fixed` `[n]` keep the community of their start.

    With `CONVERGE`, each iteration visits vertices in a different order. Without a start, it begins
    with a partition of the overlap of several partitions, found in the same way (Ovelgoenne and
    Geyer-Schulz, 2012).

    Examples:
        >>> graph = Csr(np.array([0, 1, 2]), np.array([1, 0], np.int32), np.ones(2), 2)
        >>> leiden(graph, np.ones((2, 2)), 0.25).tolist()
        [0, 0]
    """
    pattern, weights = (adjacency.indptr, adjacency.indices), adjacency.entries
    if start is not None:
        start = np.unique(start, return_inverse=True)[1].astype(np.int32)
        settled, changes = settle(adjacency, masses, gamma, start.copy(), None, fixed)
        if not review and iterations != CONVERGE and changes <= FEW * len(start):
            return settled
    if order is None:
        directed = (masses[:, 0] - masses[:, 1]).view(np.uint64)
        keys = surroundings(*pattern, weights.view(np.uint64), directed, _ROUNDS, random_state)
        order = np.argsort(keys, kind="stable")
    position = np.empty(len(order), np.int32)
    position[order] = np.arange(len(order), dtype=np.int32)
    slack = _SLACK * float(weights.mean()) if len(weights) else 0.0
    graph = Partitioned(
        renumbered(*pattern, weights, order, position), masses[order], gamma, slack,
        np.zeros(len(order), np.bool_) if fixed is None else fixed[order],
    )  # fmt: skip
    generator = np.random.default_rng(random_state)
    if start is None:
        labels = np.arange(len(order), dtype=np.int32)
        if iterations == CONVERGE:
            labels = _by_overlaps(graph, generator)
        for _ in range(iterations):
            labels = _iteration(graph, labels)
        return _settled(graph, labels)[0][position]
    settled, _ = _settled(graph, start[order])
    if iterations == CONVERGE:
        return _settled(graph, _converged(graph, settled, generator))[0][position]
    labels, _ = _settled(graph, _iteration(graph, settled.copy()))
    gain = graph.quality(labels) - graph.quality(settled)
    return (labels if 2 * gain > TOLERANCE * float(weights.sum()) else settled)[position]


def settle(
    adjacency: Csr, masses: Doubles, gamma: float, labels: Array, touched: Ints | None = None,
    fixed: Mask | None = None,
) -> tuple[Array, int]:  # fmt: skip
    """Move the `touched` vertices of a partition, or all, then neighbors of moved vertices.

    Vertices keep their numbers and their order; `labels` are int32 below n, and overwritten.
    Communities that become unconnected are split. Also returns the number of changes.
    """
    weights = adjacency.entries
    slack = _SLACK * float(weights.mean()) if len(weights) else 0.0
    rows = adjacency.indptr, adjacency.indices, weights
    fixed = np.zeros(len(labels), np.bool_) if fixed is None else fixed
    return _settled(Partitioned(rows, masses, gamma, slack, fixed), labels, touched)


def by_size(labels: Array) -> Ints:
    """Number the labels by size, the largest is 0; ties are ordered by the first vertex."""
    _, first, positions, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[positions]


class Partitioned(NamedTuple):
    """A graph, and the parameters of the objective that its partition optimizes."""

    rows: Rows
    masses: Doubles  # `[n, 2]`
    gamma: float
    slack: float  # gains up to this are ignored
    fixed: Mask  # `[n]` vertices that do not move

    def move(self, labels: Array, first: Array | None = None) -> tuple[Array, int, int]:
        """Move the vertices `first`, or all, to better communities; see `leiden_kernels.move`."""
        vertices = np.arange(len(labels)) if first is None else first
        rows, masses, gamma, slack, fixed = self
        result: tuple[Array, int, int] = move(rows, masses, labels, gamma, slack, vertices, fixed)
        return result

    def quality(self, labels: Array) -> float:
        """Return the objective that moves increase; see `leiden_kernels.quality`."""
        return float(quality(self.rows, self.masses, labels, self.gamma))

    def contracted(self, labels: Array, parts: Array, size: int) -> tuple[Partitioned, Array]:
        """Return the graph with its parts as vertices, and the community of each part."""
        rows, masses, labels = aggregate(self.rows, self.masses, labels, parts, size)
        fixed = np.zeros(size, np.bool_)
        fixed[parts[self.fixed]] = True
        return self._replace(rows=rows, masses=masses, fixed=fixed), labels

    def shuffled(self, order: Array) -> Partitioned:
        """Renumber the graph: vertex `order[i]` becomes number i."""
        position = np.empty(len(order), np.int32)
        position[order] = np.arange(len(order), dtype=np.int32)
        rows = renumbered(*self.rows, order, position)
        return self._replace(rows=rows, masses=self.masses[order], fixed=self.fixed[order])


def _settled(graph: Partitioned, labels: Array, touched: Array | None = None) -> tuple[Array, int]:
    """Move vertices and split unconnected communities, until a full pass changes nothing.

    Also returns the number of moves and splits. Overwrites `labels`.
    """
    changes, are_connected = 0, False
    while True:
        labels, count, moves = graph.move(labels, touched)
        if are_connected and not moves:
            return labels, changes
        moved, (labels, pieces) = labels, connected(graph.rows, labels)
        if graph.fixed.any():
            labels, pieces = _rejoined(labels, graph.fixed, moved)
        are_connected = True
        changes += moves + pieces - count
        if not moves and pieces == count:
            return labels, changes


def _rejoined(pieces: Array, fixed: Mask, labels: Array) -> tuple[Array, int]:
    """Put the fixed vertices of a community together again, even if they are not connected."""
    stay = np.flatnonzero(fixed)[::-1]
    number = np.arange(len(pieces), dtype=np.int32)
    first = np.zeros(len(pieces), np.int32)
    first[labels[stay]] = pieces[stay]
    number[pieces[stay]] = first[labels[stay]]
    joined: Array = number[pieces]
    return joined, len(np.unique(joined))


def _iteration(graph: Partitioned, labels: Array) -> Array:
    """Run one iteration of Leiden, level by level."""
    part = np.arange(len(labels), dtype=np.int32)
    while True:
        labels, count, _ = graph.move(labels)
        if count == len(labels):
            return labels[part]
        parts, size = refine(graph.rows, graph.masses, labels, graph.gamma, graph.slack)
        if size == len(parts):
            parts, size = labels, count
        part = parts[part]
        graph, labels = graph.contracted(labels, parts, size)


def _iterated(
    graph: Partitioned, labels: Array, iterations: int, generator: np.random.Generator
) -> Array:
    """Run iterations, each with a different order of the vertices."""
    for _ in range(iterations):
        order = generator.permutation(len(labels))
        result = np.empty_like(labels)
        result[order] = _iteration(graph.shuffled(order), labels[order])
        labels = result
    return labels


def _converged(graph: Partitioned, labels: Array, generator: np.random.Generator) -> Array:
    """Repeat iterations until one no longer improves the partition."""
    least, best = _LEAST * float(graph.rows[2].sum()) / 2, -np.inf
    while True:
        labels = _iterated(graph, labels, 1, generator)
        before, best = best, graph.quality(labels)
        if best - before <= least:
            return labels


def _by_overlaps(graph: Partitioned, generator: np.random.Generator) -> Array:
    """Iterate until convergence, starting from the overlap of several partitions.

    The graph of the overlap is partitioned in the same way if it is less than half as large;
    otherwise the best of the partitions is improved.
    """
    alone = np.arange(len(graph.masses), dtype=np.int32)
    some = [_iterated(graph, alone, ITERATIONS, generator) for _ in range(_CORES)]
    parts = _overlap(some)
    size = 1 + int(parts.max(initial=-1))
    if 2 * size < len(parts):
        small, _ = graph.contracted(parts, parts, size)
        return _converged(graph, _by_overlaps(small, generator)[parts], generator)
    return _converged(graph, max(some, key=graph.quality), generator)


def _overlap(partitions: list[Array]) -> Array:
    """Group the vertices that share a community in every partition."""
    joint = np.zeros(len(partitions[0]), np.int64)
    for labels in partitions:
        pairs = joint * (1 + int(labels.max(initial=0))) + labels
        joint = np.unique(pairs, return_inverse=True)[1]
    return joint.astype(np.int32)
