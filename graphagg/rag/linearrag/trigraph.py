"""The Tri-Graph of LinearRAG: passages, sentences, entities, and who contains whom.

Paper: LinearRAG, arXiv 2510.10114, section on graph construction: the contain matrix C (passage x
entity) and the mention matrix M (sentence x entity). No relation is extracted, no LLM is called.

Departures from the official code, with recall@2 / recall@5 on 2WikiMultiHopQA (996 questions,
`semantics="official"`, default preset, same models; the official code: 54.3 / 70.1):

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

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from graphagg.graph.csr import Csr
from graphagg.rag.tables.mentions import FOUND
from graphagg.rag.tables.view import View


class Incidence(Protocol):
    """A matrix that is read by rows; see `Csr`."""

    def row(self, i: int) -> npt.NDArray[np.int32]:
        """Columns of row `i`, ascending."""

    def gather(
        self, rows: npt.NDArray[np.integer[Any]]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Entries of several rows at once: `(position in rows, column)` of each, in row order."""


class Counted(Incidence, Protocol):
    """Likewise, with values."""

    def values(self, i: int) -> npt.NDArray[Any]:
        """Values of row `i`, in the order of `row(i)`."""


class Graph(Protocol):
    """What is read of a Tri-Graph for a question; see `TriGraph`."""

    @property
    def sentence_bounds(self) -> npt.NDArray[np.int64]:
        """`[R + 1]`, the sentences of each passage."""

    @property
    def mention(self) -> Incidence:
        """`[S, E]`, the entities found in each sentence."""

    @property
    def mentioned_by(self) -> Incidence:
        """`[E, S]`, its transpose."""

    @property
    def occurrence(self) -> Counted:
        """`[E, R]`, how often each entity stands in each passage."""

    @property
    def contained_in(self) -> Incidence:
        """`[E, R]`, the passages that each entity was found in."""

    @property
    def found(self) -> npt.NDArray[np.int64]:
        """Entities that the extractor found in a visible passage, ascending."""


@dataclass(frozen=True)
class TriGraph:
    """Visible passages, sentences and entities with their incidence, each side readable by rows.

    R rows of the corpus, S sentences, E entities of the gazetteer; those that are not visible, and
    entities that only titles name, have no edges.

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

    @property
    def entities(self) -> int:
        """E, the number of entities."""
        return len(self.view.gazetteer.keys)

    @cached_property
    def occurrence(self) -> Csr:
        """`[E, R]`, values N_ep: how often the words of an entity's key stand in a passage."""
        return self._pairs(self.view.visible[self.view.gazetteer.row])

    @cached_property
    def contained_in(self) -> Csr:
        """`[E, R]`, the passages that each entity was found in by the extractor; values N_ep."""
        g = self.view.gazetteer
        return self._pairs(self.view.visible[g.row] & ((g.pair_flags & FOUND) > 0))

    @cached_property
    def contain(self) -> Csr:
        """C, `[R, E]`: the transpose of `contained_in`."""
        return self.contained_in.transpose()

    @cached_property
    def mention(self) -> Csr:
        """M, `[S, E]`, a pattern: the entities found in each sentence."""
        g = self.view.gazetteer
        row = np.repeat(np.arange(self.passages), np.diff(g.bounds))
        there = self.view.visible[row] & ((g.flags & FOUND) > 0)
        sentence = self.sentence_bounds[row[there]] + g.sentence[there]
        pairs = np.unique(sentence * max(self.entities, 1) + g.entity[there])
        shape = (int(self.sentence_bounds[-1]), self.entities)
        columns = max(self.entities, 1)
        return Csr.from_pairs(pairs // columns, pairs % columns, None, shape)

    @cached_property
    def mentioned_by(self) -> Csr:
        """`[E, S]`: the transpose of `mention`."""
        return self.mention.transpose()

    @cached_property
    def found(self) -> npt.NDArray[np.int64]:
        """Entities that the extractor found in a visible passage, ascending."""
        return np.flatnonzero(self.contained_in.degrees() > 0)

    def _pairs(self, there: npt.NDArray[np.bool_]) -> Csr:
        g = self.view.gazetteer
        ends = np.concatenate(([0], np.cumsum(there)))
        bounds: npt.NDArray[Any] = ends[g.pair_bounds]
        return Csr(bounds.astype(np.int64), g.row[there], g.count[there], self.passages)
