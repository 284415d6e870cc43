"""The Tri-Graph of a large index, read where a question comes to it, and PageRank by local push.

Nothing is laid out for a view: a row of C, of M or of a transpose is read from the mapped gazetteer
when activation or PageRank asks for it, so that memory follows the question and not the corpus.

Paper: LinearRAG, arXiv 2510.10114, eqs. 3 to 7; local push: Andersen, Chung and Lang, *Local Graph
Partitioning using PageRank Vectors* (2006). A node is pushed while its residual exceeds `EPSILON`
for each of its edges, so that at most 1 / (EPSILON (1 - d)) edges are read, however large the graph
is. What is left is counted at its own node once: scores are too small elsewhere, by less than
EPSILON times the degree of a node. `pagerank.py`, for smaller indices, pushes all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from graphagg.rag.mentions import FOUND
from graphagg.rag.vectors import Rows, read_only
from graphagg.rag.view import View

Array = npt.NDArray[Any]

EPSILON = 2e-6
"""Residual, of a total of 1, that a node may keep for each of its edges."""
_LEAST_SLOTS = 1 << 12


class Reader:
    """A matrix whose rows are read when they are asked for; see `trigraph.Counted`.

    Args:
        read: gives the columns of a row, and their values.
    """

    def __init__(self, read: Callable[[int], tuple[Array, Array]]) -> None:
        self._read = read

    def row(self, i: int) -> npt.NDArray[np.int32]:
        """Columns of row `i`, ascending."""
        return self._read(i)[0]

    def values(self, i: int) -> Array:
        """Values of row `i`, in the order of `row(i)`."""
        return self._read(i)[1]

    def gather(
        self, rows: npt.NDArray[np.integer[Any]]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Entries of several rows at once: `(position in rows, column)` of each, in row order."""
        found = [self.row(i) for i in rows.tolist()]
        owners = np.repeat(np.arange(len(found)), [len(columns) for columns in found])
        return owners, np.concatenate([np.zeros(0, np.int32), *found])


@dataclass(frozen=True)
class LocalGraph:
    """The Tri-Graph of a view, as `trigraph.TriGraph`, but nothing is made before it is read.

    Attributes:
        view: what is visible.
        sentence_bounds: `[R + 1]`, the sentences of each passage.
    """

    view: View
    sentence_bounds: npt.NDArray[np.int64]

    @property
    def passages(self) -> int:
        """R, the number of rows."""
        return len(self.view.visible)

    @cached_property
    def occurrence(self) -> Reader:
        """`[E, R]`, values N_ep; O(df) a row."""
        return Reader(lambda entity: self._pairs(entity, 255))

    @cached_property
    def contained_in(self) -> Reader:
        """`[E, R]`, the passages that each entity was found in; values N_ep; O(df) a row."""
        return Reader(lambda entity: self._pairs(entity, FOUND))

    @cached_property
    def mention(self) -> Reader:
        """M, `[S, E]`; O(mentions of the passage) a row."""
        return Reader(self._entities_of)

    @cached_property
    def mentioned_by(self) -> Reader:
        """`[E, S]`; reads the mentions of each passage that the entity was found in."""
        return Reader(self._sentences_of)

    @cached_property
    def found(self) -> npt.NDArray[np.int64]:
        """Entities that the extractor found in a visible passage, ascending; O(E) or O(pairs)."""
        g, visible = self.view.gazetteer, self.view.row_set
        if visible.is_all:
            return np.flatnonzero(g.name_row >= 0)
        there = visible.mask[g.row] & ((g.pair_flags & FOUND) > 0)
        ends = np.concatenate(([0], np.cumsum(there)))[g.pair_bounds]
        return np.flatnonzero(ends[1:] > ends[:-1])

    def _pairs(self, entity: int, flags: int) -> tuple[Array, Array]:
        g = self.view.gazetteer
        place = g.pairs(entity)
        rows, counts = g.row[place], g.count[place]
        there = (g.pair_flags[place] & flags) > 0 if flags != 255 else np.ones(len(rows), bool)
        if not self.view.row_set.is_all:
            there &= self.view.visible[rows]
        return rows[there], counts[there]

    def _entities_of(self, sentence: int) -> tuple[Array, Array]:
        g = self.view.gazetteer
        row = int(np.searchsorted(self.sentence_bounds, sentence, side="right")) - 1
        place = g.mentions(row)
        number = sentence - int(self.sentence_bounds[row])
        here = (g.sentence[place] == number) & ((g.flags[place] & FOUND) > 0)
        found = np.unique(g.entity[place][here])
        return found, np.ones(len(found), np.int32)

    def _sentences_of(self, entity: int) -> tuple[Array, Array]:
        g = self.view.gazetteer
        found = _sentences(
            entity, g.pair_bounds, g.row, g.count, g.pair_flags, read_only(self.view.visible),
            g.bounds, g.entity, g.flags, g.sentence, read_only(self.sentence_bounds),
        )  # fmt: skip
        return found, np.ones(len(found), np.int32)


