"""The Tri-Graph of LinearRAG: passages, sentences, entities, and their containment.

Paper: LinearRAG, arXiv 2510.10114, section on graph construction: the contain matrix C (passage x
entity) and the mention matrix M (sentence x entity). An entry of C stands for an entity that the
extractor found in a passage; its weight is N_ep over the sum of N_ep over the passage's entities.
C is computed for a view at its first question, M is read from the mentions. No relation is
extracted, no LLM is called.

Departures from the official code, with recall@2 / recall@5 on 2WikiMultiHopQA (996 questions,
default settings, same models; the official code: 54.3 / 70.1):

- An entity is its `entity_key`, not its exact spelling, and N_ep counts the key's words in the
  passage's words instead of substrings in its characters ("Ann" is not in "Annual"); C is weighted
  by the same N: 54.8 / 70.3.
- Entities are found in title and text apart, and the title is read as part of the first sentence
  (`Annotation.with_title`), so that no entity is "Ada Lovelace Ada Lovelace": 56.5 / 72.1. A title
  as a sentence of its own: 54.2 / 69.6. Seven variants of N, C and titles were compared, all on the
  same questions; the gain stands on both halves (even 54.4 / 69.1 to 56.2 / 70.3, odd 55.3 / 71.6
  to 56.8 / 73.9).
- Each sentence belongs to one passage, also where another passage has the same: what a filter
  hides then takes nothing from a sentence that is seen.
- Entities are encoded by their keys, which no other passage can change, not by their commonest
  spelling.
- Neighboring passages are not linked: the paper has no such edge, and positions in a corpus file
  may leak which passages belong together.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints, offsets, read_only
from graphagg.graph.csr import Csr
from graphagg.graph.push import TWO_MODE, push_graph
from graphagg.kernels import kernel
from graphagg.rag.tables.mentions import FOUND
from graphagg.rag.tables.view import View


class _Mentions(NamedTuple):
    """The mentions by passage and the pairs by entity, as in `Gazetteer`.

    `sentence_bounds` belong to the graph, `visible` masks the passages.
    """

    bounds: Array
    entity: Array
    sentence: Array
    flags: Array
    pair_bounds: Array
    row: Array
    counts: Array
    pair_flags: Array
    sentence_bounds: Array
    visible: Array


class TriGraph:
    """The visible passages, sentences and entities, and their containment.

    R rows of the corpus are passages, S sentences, E entities of the gazetteer; hidden ones, and
    entities that only titles name, have no edges.

    Args:
        view: the visible passages.
        sentence_bounds: `[R + 1]`, the sentences of each passage.

    Attributes:
        passages: R, the number of rows.
        entities: ids of the entities that the extractor found in a visible passage, ascending.
        walk: passages and entities, linked by C, for PageRank. Node r is the passage of row r, node
            R + e is entity e.
    """

    def __init__(self, view: View, sentence_bounds: Ints) -> None:
        self.view, self.sentence_bounds = view, sentence_bounds
        self.passages = len(view.visible)
        g = view.gazetteer
        is_edge = (g.pair_flags & FOUND) > 0
        if not view.row_set.is_all:
            is_edge &= view.visible[g.row]
        rows, counts = g.row[is_edge], g.count[is_edge]
        indptr = offsets(is_edge)[g.pair_bounds]
        weights = counts / np.bincount(rows, counts, self.passages)[rows]
        self._by_entity = Csr(indptr, rows, weights, self.passages)
        entity = np.repeat(np.arange(len(g.keys), dtype=np.int32), np.diff(indptr))
        order = np.argsort(rows, kind="stable")
        bounds = offsets(np.bincount(rows, minlength=self.passages))
        by_passage = Csr(bounds, entity[order], weights[order], len(g.keys))
        self.entities: Ints = np.flatnonzero(np.diff(indptr))
        self.walk = push_graph(by_passage, self._by_entity, TWO_MODE, weighted=True)

    def occurrences(self, entity: int) -> tuple[Array, Array]:
        """The passages that contain an entity's key, ascending, and how often: N_ep."""
        gazetteer = self.view.gazetteer
        pairs = gazetteer.pairs(entity)
        rows = gazetteer.row[pairs]
        # Stored in as few bits as they need; of 8 bits numpy takes the logarithm in half precision.
        counts = gazetteer.count[pairs].astype(np.int64)
        if self.view.row_set.is_all:
            return rows, counts
        seen = self.view.visible[rows]
        return rows[seen], counts[seen]

    def found_in(self, entity: int) -> Array:
        """The passages that the extractor found an entity in, ascending: a column of C."""
        return self._by_entity.row(entity)

    def sentences_of(self, entities: Ints) -> tuple[Ints, Array]:
        """Columns of M: `(position in entities, sentence)`; the sentences of each ascend."""
        return _sentences_of(self._mentions, entities)  # type: ignore[no-any-return]

    def entities_of(self, sentences: Array) -> tuple[Ints, Array]:
        """Rows of M: `(position in sentences, entity)`; the entities of each ascend."""
        return _entities_of(self._mentions, sentences.astype(np.int64))  # type: ignore[no-any-return]

    @cached_property
    def _mentions(self) -> _Mentions:
        g = self.view.gazetteer
        arrays: tuple[Array, ...] = (
            g.bounds, g.entity, g.sentence, g.flags, g.pair_bounds, g.row, g.count, g.pair_flags,
            self.sentence_bounds, self.view.visible,
        )  # fmt: skip
        return _Mentions(*(read_only(array) for array in arrays))


