"""The terms of a question that a passage leaves open, and how close other passages are to them.

A model whose vector of a text is the mean of its tokens' vectors makes the vectors of a question's
words together with the question's vector. The sum over the words that a passage does not hold asks
for the open terms: nothing is encoded again.
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.modes.multihop.links import SIMILAR, Bridges, Edges
from graphagg.rag.snapshot.ranking import numbered
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Rows, Vectors, ranges
from graphagg.rag.tables.view import View


def open_vectors(covers: Array, vector: Vectors, words: Vectors | None) -> Vectors:
    """The sums of the words' vectors that some passages leave open, `[n, d]`; of any length.

    Args:
        covers: `[n, t]` which of the question's terms each passage holds.
        vector: `[d]` of the question; stands for the open terms where no word is open.
        words: `[t, d]` of the terms; None where the encoder gives none.
    """
    whole = np.tile(vector.astype(np.float32), (len(covers), 1))
    if words is None or not len(words):
        return whole
    # Term by term, so that a row's bits are the same beside any others.
    sums: Vectors = np.zeros_like(whole)
    is_open = (1.0 - covers).astype(np.float32)
    for term, of_word in enumerate(words):
        sums += is_open[:, term, None] * of_word
    return np.where(sums.any(axis=1, keepdims=True), sums, whole)


def closeness_to_open_terms(
    corpus: Corpus, view: View, bridges: Bridges, edges: Edges, vectors: Vectors
) -> Array:
    """`[m]` closeness of linked passages to the terms that the passages before leave open.

    That is the cosine of the closest sentence that mentions the entity between them; for a passage
    that holds the entity in its title alone, of the closest sentence. 0 for a link by similarity.

    Args:
        corpus: holds the sentences' vectors.
        view: the visible passages.
        bridges: the entities that the passages of the frontier lead on through.
        edges: m links from them.
        vectors: `[n, d]` of the frontier, as `open_vectors` gives them.
    """
    near = np.zeros(len(edges.row))
    through = np.flatnonzero(edges.kind != SIMILAR)
    if not len(through):
        return near
    parent, entity = edges.parent[through], bridges.entity[edges.bridge[through]]
    edge, sentence = _sentences(corpus, view, edges.row[through], entity)
    compared, position = numbered(sentence, len(corpus.sentence_vectors))
    products = corpus.sentence_vectors.dots_at(compared, vectors)
    best = np.full(len(through), -np.inf)
    np.maximum.at(best, edge, products[position, parent[edge]].astype(np.float64))
    exact = vectors.astype(np.float64)
    near[through] = best / np.sqrt((exact * exact).sum(axis=1))[parent]
    return near


def _sentences(corpus: Corpus, view: View, row: Rows, entity: Array) -> tuple[Array, Rows]:
    """The sentences of some rows that mention an entity each, else all of the row.

    Returns:
        The positions of the rows, and the sentences of the corpus; `[n]` each.
    """
    entities = len(view.gazetteer.keys)
    rows, position = numbered(row, len(view.visible))
    keys, mentioning = _mentions(view, rows, entity)
    mentioning += corpus.sentence_bounds[rows[keys // entities]]
    pairs = position * entities + entity
    first, last = (np.searchsorted(keys, pairs, side) for side in ("left", "right"))
    others = np.flatnonzero(first == last)
    begins, ends = corpus.sentence_bounds[row[others]], corpus.sentence_bounds[row[others] + 1]
    edge = [np.repeat(np.arange(len(row)), last - first), np.repeat(others, ends - begins)]
    sentence = [mentioning[ranges(first, last - first)], ranges(begins, ends - begins)]
    return np.concatenate(edge), np.concatenate(sentence)


def _mentions(view: View, rows: Rows, entities: Array) -> tuple[Array, Array]:
    """The mentions of some entities in the texts of some rows, by row and entity.

    Returns:
        `position of the row * total of entities + entity` of each mention, ascending; its sentence.
    """
    g = view.gazetteer
    lengths = g.bounds[rows + 1] - g.bounds[rows]
    mentions = ranges(g.bounds[rows], lengths)
    is_asked = np.zeros(len(g.keys), bool)
    is_asked[entities] = True
    kept = np.flatnonzero(is_asked[g.entity[mentions]])
    kept = kept[view.counts_as(mentions[kept]) > 0]
    mentions, row = mentions[kept], np.repeat(np.arange(len(rows)), lengths)[kept]
    keys = row * len(g.keys) + g.entity[mentions]
    order = np.argsort(keys, kind="stable")
    return keys[order], g.sentence[mentions].astype(np.int64)[order]


def above_mean(closeness: Array, edges: Edges, parents: int) -> Array:
    """`[m]` closeness of each edge's passage less the mean over its parent's passages.

    Over the links through entities; one by similarity has 0.

    Args:
        closeness: `[m]`, as `closeness_to_open_terms` gives it.
        edges: m of them.
        parents: number of passages they come from.
    """
    through = edges.kind != SIMILAR
    parent = edges.parent[through]
    sums = np.bincount(parent, closeness[through], parents)
    means = sums / np.maximum(np.bincount(parent, minlength=parents), 1)
    return np.where(through, closeness - means[edges.parent], 0.0)
