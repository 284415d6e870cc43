"""The edges of the graph of a corpus, from one view of an index.

Two entities are tied where a sentence names both. Which names count is what the view says: the
leftmost and longest; of the title, which is read as part of the first sentence, the entity that it
is. With s(a) of S sentences naming a, and s(a, b) naming both:

    pmi(a, b)     = ln(S s(a, b) / (s(a) s(b)))
    npmi(a, b)    = pmi(a, b) / ln(S / s(a, b)), at most 1 (Bouma 2009)
    jaccard(a, b) = s(a, b) / (s(a) + s(b) - s(a, b))

An edge of a passage p and an entity e that occurs N times in it, and is tied to df of P passages,
weighs (1 + ln N) ln(1 + P / df).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, Mask, read_only
from graphagg.kernels import kernel
from graphagg.rag.config.graph import GraphConfig
from graphagg.rag.tables.gazetteer import DATE, LINKABLE
from graphagg.rag.tables.mentions import BASE_TITLE, FULL_TITLE
from graphagg.rag.tables.view import OUTER, View


class Edges(NamedTuple):
    """Weighted edges.

    Attributes:
        source: `[n]` int64.
        target: `[n]` int64.
        weight: `[n]` float64, above 0.
    """

    source: Ints
    target: Ints
    weight: Doubles


def entities_in_graph(view: View, config: GraphConfig) -> Mask:
    """Mask `[E]` of the gazetteer's entities in the graph: each is tied to a visible passage."""
    kind = view.gazetteer.kind
    usable: Mask = (np.asarray(view.df) > 0) & view.entity & ((kind & LINKABLE) > 0)
    return usable if config.dates else usable & ((kind & DATE) == 0)


def passage_ties(view: View, entities: Ints) -> tuple[Edges, Ints]:
    """Edges of entities (source: position in `entities`) and rows (target), and N of each.

    The rows of an entity ascend.
    """
    gazetteer = view.gazetteer
    arrays = (gazetteer.pair_bounds, gazetteer.row, gazetteer.count, view.tie)
    pairs = _Pairs(*(read_only(array) for array in arrays))
    size = int(np.asarray(view.df)[entities].sum())
    source, target, count = (np.empty(size, np.int64) for _ in range(3))
    weight = np.empty(size)
    _fill_ties(pairs, entities, view.passages, source, target, count, weight)
    return Edges(source, target, weight), count


class _Pairs(NamedTuple):
    """Pairs of an entity and a passage as the gazetteer holds them, and how each is tied."""

    bounds: Array
    rows: Array
    counts: Array
    tie: Array


@kernel
def _fill_ties(
    pairs: _Pairs,
    entities: Array,
    passages: int,
    source: Array,
    target: Array,
    count: Array,
    weight: Array,
) -> None:
    """Write the edges of some entities; the formula is at the head of this file."""
    size = 0
    for position in range(len(entities)):
        first, e = size, entities[position]
        for i in range(pairs.bounds[e], pairs.bounds[e + 1]):
            if pairs.tie[i]:
                source[size], target[size], count[size] = position, pairs.rows[i], pairs.counts[i]
                size += 1
        rarity = math.log(1.0 + passages / max(size - first, 1))
        for i in range(first, size):
            weight[i] = (1.0 + math.log(count[i])) * rarity


def entity_ties(view: View, entities: Ints, sentences: Ints, config: GraphConfig) -> Edges:
    """Edges of entities that share sentences: positions in `entities`, source before target.

    Args:
        view: the visible passages.
        entities: `[n]` of the gazetteer, ascending.
        sentences: `[R]`, number of sentences of each passage.
        config: weight, floor, and the number of ties that an entity keeps.
    """
    of_sentence, entity = _named(view, entities, sentences)
    total = int(sentences[view.visible].sum())
    sizes = np.bincount(of_sentence, minlength=int(of_sentence.max(initial=-1)) + 1)
    total -= int(np.count_nonzero(sizes > config.names))
    short = sizes[of_sentence] <= config.names
    of_sentence, entity = of_sentence[short], entity[short]
    pairs = _pairs_of(of_sentence, entity, len(entities))
    codes, shared = np.unique(pairs, return_counts=True)
    source, target = codes // max(len(entities), 1), codes % max(len(entities), 1)
    alone = np.bincount(entity, minlength=len(entities))
    weight = np.empty(len(codes))
    weigh = _npmi if config.weight == "npmi" else _jaccard
    weigh(shared, alone[source], alone[target], total, weight)
    kept = (weight > 0) & (weight >= config.floor)
    edges = Edges(source[kept], target[kept], weight[kept])
    strong = _strongest(edges, config.neighbors)
    return Edges(edges.source[strong], edges.target[strong], edges.weight[strong])


