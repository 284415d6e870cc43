"""The steps of Leiden over compressed rows; `graphagg.graph.leiden` explains them."""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, Mask
from graphagg.kernels import kernel

Rows = tuple[Ints, Array, Doubles]
"""Symmetric compressed rows in the format of the kernels: offsets, columns, weights."""


@kernel(checked=False, small=True)
def _mixed(z: np.uint64) -> np.uint64:
    """Apply the finalizer of splitmix64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel(checked=False, small=True)
def surroundings(
    indptr: Ints, indices: Array, bits: Array, own: Array, rounds: int, seed: int
) -> Array:
    """Hash the neighborhood of each vertex; hashes are summed, so edge order does not matter."""
    keys = np.empty(len(own), np.uint64)
    for v in range(len(own)):
        keys[v] = _mixed(own[v] + np.uint64(seed + 1))
    for _ in range(rounds):
        old = keys.copy()
        for v in range(len(keys)):
            total = _mixed(old[v])
            for i in range(indptr[v], indptr[v + 1]):
                total += _mixed(old[indices[i]] + bits[i])
            keys[v] = _mixed(total)
    return keys


@kernel(checked=False, small=True)
def renumbered(
    indptr: Ints, indices: Array, weights: Doubles, order: Ints, position: Array
) -> Rows:
    """Renumber vertex `order[i]` as i; the columns of each row of the result ascend."""
    starts = np.zeros(len(order) + 1, np.int64)
    for v in range(len(order)):
        starts[v + 1] = starts[v] + indptr[order[v] + 1] - indptr[order[v]]
    ends = starts[:-1].copy()
    columns, values = np.empty(len(indices), np.int32), np.empty(len(indices), np.float64)
    for v in range(len(order)):  # the graph is symmetric: v goes into the row of each neighbor
        for i in range(indptr[order[v]], indptr[order[v] + 1]):
            u = position[indices[i]]
            columns[ends[u]], values[ends[u]] = v, weights[i]
            ends[u] += 1
    return starts, columns, values


@kernel(checked=False, small=True)
def added(first: Rows, second: Rows) -> Rows:
    """Add two square matrices; the columns of each row ascend."""
    n, at = len(first[0]) - 1, 0
    starts = np.zeros(n + 1, np.int64)
    columns = np.empty(len(first[1]) + len(second[1]), np.int32)
    values = np.zeros(len(columns))
    for v in range(n):
        i, j, end, last = first[0][v], second[0][v], first[0][v + 1], second[0][v + 1]
        while i < end or j < last:
            a = first[1][i] if i < end else n
            b = second[1][j] if j < last else n
            columns[at] = min(a, b)
            if a <= b:
                values[at], i = first[2][i], i + 1
            if b <= a:
                values[at], j = values[at] + second[2][j], j + 1
            at += 1
        starts[v + 1] = at
    return starts, columns[:at].copy(), values[:at].copy()


@kernel(checked=False, small=True)
def _numbered(labels: Array) -> tuple[Array, int]:
    """Number labels from 0 in order of their first vertex; also return the number of labels."""
    largest = -1
    for label in labels:
        largest = max(largest, label)
    number, count = np.full(largest + 1, -1, np.int32), 0
    result = np.empty(len(labels), np.int32)
    for v in range(len(labels)):
        if number[labels[v]] < 0:
            number[labels[v]] = count
            count += 1
        result[v] = number[labels[v]]
    return result, count


@kernel(checked=False, small=True)
def connected(graph: Rows, labels: Array) -> tuple[Array, int]:
    """Number the connected components of the communities; also return how many there are.

    Components are ordered by their first vertex. The columns of each row must ascend.
    """
    indptr, indices, _ = graph
    before = np.arange(len(labels)).astype(np.int32)  # a parent in the component; roots: themselves
    for v in range(len(labels)):
        first = v
        for u in indices[indptr[v] : indptr[v + 1]]:
            if u >= v:
                break
            if labels[u] == labels[v]:
                while before[u] != u:
                    before[u] = before[before[u]]
                    u = before[u]
                low, high = min(u, first), max(u, first)
                before[high] = first = low
    for v in range(len(labels)):
        before[v] = before[before[v]]
    return _numbered(before)


@kernel(checked=False, small=True)
def quality(graph: Rows, masses: Doubles, labels: Array, gamma: float) -> float:
    """Compute the objective: weight inside communities minus the expected weight."""
    indptr, indices, weights = graph
    totals, quality = _totals(masses, labels), 0.0
    for v in range(len(labels)):
        for i in range(indptr[v], indptr[v + 1]):
            if labels[indices[i]] == labels[v]:
                quality += weights[i] / 2.0
        quality -= gamma * totals[v, 0] * totals[v, 1]
    return quality


@kernel(checked=False, small=True)
def _tally(graph: Rows, v: int, groups: Array, to: Doubles, touched: Array) -> int:
    """Sum the weights from `v` to each neighboring group; return the number of groups."""
    indptr, indices, weights = graph
    count = 0
    for i in range(indptr[v], indptr[v + 1]):
        group = groups[indices[i]]
        if to[group] == 0.0:
            touched[count] = group
            count += 1
        to[group] += weights[i]
    return count


@kernel(checked=False, small=True)
def _totals(masses: Doubles, labels: Array) -> Doubles:
    """Return the total masses of the communities, `[n, 2]`."""
    totals = np.zeros(masses.shape)
    for v in range(len(labels)):
        for side in range(2):
            totals[labels[v], side] += masses[v, side]
    return totals


@kernel(checked=False, small=True)
def move(
    graph: Rows, masses: Doubles, labels: Array, gamma: float, slack: float, first: Array,
    fixed: Mask,
) -> tuple[Array, int, int]:  # fmt: skip
    """Move the vertices `first` to better communities, then neighbors of moved vertices.

    Returns the communities, their number, and the number of moves. Overwrites `labels`.
    """
    indptr, indices, _ = graph
    n = len(labels)
    totals, sizes = _totals(masses, labels), np.zeros(n, np.int32)
    for label in labels:
        sizes[label] += 1
    empty = np.zeros(n, np.int64)  # a stack of unused community numbers
    unused = np.flatnonzero(sizes == 0)
    empties = len(unused)
    empty[:empties] = unused
    queue, queued = np.empty(n, np.int32), fixed.copy()  # fixed vertices are never queued
    head, waiting, moves = 0, 0, 0
    for v in first:
        if not queued[v]:
            queue[waiting], queued[v] = v, True
            waiting += 1
    to, touched = np.zeros(n), np.empty(n, np.int32)
    while waiting > 0:
        v = queue[head]
        head = (head + 1) % n
        waiting -= 1
        queued[v] = False
        own = labels[v]
        out, into = masses[v, 0], masses[v, 1]
        totals[own, 0] -= out
        totals[own, 1] -= into
        count = _tally(graph, v, labels, to, touched)
        best = _best(own, gamma * out, gamma * into, totals, to, touched[:count], slack)
        if best < 0:
            best = own if sizes[own] == 1 else empty[empties - 1]
        totals[best, 0] += out
        totals[best, 1] += into
        if best == own:
            continue
        labels[v] = best
        moves += 1
        empties -= sizes[best] == 0
        sizes[best] += 1
        sizes[own] -= 1
        if sizes[own] == 0:
            empty[empties] = own
            empties += 1
        for i in range(indptr[v], indptr[v + 1]):
            u = indices[i]
            if not queued[u] and labels[u] != best:
                queued[u], queue[(head + waiting) % n] = True, u
                waiting += 1
    return *_numbered(labels), moves


@kernel(checked=False, small=True)
def _best(
    own: int, out: float, into: float, totals: Doubles, to: Doubles, touched: Array, slack: float
) -> int:
    """Return the community with the largest gain, `own` on ties; -1 if none gains. Clears `to`."""
    best, most = own, to[own] - out * totals[own, 1] - into * totals[own, 0] + slack
    for c in touched:
        gain = to[c] - out * totals[c, 1] - into * totals[c, 0]
        if gain > most and c != own:
            best, most = c, gain
        to[c] = 0.0
    return best if most >= 0.0 else -1


@kernel(checked=False, small=True)
def _expected(mass: Doubles, part: int, totals: Doubles, community: int) -> float:
    """Return the product of the masses of a part and of the rest of its community."""
    out, into = mass[part, 0], mass[part, 1]
    product: float = out * (totals[community, 1] - into) + into * (totals[community, 0] - out)
    return product


@kernel(checked=False, small=True)
def refine(
    graph: Rows, masses: Doubles, labels: Array, gamma: float, slack: float
) -> tuple[Array, int]:
    """Split each community into connected parts, each well connected with the rest of it."""
    n = len(labels)
    indptr, indices, weights = graph
    totals, mass = _totals(masses, labels), masses.copy()
    rest = np.zeros(n)  # weight between a part and the rest of its community
    for v in range(n):
        for i in range(indptr[v], indptr[v + 1]):
            rest[v] += weights[i] if labels[indices[i]] == labels[v] else 0.0
    # A part has the number of its first vertex.
    parts, alone = np.arange(n).astype(np.int32), np.ones(n, np.bool_)
    to, touched = np.zeros(n), np.empty(n, np.int32)
    for v in range(n):
        if not alone[v] or rest[v] < gamma * _expected(mass, v, totals, labels[v]):
            continue
        out, into = gamma * masses[v, 0], gamma * masses[v, 1]
        best, most, joined = v, slack, 0.0
        for c in touched[: _tally(graph, v, parts, to, touched)]:
            gain = to[c] - out * mass[c, 1] - into * mass[c, 0]
            if gain > most and labels[c] == labels[v]:
                if rest[c] >= gamma * _expected(mass, c, totals, labels[v]):
                    best, most, joined = c, gain, to[c]
            to[c] = 0.0
        if best != v:
            parts[v], alone[best] = best, False
            for side in range(2):
                mass[best, side] += masses[v, side]
            rest[best] += rest[v] - 2.0 * joined
    return _numbered(parts)


@kernel(checked=False, small=True)
def aggregate(
    graph: Rows, masses: Doubles, labels: Array, parts: Array, size: int
) -> tuple[Rows, Doubles, Array]:
    """Return the graph of the parts, without loops; their masses and communities."""
    indptr, indices, weights = graph
    community = np.empty(size, np.int32)
    community[parts] = labels
    mass = _totals(masses, parts)[:size].copy()
    members = np.argsort(parts, kind="mergesort")
    starts = np.zeros(size + 1, np.int64)
    columns, values = np.empty(len(indices), np.int32), np.empty(len(indices), np.float64)
    place, at = np.full(size, -1, np.int64), 0
    for v in members:
        begin = starts[parts[v]]  # start of the row of the part
        for i in range(indptr[v], indptr[v + 1]):
            c = parts[indices[i]]
            if c == parts[v]:
                continue
            if place[c] < begin:
                place[c], columns[at], values[at] = at, c, 0.0
                at += 1
            values[place[c]] += weights[i]
        starts[parts[v] + 1] = at
    return (starts, columns[:at].copy(), values[:at].copy()), mass, community
