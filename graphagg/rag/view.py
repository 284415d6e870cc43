"""An index seen through a set of passages, as if it held no others.

Deletion, filters and access lists all come down to which passages are visible. Everything that is a
property of the corpus and not of one passage is made here, from the visible passages alone: N and
the mean lengths, which entities there are, which mentions count, and how often each entity occurs.
So an answer under a filter equals that of an index of exactly the visible passages.

Which mentions count: of those that begin like a name and whose entity is visible, the leftmost and
longest; beside them, likewise, the titles of visible passages that lie inside longer names. A lone
pass over the mentions decides it, 1 ms for 6,000 passages.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from graphagg.rag.gazetteer import DEFINES, LINKABLE, Gazetteer
from graphagg.rag.lexicon import Lexicon
from graphagg.rag.mentions import BASE_TITLE, CAPITAL, FULL_TITLE, TITLE

Array = npt.NDArray[Any]

OUTER, NESTED = 1, 2
"""How a mention counts: as leftmost-longest, or as a title inside a longer name. 0: not at all."""
PLAIN, LEADS, IN_TITLE, OWN = 1, 2, 4, 8
"""How a passage is tied to an entity: mentions it; its text begins with it; its title contains it;
its title is it."""
LONGEST_TITLE_PART = 6


@dataclass(frozen=True)
class View:
    """What is visible; R rows, E entities, m mentions, n pairs of the gazetteer.

    Attributes:
        gazetteer, lexicon: of the index.
        visible: `[R]`.
        entity: `[E]`, which entities are found in or title a visible passage.
        title: `[E]`, which of them title one.
        counts_as: `[m]` uint8, how each mention counts.
        tie: `[n]` uint8, how each pair is tied; 0 where it is not, or its passage is hidden.
        df: `[E]` int32, how many visible passages each entity is tied to.
    """

    gazetteer: Gazetteer
    lexicon: Lexicon
    visible: npt.NDArray[np.bool_]
    entity: npt.NDArray[np.bool_]
    title: npt.NDArray[np.bool_]
    counts_as: npt.NDArray[np.uint8]
    tie: npt.NDArray[np.uint8]
    df: npt.NDArray[np.int32]

    @classmethod
    def of(cls, gazetteer: Gazetteer, lexicon: Lexicon, visible: npt.NDArray[np.bool_]) -> View:
        """Decide everything for the given passages; linear in the mentions."""
        g = gazetteer
        entities = len(g.keys)
        entity, title = np.zeros(entities, bool), np.zeros(entities, bool)
        _mark_entities(g.pair_bounds, g.row, g.pair_flags, visible, entity, title)
        counts_as = np.zeros(len(g.entity), np.uint8)
        tie = np.zeros(len(g.row), np.uint8)
        _resolve(
            g.bounds, g.entity, g.start, g.length, g.flags, g.pair, g.title_tokens,
            visible, entity & ((g.kind & LINKABLE) > 0), title, counts_as, tie,
        )  # fmt: skip
        df = np.zeros(entities, np.int32)
        _count_ties(g.pair_bounds, tie, df)
        return cls(gazetteer, lexicon, visible, entity, title, counts_as, tie, df)

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """The visible rows, ascending."""
        return np.flatnonzero(self.visible)

    @property
    def passages(self) -> int:
        """N, how many passages are visible."""
        return len(self.rows)

    @cached_property
    def mean_lengths(self) -> tuple[float, float]:
        """Mean tokens of a passage, and of its title; 1 where there are none."""
        sums = self.lexicon.lengths[self.visible].sum(axis=0, dtype=np.int64).tolist()
        return tuple((total / self.passages) or 1.0 for total in sums)  # type: ignore[return-value]

    def idf(self, entities: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
        """ln(N / df) / ln N of some entities: 1 for one in a single passage, 0 for one in all."""
        if self.passages < 2:
            return np.ones(len(entities))
        df = np.maximum(self.df[entities], 1)
        idf: npt.NDArray[np.float64] = np.log(self.passages / df) / np.log(self.passages)
        return idf

    def tied(self, entity: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
        """The visible passages tied to an entity, and how; `[df]` each."""
        pairs = self.gazetteer.pairs(entity)
        tie = self.tie[pairs]
        kept = tie > 0
        return self.gazetteer.row[pairs][kept], tie[kept]

    def titled(self, entity: int) -> npt.NDArray[np.int32]:
        """The visible passages whose title is the entity."""
        rows, tie = self.tied(entity)
        return rows[(tie & OWN) > 0]


@numba.njit(cache=True)
def _mark_entities(
    bounds: Array, rows: Array, flags: Array, visible: Array, entity: Array, title: Array
) -> None:
    for e in range(len(bounds) - 1):
        for i in range(bounds[e], bounds[e + 1]):
            if visible[rows[i]]:
                if flags[i] & DEFINES:
                    entity[e] = True
                if flags[i] & (FULL_TITLE | BASE_TITLE):
                    title[e] = True


@numba.njit(cache=True)
def _resolve(
    bounds: Array,
    entities: Array,
    starts: Array,
    lengths: Array,
    flags: Array,
    pairs: Array,
    titles: Array,
    visible: Array,
    usable: Array,
    is_title: Array,
    counts_as: Array,
    tie: Array,
) -> None:
    """Choose the mentions that count, and tie their passages to their entities."""
    for row in range(len(visible)):
        if not visible[row]:
            continue
        outer_end, nested_end = 0, 0
        for i in range(bounds[row], bounds[row + 1]):
            e = entities[i]
            if not usable[e] or not flags[i] & CAPITAL:
                continue
            start, end = starts[i], starts[i] + lengths[i]
            if flags[i] & TITLE:
                tie[pairs[i]] |= _title_tie(flags[i], lengths[i])
                continue
            if start >= outer_end:
                counts_as[i] = OUTER
                outer_end = end
                tie[pairs[i]] |= PLAIN
                if start == titles[row]:
                    tie[pairs[i]] |= LEADS
            if is_title[e] and start >= nested_end:
                nested_end = end
                if counts_as[i] == 0:
                    counts_as[i] = NESTED
                    tie[pairs[i]] |= PLAIN


@numba.njit(cache=True)
def _title_tie(flags: int, length: int) -> int:
    if flags & (FULL_TITLE | BASE_TITLE):
        return OWN
    return IN_TITLE if length <= LONGEST_TITLE_PART else 0


@numba.njit(cache=True)
def _count_ties(bounds: Array, tie: Array, df: Array) -> None:
    for e in range(len(bounds) - 1):
        for i in range(bounds[e], bounds[e + 1]):
            if tie[i]:
                df[e] += 1
