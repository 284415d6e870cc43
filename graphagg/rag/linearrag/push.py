"""PageRank by local push, for an index whose graph is not in memory.

Paper: LinearRAG, arXiv 2510.10114, eqs. 6 and 7; local push: Andersen, Chung and Lang, *Local Graph
Partitioning using PageRank Vectors* (2006). A node is pushed while its residual exceeds `EPSILON`
for each of its edges, so that at most 1 / (EPSILON (1 - d)) edges are read, however large the graph
is. What is left is counted at its own node once: scores are too small elsewhere, by less than
EPSILON times the degree of a node. `pagerank.py`, for smaller indices, pushes all of it.

The view of everything is walked over its records (`walk`), any other over the gazetteer. What a
passage's record says of entities that are nowhere else is summed in closed form: of the residual r
a share d^2 s comes back, so that r / (1 - d^2 s) is pushed at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from graphagg.arrays import Array
from graphagg.rag.linearrag.local import LocalGraph
from graphagg.rag.linearrag.walk import EDGE, HEAD, Walk, record_of
from graphagg.rag.tables.mentions import FOUND
from graphagg.rag.tables.vectors import Rows, read_only

EPSILON = 1e-5
"""Residual, of a total of 1, that a node may keep for each of its edges."""
_LEAST_SLOTS = 1 << 12
_UNKNOWN = -1  # how many edges a node has, before it is read


class Mentions(NamedTuple):
    """The edges of a view as the gazetteer and the view have them."""

    bounds: Array
    entity: Array
    pair: Array
    flags: Array
    pair_bounds: Array
    row: Array
    counts: Array
    pair_flags: Array
    found_words: Array
    visible: Array


@dataclass(frozen=True)
class LocalScores:
    """PageRank of the passages that a question comes to; all others have none.

    Attributes:
        rows: `[n]` int64.
        scores: `[n]`.
        unit: how much of each unit of a passage's reset stays in its own score before any step.
    """

    rows: Rows
    scores: Array
    unit: float


def local_pagerank(
    graph: LocalGraph,
    rows: Rows,
    reset: Array,
    entities: Mapping[int, float],
    damping: float,
    by_count: bool,
) -> LocalScores:
    """Personalised PageRank (eq. 6) by local push.

    Args:
        graph: passages and entities.
        rows: `[m]` distinct passages of the reset.
        reset: `[m]` their weights, not negative.
        entities: weights of entities; negative ones count as 0.
        damping: d.
        by_count: whether edges weigh N_ep over the passage's sum; else all the same.
    """
    weights = np.maximum(np.fromiter(entities.values(), np.float64, len(entities)), 0.0)
    numbers = np.fromiter(entities, np.int64, len(entities))
    values = np.concatenate([reset, weights])
    total = float(values.sum()) or 1.0
    values /= total
    size, walk = len(graph.view.visible), graph.view.walk
    if walk is None:
        nodes, lost = np.concatenate([rows, size + numbers]), 0.0
        degree = 0.0
    else:
        nodes, values, lost = _onto_records(graph, walk, rows, numbers, values, damping)
        degree = len(walk.entities) / max(size, 1)
    keys, mass, more = _push(
        nodes, values, size, damping, EPSILON, by_count, walk is not None, degree,
        _readable(walk or _NO_WALK), _mentions(graph), _LEAST_SLOTS,
    )  # fmt: skip
    kept = 1.0 - lost - more
    some = (keys >= 0) & (keys < size)
    return LocalScores(keys[some], mass[some] / kept, (1.0 - damping) / (total * kept))


def _onto_records(
    graph: LocalGraph, walk: Walk, rows: Rows, entities: Rows, values: Array, damping: float
) -> tuple[Rows, Array, float]:
    """The reset at nodes that have records; what entities without one hand on is at its passage.

    Returns:
        Nodes, their residuals, and how much is lost.
    """
    nodes, residuals, lost = [rows], [values[: len(rows)]], 0.0
    size = len(graph.view.visible)
    walk.will_need(rows[residuals[0] > EPSILON * len(walk.entities) / max(size, 1)])
    for entity, value in zip(entities.tolist(), values[len(rows) :].tolist(), strict=True):
        start = int(walk.entity_starts[entity])
        if start >= 0:
            nodes.append(np.array([size + start]))
            residuals.append(np.array([value]))
            continue
        only = graph.contained_in.row(entity).astype(np.int64)
        nodes.append(only)
        residuals.append(np.full(len(only), damping * value))
        lost += 0.0 if len(only) else damping * value
    return np.concatenate(nodes), np.concatenate(residuals), lost


def _mentions(graph: LocalGraph) -> Mentions:
    g, view = graph.view.gazetteer, graph.view
    arrays = (
        g.bounds, g.entity, g.pair, g.flags, g.pair_bounds, g.row, g.count, g.pair_flags,
        view.found_words, view.visible,
    )  # fmt: skip
    return Mentions(*(read_only(array) for array in arrays))


def _readable(walk: Walk) -> Walk:
    return Walk(*(read_only(array) for array in walk))


_NONE = np.zeros(0, np.int64)
_NO_WALK = Walk(_NONE, _NONE, _NONE, np.zeros((0, 4), np.int32))


@numba.njit(cache=True)
def _slot(keys: Array, key: int) -> int:
    """Where a key stands in a table of a power of two of slots, or would; -1 marks a free one."""
    last = len(keys) - 1
    i = (key * 2654435761) & last
    while keys[i] != -1 and keys[i] != key:
        i = (i + 1) & last
    return i


@numba.njit(cache=True)
def _moved(keys: Array, values: Array, grown: Array) -> Array:
    """Values of a table in the slots of a larger one."""
    moved = np.zeros(len(grown), values.dtype)
    for i in range(len(keys)):
        if keys[i] != -1:
            moved[_slot(grown, keys[i])] = values[i]
    return moved


@numba.njit(cache=True)
def _push(  # type: ignore[no-untyped-def]  # noqa: ANN202, C901
    nodes: Array,
    values: Array,
    passages: int,
    damping: float,
    epsilon: float,
    by_count: bool,
    recorded: bool,
    mean_degree: float,
    walk: Walk,
    mentions: Mentions,
    slots: int,
):
    """Push until no residual exceeds the bound; a passage is its row, an entity comes after them.

    Returns:
        Table of nodes (-1: a free slot), their mass, and how much was lost in nodes without edges.
    """
    while slots < 4 * len(nodes):
        slots *= 2
    keys = np.full(slots, -1, np.int64)
    residual, mass = np.zeros(slots), np.zeros(slots)
    degrees = np.full(slots, _UNKNOWN, np.int32)
    queued = np.zeros(slots, np.bool_)
    queue, head, tail = np.empty(slots, np.int64), 0, 0
    held, lost = 0, 0.0
    for i in range(len(nodes)):
        s = _slot(keys, nodes[i])
        if keys[s] == -1:
            keys[s] = nodes[i]
            held += 1
        residual[s] += values[i]
        if not queued[s]:
            queued[s] = True
            queue[tail] = nodes[i]
            tail += 1
    while head < tail:
        node = queue[head]
        head += 1
        s = _slot(keys, node)
        queued[s] = False
        amount, degree = residual[s], float(degrees[s])
        if degree == _UNKNOWN:
            degree = mean_degree if recorded else _degree(node, passages, mentions)
        if amount <= epsilon * max(degree, 1.0):
            continue
        if recorded:
            others, shares, those, back = _recorded_edges(node, passages, by_count, walk)
        else:
            others, shares, those, back = _edges(node, passages, by_count, mentions)
        residual[s] = 0.0
        amount /= 1.0 - damping * damping * back
        mass[s] += (1.0 - damping) * amount
        if not len(others) and back == 0.0:
            lost += damping * amount
            continue
        if 2 * (held + len(others)) > len(keys):
            size = len(keys)
            while 2 * (held + len(others)) > size:
                size *= 2
            grown = np.full(size, -1, np.int64)
            for i in range(len(keys)):
                if keys[i] != -1:
                    grown[_slot(grown, keys[i])] = keys[i]
            residual = _moved(keys, residual, grown)
            mass = _moved(keys, mass, grown)
            degrees = _moved(keys, degrees, grown)
            queued = _moved(keys, queued, grown)
            keys = grown
        if tail + len(others) > len(queue):
            waiting = np.empty(max(len(keys), 2 * (tail - head + len(others))), np.int64)
            waiting[: tail - head] = queue[head:tail]
            queue, head, tail = waiting, 0, tail - head
        for j in range(len(others)):
            t = _slot(keys, others[j])
            if keys[t] == -1:
                keys[t] = others[j]
                degrees[t] = those[j]
                held += 1
            residual[t] += damping * amount * shares[j]
            if not queued[t]:
                queued[t] = True
                queue[tail] = others[j]
                tail += 1
    for i in range(len(keys)):
        mass[i] += (1.0 - damping) * residual[i]
    return keys, mass, lost


@numba.njit(cache=True)
def _recorded_edges(  # type: ignore[no-untyped-def]  # noqa: ANN202
    node: int, passages: int, by_count: bool, walk: Walk
):
    """The nodes beside a node, the share and the degree of each, and the share that comes back."""
    if node >= passages:
        place = node - passages
        n = walk.entities[place, 0]
        others, shares, those = np.empty(n, np.int64), np.empty(n), np.empty(n, np.int32)
        whole = 0.0
        for i in range(n):
            edge = walk.entities[place + 1 + i]
            others[i], those[i] = edge[0], edge[3]
            shares[i] = edge[1] / edge[2] if by_count else 1.0
            whole += shares[i]
        shares /= whole
        return others, shares, those, 0.0
    at = record_of(walk, node)
    n = walk.passages[at]
    others, shares, those = np.empty(n, np.int64), np.empty(n), np.empty(n, np.int32)
    whole = float(max(walk.passages[at + 1] if by_count else n + walk.passages[at + 3], 1))
    for i in range(n):
        edge = at + HEAD + EDGE * i
        others[i], those[i] = passages + walk.passages[edge], walk.passages[edge + 2]
        shares[i] = (walk.passages[edge + 1] if by_count else 1.0) / whole
    back = (walk.passages[at + 2] if by_count else walk.passages[at + 3]) / whole
    return others, shares, those, back


@numba.njit(cache=True)
def _degree(node: int, passages: int, mentions: Mentions) -> float:
    """How many mentions a passage has, or pairs an entity."""
    if node < passages:
        return float(mentions.bounds[node + 1] - mentions.bounds[node])
    entity = node - passages
    return float(mentions.pair_bounds[entity + 1] - mentions.pair_bounds[entity])


@numba.njit(cache=True)
def _edges(  # type: ignore[no-untyped-def]  # noqa: ANN202
    node: int, passages: int, by_count: bool, mentions: Mentions
):
    """As `_recorded_edges`, from the mentions of a passage or the pairs of an entity."""
    is_passage = node < passages
    if is_passage:
        first, last = mentions.bounds[node], mentions.bounds[node + 1]
    else:
        entity = node - passages
        first, last = mentions.pair_bounds[entity], mentions.pair_bounds[entity + 1]
    others, shares, n, whole = np.empty(last - first, np.int64), np.empty(last - first), 0, 0.0
    for j in range(first, last):
        weight = _weight(j, first, is_passage, by_count, mentions)
        if weight > 0.0:
            others[n] = passages + mentions.entity[j] if is_passage else mentions.row[j]
            shares[n] = weight
            whole += weight
            n += 1
    return others[:n], shares[:n] / max(whole, 1e-300), np.full(n, _UNKNOWN, np.int32), 0.0


@numba.njit(cache=True)
def _weight(j: int, first: int, is_passage: bool, by_count: bool, mentions: Mentions) -> float:
    """Weight of the edge of mention `j` of a passage, or of pair `j` of an entity; 0 for none.

    Of several mentions of an entity in a passage the first one that was found has the edge.
    """
    m = mentions
    if is_passage:
        if not m.flags[j] & FOUND:
            return 0.0
        for i in range(first, j):
            if m.pair[i] == m.pair[j] and m.flags[i] & FOUND:
                return 0.0
        return float(m.counts[m.pair[j]]) if by_count else 1.0
    row = m.row[j]
    if not m.pair_flags[j] & FOUND or not m.visible[row]:
        return 0.0
    return m.counts[j] / m.found_words[row] if by_count else 1.0