@kernel
def _sentences_of(  # type: ignore[no-untyped-def]  # noqa: ANN202
    mentions: _Mentions, entities: Array
):
    """Read the mentions of each passage that an entity was found in."""
    m, most = mentions, 0
    bounds, entity_at, sentence_at, flags = m.bounds, m.entity, m.sentence, m.flags
    for entity in entities:
        for i in range(m.pair_bounds[entity], m.pair_bounds[entity + 1]):
            most += m.counts[i]
    owners, sentences, size = np.empty(most, np.int64), np.empty(most, np.int32), 0
    for owner in range(len(entities)):
        entity = entities[owner]
        for i in range(m.pair_bounds[entity], m.pair_bounds[entity + 1]):
            row = m.row[i]
            if not m.pair_flags[i] & FOUND or not m.visible[row]:
                continue
            last = -1  # mentions ascend by their start, so a sentence's mentions are adjacent
            for j in range(bounds[row], bounds[row + 1]):
                is_found = entity_at[j] == entity and flags[j] & FOUND
                if is_found and sentence_at[j] != last and size < most:
                    last = sentence_at[j]
                    owners[size], sentences[size] = owner, m.sentence_bounds[row] + last
                    size += 1
    return owners[:size], sentences[:size]


@kernel
def _entities_of(  # type: ignore[no-untyped-def]  # noqa: ANN202
    mentions: _Mentions, sentences: Array
):
    """Read the mentions of each sentence's passage."""
    m, most = mentions, 0
    rows = np.searchsorted(m.sentence_bounds, sentences, side="right") - 1
    for row in rows:
        most += m.bounds[row + 1] - m.bounds[row]
    owners, entities, size = np.empty(most, np.int64), np.empty(most, np.int32), 0
    for owner in range(len(sentences)):
        row, first = rows[owner], size
        if not m.visible[row]:
            continue
        sentence = sentences[owner] - m.sentence_bounds[row]  # within its passage
        for j in range(m.bounds[row], m.bounds[row + 1]):
            if m.sentence[j] == sentence and m.flags[j] & FOUND:
                entities[size] = m.entity[j]
                size += 1
        distinct = np.unique(entities[first:size])  # an entity may occur twice
        size = first + len(distinct)
        entities[first:size], owners[first:size] = distinct, owner
    return owners[:size], entities[:size]