@numba.njit(cache=True)
def _sentences(
    entity: int,
    pair_bounds: Array,
    rows: Array,
    counts: Array,
    pair_flags: Array,
    visible: Array,
    bounds: Array,
    entities: Array,
    flags: Array,
    sentences: Array,
    sentence_bounds: Array,
) -> Array:
    """The visible sentences that an entity was found in, ascending; int32."""
    first, last, most, size = pair_bounds[entity], pair_bounds[entity + 1], 0, 0
    for i in range(first, last):
        most += counts[i]
    found = np.empty(most, np.int32)
    for i in range(first, last):
        row = rows[i]
        if not pair_flags[i] & FOUND or not visible[row]:
            continue
        before = -1
        for j in range(bounds[row], bounds[row + 1]):
            if entities[j] == entity and flags[j] & FOUND and sentences[j] != before:
                before = sentences[j]
                found[size] = sentence_bounds[row] + before
                size += 1
    return found[:size]


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
    nodes = np.fromiter(entities, np.int64, len(entities)) + graph.passages
    nodes, values = np.concatenate([rows, nodes]), np.concatenate([reset, weights])
    total = float(values.sum()) or 1.0
    g, view = graph.view.gazetteer, graph.view
    keys, mass, lost = _push(
        nodes, values / total, graph.passages, damping, EPSILON, by_count,
        g.bounds, g.entity, g.pair, g.flags, g.pair_bounds, g.row, g.count, g.pair_flags,
        read_only(view.found_words), read_only(view.visible), _LEAST_SLOTS,
    )  # fmt: skip
    kept = 1.0 - lost
    some = (keys >= 0) & (keys < graph.passages)
    return LocalScores(keys[some], mass[some] / kept, (1.0 - damping) / (total * kept))


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
    bounds: Array,
    entities: Array,
    pairs: Array,
    flags: Array,
    pair_bounds: Array,
    rows: Array,
    counts: Array,
    pair_flags: Array,
    found_words: Array,
    visible: Array,
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
        amount, is_passage = residual[s], node < passages
        if is_passage:
            first, last = bounds[node], bounds[node + 1]
        else:
            first, last = pair_bounds[node - passages], pair_bounds[node - passages + 1]
        if amount <= epsilon * max(last - first, 1):
            continue
        residual[s] = 0.0
        mass[s] += (1.0 - damping) * amount
        if 2 * (held + last - first) > len(keys):
            size = len(keys)
            while 2 * (held + last - first) > size:
                size *= 2
            grown = np.full(size, -1, np.int64)
            for i in range(len(keys)):
                if keys[i] != -1:
                    grown[_slot(grown, keys[i])] = keys[i]
            residual = _moved(keys, residual, grown)
            mass = _moved(keys, mass, grown)
            queued = _moved(keys, queued, grown)
            keys = grown
        if tail + last - first > len(queue):
            waiting = np.empty(max(len(keys), 2 * (tail - head + last - first)), np.int64)
            waiting[: tail - head] = queue[head:tail]
            queue, head, tail = waiting, 0, tail - head
        whole = 0.0
        for j in range(first, last):
            whole += _weight(
                j, first, is_passage, by_count, pairs, flags, rows, counts, pair_flags,
                found_words, visible,
            )  # fmt: skip
        if whole == 0.0:
            lost += damping * amount
            continue
        for j in range(first, last):
            share = _weight(
                j, first, is_passage, by_count, pairs, flags, rows, counts, pair_flags,
                found_words, visible,
            )  # fmt: skip
            if share == 0.0:
                continue
            other = int(passages + entities[j]) if is_passage else int(rows[j])
            t = _slot(keys, other)
            if keys[t] == -1:
                keys[t] = other
                held += 1
            residual[t] += damping * amount * share / whole
            if not queued[t]:
                queued[t] = True
                queue[tail] = other
                tail += 1
    for i in range(len(keys)):
        mass[i] += (1.0 - damping) * residual[i]
    return keys, mass, lost


@numba.njit(cache=True)
def _weight(
    j: int,
    first: int,
    is_passage: bool,
    by_count: bool,
    pairs: Array,
    flags: Array,
    rows: Array,
    counts: Array,
    pair_flags: Array,
    found_words: Array,
    visible: Array,
) -> float:
    """Weight of the edge of mention `j` of a passage, or of pair `j` of an entity; 0 for none.

    Of several mentions of an entity in a passage the first one that was found has the edge.
    """
    if is_passage:
        if not flags[j] & FOUND:
            return 0.0
        for i in range(first, j):
            if pairs[i] == pairs[j] and flags[i] & FOUND:
                return 0.0
        return float(counts[pairs[j]]) if by_count else 1.0
    if not pair_flags[j] & FOUND or not visible[rows[j]]:
        return 0.0
    return counts[j] / found_words[rows[j]] if by_count else 1.0