def _named(view: View, entities: Ints, sentences: Ints) -> tuple[Ints, Ints]:
    """Each distinct pair of a visible sentence and an entity that it names, by sentence.

    Sentences are numbered over all rows, entities by their position in `entities`.
    """
    g = view.gazetteer
    position = np.full(len(g.keys), -1, np.int64)
    position[entities] = np.arange(len(entities))
    counts = (view.counts_as() == OUTER) | ((g.flags & (FULL_TITLE | BASE_TITLE)) > 0)
    which = np.flatnonzero(counts & (position[g.entity] >= 0))
    rows = np.repeat(np.arange(len(view.visible)), np.diff(g.bounds))[which]
    seen = view.visible[rows]
    which, rows = which[seen], rows[seen]
    starts = np.cumsum(sentences) - sentences
    sentence = starts[rows] + g.sentence[which]
    codes = np.unique(sentence * max(len(entities), 1) + position[g.entity[which]])
    return codes // max(len(entities), 1), codes % max(len(entities), 1)


def _pairs_of(of_sentence: Ints, entity: Ints, entities: int) -> Ints:
    """`a * entities + b` of each two entities a < b of each sentence."""
    starts = np.flatnonzero(np.diff(of_sentence, prepend=-1) > 0)
    bounds = np.append(starts, len(of_sentence))
    lengths = np.diff(bounds)
    pairs = np.empty(int((lengths * (lengths - 1) // 2).sum()), np.int64)
    _write_pairs(bounds, entity, entities, pairs)
    return pairs


@kernel
def _write_pairs(bounds: Array, entity: Array, entities: int, pairs: Array) -> None:
    """Write the pairs of each sentence, `bounds[s]` to `bounds[s + 1]`; entities ascend there."""
    size = 0
    for s in range(len(bounds) - 1):
        for i in range(bounds[s], bounds[s + 1]):
            for j in range(i + 1, bounds[s + 1]):
                pairs[size] = entity[i] * entities + entity[j]
                size += 1


# The logarithms are taken one by one: numpy's may differ in the last bit by the place in an array.


@kernel
def _npmi(shared: Array, first: Array, second: Array, total: int, weight: Array) -> None:
    for i in range(len(shared)):
        rest = math.log(total / shared[i])
        mutual = math.log(total * shared[i] / (first[i] * second[i]))
        weight[i] = mutual / rest if rest > 0 else 1.0


@kernel
def _jaccard(shared: Array, first: Array, second: Array, total: int, weight: Array) -> None:
    for i in range(len(shared)):
        weight[i] = shared[i] / (first[i] + second[i] - shared[i])


def _strongest(edges: Edges, most: int) -> Mask:
    """Mask of the edges among the `most` heaviest of either end; ties go to the first others."""
    n = len(edges.weight)
    owner = np.concatenate([edges.source, edges.target])
    other = np.concatenate([edges.target, edges.source])
    order = np.lexsort((other, -np.tile(edges.weight, 2), owner))
    starts = np.flatnonzero(np.diff(owner[order], prepend=-1) > 0)
    lengths = np.diff(np.append(starts, 2 * n))
    rank: Any = np.arange(2 * n) - np.repeat(starts, lengths)
    kept = np.zeros(n, bool)
    kept[order[rank < most] % max(n, 1)] = True
    return kept
