"""What a passage leaves open of a question, and how close other passages are to that.

A model whose vector of a text is the mean of its tokens' vectors has made the vectors of a
question's words with that of the question. Those of the words that a passage does not hold, added
up, ask for what is left: nothing is encoded again.
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.modes.multihop.links import SIMILAR, Bridges, Edges
from graphagg.rag.snapshot.ranking import numbered
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Rows, Vectors, ranges
from graphagg.rag.tables.view import View


def left_open(covers: Array, vector: Vectors, words: Vectors | None) -> Vectors:
    """The sums of the words' vectors that some passages leave open, `[n, d]`; of any length.

    Args:
        covers: `[n, t]` which of the question's terms each holds.
        vector: `[d]` of the question; stands for what is open where no word is.
        words: `[t, d]` of the terms; None where the encoder gives none.
    """
    whole = np.tile(vector.astype(np.float32), (len(covers), 1))
    if words is None or not len(words):
        return whole
    # Term by term, so that a row's bits are the same beside any others.
    rest: Vectors = np.zeros_like(whole)
    is_open = (1.0 - covers).astype(np.float32)
    for term, of_word in enumerate(words):
        rest += is_open[:, term, None] * of_word
    return np.where(rest.any(axis=1, keepdims=True), rest, whole)


def closeness_to_rest(
    corpus: Corpus, view: View, bridges: Bridges, edges: Edges, rest: Vectors
) -> Array:
    """`[m]`: how close what is linked is to what the passages that lead there leave open.

    That is the cosine of the closest sentence that mentions the entity between them; of a passage
    that holds the entity in its title alone, of the closest sentence. 0 for a link by similarity.

    Args:
        corpus: holds the sentences' vectors.
        view: what is visible.
        bridges: the entities that the passages of the front lead on through.
        edges: m links from them.
        rest: `[n, d]` of the front, what `left_open` gave.
    """
    found = np.zeros(len(edges.row))
    through = np.flatnonzero(edges.kind != SIMILAR)
    if not len(through):
        return found
    number, entity = edges.front[through], bridges.entity[edges.bridge[through]]
    edge, sentence = _sentences(corpus, view, edges.row[through], entity)
    compared, place = numbered(sentence, len(corpus.sentence_vectors))
    products = corpus.sentence_vectors.dots_at(compared, rest)
    best = np.full(len(through), -np.inf)
    np.maximum.at(best, edge, products[place, number[edge]].astype(np.float64))
    exact = rest.astype(np.float64)
    found[through] = best / np.sqrt((exact * exact).sum(axis=1))[number]
    return found


def _sentences(corpus: Corpus, view: View, row: Rows, entity: Array) -> tuple[Array, Rows]:
    """The sentences of some rows that mention an entity each, else all of the row.

    Returns:
        The positions of the rows, and the sentences of the corpus; `[n]` each.
    """
    rows, place = numbered(row, len(view.visible))
    keys, mentioning = _mentions(view, rows, entity)
    mentioning += corpus.sentence_bounds[rows[keys // len(view.gazetteer.keys)]]
    wanted = place * len(view.gazetteer.keys) + entity
    first, last = (np.searchsorted(keys, wanted, side) for side in ("left", "right"))
    others = np.flatnonzero(first == last)
    begins, ends = corpus.sentence_bounds[row[others]], corpus.sentence_bounds[row[others] + 1]
    edge = [np.repeat(np.arange(len(row)), last - first), np.repeat(others, ends - begins)]
    sentence = [mentioning[ranges(first, last - first)], ranges(begins, ends - begins)]
    return np.concatenate(edge), np.concatenate(sentence)


def _mentions(view: View, rows: Rows, entities: Array) -> tuple[Array, Array]:
    """The mentions of some entities in the texts of some rows, by row and entity.

    Returns:
        `position of the row * number of entities + entity` of each, ascending; its sentence.
    """
    g = view.gazetteer
    lengths = g.bounds[rows + 1] - g.bounds[rows]
    places = ranges(g.bounds[rows], lengths)
    wanted = np.zeros(len(g.keys), bool)
    wanted[entities] = True
    kept = np.flatnonzero(wanted[g.entity[places]])
    kept = kept[view.counts_as(places[kept]) > 0]
    places, row = places[kept], np.repeat(np.arange(len(rows)), lengths)[kept]
    keys = row * len(g.keys) + g.entity[places]
    order = np.argsort(keys, kind="stable")
    return keys[order], g.sentence[places].astype(np.int64)[order]


def above_mean(closeness: Array, edges: Edges, front: int) -> Array:
    """`[m]`: how much closer each edge's passage is than the mean of its parent's.

    Over the links through entities; one by similarity has 0.

    Args:
        closeness: `[m]`, see `closeness_to_rest`.
        edges: m of them.
        front: how many passages they come from.
    """
    through = edges.kind != SIMILAR
    parent = edges.front[through]
    sums = np.bincount(parent, closeness[through], front)
    means = sums / np.maximum(np.bincount(parent, minlength=front), 1)
    return np.where(through, closeness - means[edges.front], 0.0)
