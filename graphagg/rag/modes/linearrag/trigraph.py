"""The Tri-Graph of LinearRAG: passages, sentences, entities, and their containment.

Paper: LinearRAG, arXiv 2510.10114, section on graph construction: the contain matrix C (passage x
entity) and the mention matrix M (sentence x entity). An entry of C stands for an entity that the
extractor found in a passage; its weight is N_ep over the sum of N_ep over the passage's entities.
C is computed at the first question on a view, M is read from the mentions. No relations are
extracted and no LLM is called.

Departures from the official code, with recall@2 / recall@5 on 2WikiMultiHopQA (996 questions,
default settings, same models; the official code: 54.3 / 70.1):

- An entity is its `entity_key`, not its exact spelling, and N_ep counts the key's words in the
  passage's words instead of substrings in its characters ("Ann" is not in "Annual"); C is weighted
  by the same N: 54.8 / 70.3.
- Entities are found in title and text separately, and the title is part of the first sentence
  (`Annotation.with_title`), so that no entity is "Ada Lovelace Ada Lovelace": 56.5 / 72.1. With the
  title as a separate sentence: 54.2 / 69.6. Seven variants of N, C and titles were compared on the
  same questions; both halves gain (even 54.4 / 69.1 to 56.2 / 70.3, odd 55.3 / 71.6 to
  56.8 / 73.9).
- Each sentence belongs to one passage, even if another passage has the same sentence, so hidden
  passages do not affect visible sentences.
- The text to encode for an entity is its key, which other passages cannot change, not its most
  frequent spelling.
- Neighboring passages are not linked: the paper has no such edge, and positions in a corpus file
  may leak which passages belong together.
"""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, distinct, members, offsets
from graphagg.rag.tables.mentions import FOUND
from graphagg.rag.tables.view import View


class TriGraph:
    """The visible passages, sentences and entities, and their containment.

    There are R passages (rows of the corpus) and E entities (of the gazetteer). `sentence_bounds`
    `[R + 1]` are offsets of sentences; `ranks` `[R]` are the ranks of the passages' ids. Hidden
    passages have no edges, and neither have entities that are only in titles.

    Attributes:
        passages: R, the number of rows.
        entities: ids of the entities that the extractor found in a visible passage, ascending.
        weights: `[e]`, the entries of C, sorted by entity, then row.
        per_entity, per_passage: `[E]` and `[R]`, 1 / (sum of its weights), or 0 if it has none.
    """

    def __init__(self, view: View, sentence_bounds: Ints, ranks: Array) -> None:
        self.view, self.sentence_bounds, self._ranks = view, sentence_bounds, ranks
        self.passages = passages = len(view.visible)
        g = view.gazetteer
        is_edge = (g.pair_flags & FOUND) > 0
        if not view.row_set.is_all:
            is_edge &= view.visible[g.row]
        self._row, counts = g.row[is_edge], g.count[is_edge]
        self._bounds = offsets(is_edge)[g.pair_bounds]
        degrees = np.diff(self._bounds)
        self._entity = np.repeat(np.arange(len(degrees)), degrees)
        self.weights: Doubles = counts / np.bincount(self._row, counts, passages)[self._row]
        self.entities: Ints = np.flatnonzero(degrees)
        totals = self.to_entities(np.ones(passages)), self.to_passages(np.ones(len(g.keys)))
        self.per_entity, self.per_passage = (
            np.divide(1.0, sums, out=np.zeros(len(sums)), where=sums > 0) for sums in totals
        )

    def to_entities(self, scores: Doubles) -> Doubles:
        """Multiply C' by scores of passages; returns `[E]`."""
        terms = self.weights * scores[self._row]
        sums = np.bincount(self._entity, terms, len(self._bounds) - 1)
        return sums.astype(np.float64, copy=False)

    def to_passages(self, scores: Doubles) -> Doubles:
        """Multiply C by scores of entities; returns `[R]`."""
        terms = self.weights * scores[self._entity]
        return np.bincount(self._row, terms, self.passages).astype(np.float64, copy=False)

    def occurrences(self, entity: int) -> tuple[Array, Array]:
        """Return the passages that contain an entity's key, ascending, and the counts N_ep."""
        gazetteer = self.view.gazetteer
        pairs = gazetteer.pairs(entity)
        rows = gazetteer.row[pairs]
        # Stored with as few bits as possible; for 8-bit integers, numpy's log is half precision.
        counts = gazetteer.count[pairs].astype(np.int64)
        if self.view.row_set.is_all:
            return rows, counts
        seen = self.view.visible[rows]
        return rows[seen], counts[seen]

    def found_in(self, entity: int) -> Array:
        """Return the passages in which the extractor found an entity, ascending: a column of C."""
        first, last = self._bounds[entity : entity + 2]
        rows: Array = self._row[first:last]
        return rows

    def sentences_of(self, entity: int) -> Ints:
        """Return a column of M: the visible sentences with an entity, in order of passage ids."""
        g, rows = self.view.gazetteer, self.found_in(entity)
        rows = rows[np.argsort(self._ranks[rows])]
        mentions, lengths = members(g.bounds, rows)
        is_found = (g.entity[mentions] == entity) & ((g.flags[mentions] & FOUND) > 0)
        owner = np.repeat(rows, lengths)[is_found]
        found: Ints = self.sentence_bounds[owner] + g.sentence[mentions[is_found]]
        is_first = np.ones(len(found), bool)  # mentions of one sentence are adjacent
        is_first[1:] = found[1:] != found[:-1]
        first: Ints = found[is_first]
        return first

    def entities_of(self, sentence: int) -> Ints:
        """Return a row of M: the entities that a visible sentence mentions, ascending."""
        row = int(np.searchsorted(self.sentence_bounds, sentence, side="right")) - 1
        if not self.view.visible[row]:
            return np.zeros(0, np.int64)
        g, mentions = self.view.gazetteer, self.view.gazetteer.mentions(row)
        is_in = g.sentence[mentions] == sentence - self.sentence_bounds[row]
        is_in &= (g.flags[mentions] & FOUND) > 0
        return distinct(g.entity[mentions][is_in].astype(np.int64))
