"""A view of an index restricted to visible passages: which entities and mentions count.

All properties of the corpus (N, mean lengths, which entities exist, which mentions count, how often
each entity occurs) are computed here from the visible passages only. So an answer under a filter
is the same as from an index of exactly these passages.

A mention counts if it begins like a name and belongs to a visible entity. Of overlapping mentions,
only the leftmost and longest counts, and titles of visible passages inside it. A common word, which
texts write more often in lower case than with a capital inside a sentence ("Add", "See"), does not
count; if it is a title, it counts only inside sentences. The view of all passages is stored in the
index and memory-mapped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Mask, offsets, read_only
from graphagg.kernels import kernel, lower_bound
from graphagg.nearest.vectors import RowSet
from graphagg.rag.tables.gazetteer import DEFINES, LINKABLE, REFERENCE, Gazetteer, or_of
from graphagg.rag.tables.lexicon import Lexicon
from graphagg.rag.tables.mentions import (
    BASE_TITLE,
    CAPITAL,
    FULL_TITLE,
    INITIAL,
    LINK,
    TARGET,
    TITLE,
)
from graphagg.store import Artifact, ArtifactWriter

LONGEST_NAME, INSIDE_NAME = 1, 2
"""How a mention counts: leftmost-longest, or a title inside a longer name; 0 if not at all."""
MENTIONS, STARTS_TEXT, IN_TITLE, IS_TITLE = 1, 2, 4, 8
"""Ties of a passage to an entity: mentions it; text begins with it; is in title; is the title."""
LONGEST_TITLE_PART = 6
_NAME = CAPITAL | LINK | TARGET  # a name has only the first of these flags
_CACHED = 4096  # number of cached term frequencies
_BLOCK = 1 << 22  # mentions counted per block
_TIED = 2  # the lower bits of a mention encode how it counts, the upper bits how its pair is tied


Allocate = Callable[[str, type[np.generic], int], npt.NDArray[Any]]
"""Creates an array of zeros for a view from name, dtype and length."""


@dataclass(frozen=True)
class View:
    """The visible part of an index with R rows, E entities, m mentions and n gazetteer pairs.

    Attributes:
        gazetteer, lexicon: those of the index.
        visible: `[R]` mask of the visible passages.
        entity: `[E]` mask of the entities that are in a visible passage or are its title.
        title: `[E]` mask of the entities that are the title of a visible passage.
        mentions: `[m]` uint8, how each mention counts; in the upper bits how its pair is tied.
        tie: `[n]` uint8, how each pair is tied; 0 if it is not, or its passage is hidden.
        titled: int64, the pairs whose entity is the title of the passage, ascending.
        df: `[E]` int32, number of visible passages that each entity is tied to.
        passages: N, number of visible passages.
        tokens: number of tokens of the visible passages.

    In a part of a larger corpus, `df`, `passages` and `tokens` count all parts.
    """

    gazetteer: Gazetteer
    lexicon: Lexicon
    visible: npt.NDArray[np.bool_]
    entity: npt.NDArray[np.bool_]
    title: npt.NDArray[np.bool_]
    mentions: npt.NDArray[np.uint8]
    tie: npt.NDArray[np.uint8]
    titled: npt.NDArray[np.int64]
    df: npt.NDArray[np.int32]
    passages: int
    tokens: int

    @classmethod
    def of(
        cls, gazetteer: Gazetteer, lexicon: Lexicon, visible: Mask,
        allocate: Allocate | None = None, uses: NameUses | None = None,
    ) -> View:  # fmt: skip
        """Create the view of the `visible` `[R]` passages.

        `allocate` creates arrays (None: in memory). If the index is a part of a larger corpus,
        `uses` are the uses of names in all of it, else None.
        """
        g, make = gazetteer, allocate or (lambda name, dtype, length: np.zeros(length, dtype))
        visible = read_only(visible)
        entities = len(g.keys)
        flags, balance = uses or NameUses.of(g, visible)
        entity, title = (flags & DEFINES) > 0, make("title", np.bool_, entities)
        title[:] = (flags & (FULL_TITLE | BASE_TITLE)) > 0
        how = make("mentions", np.uint8, len(g.entity))
        tie = make("tie", np.uint8, len(g.row))
        mentions = _Mentions(g.bounds, g.entity, g.start, g.length, g.flags, g.pair_bounds, g.row)
        is_common = balance > 0
        usable = entity & ((g.kind & (LINKABLE | REFERENCE)) > 0) & (title | ~is_common)
        pairs = np.empty(np.diff(g.bounds).max(initial=0), np.int64)
        _resolve(mentions, g.title_tokens, visible, usable, title, is_common, how, tie, pairs)
        pairs = np.flatnonzero(tie & IS_TITLE)
        titled = make("titled", np.int64, len(pairs))
        titled[:] = pairs
        df = make("df", np.int32, entities)
        df[:] = np.diff(offsets(tie > 0)[g.pair_bounds])
        return cls(
            gazetteer, lexicon, visible, entity, title, how, tie, titled, df,
            int(np.count_nonzero(visible)), int(visible @ lexicon.lengths.astype(np.int64)),
        )  # fmt: skip

    def save(self, writer: ArtifactWriter) -> None:
        """Write the counts; the `allocate` function of `of` created the other arrays on disk."""
        writer.array("view.counts", np.array([self.passages, self.tokens], np.int64))

    @classmethod
    def open(
        cls, artifact: Artifact, gazetteer: Gazetteer, lexicon: Lexicon, visible: Mask
    ) -> View:
        """Memory-map the stored view; all entities of the gazetteer are visible."""
        stored: dict[str, Any] = {name: artifact.array(f"view.{name}") for name in STORED}
        stored["passages"], stored["tokens"] = artifact.array("view.counts").tolist()
        entity = np.broadcast_to(np.True_, len(gazetteer.keys))
        return cls(gazetteer, lexicon, visible, entity, **stored)

    def counts_as(self, mentions: slice | Array = slice(None)) -> npt.NDArray[np.uint8]:
        """Return how mentions count: `LONGEST_NAME`, `INSIDE_NAME`, or 0 if they do not count."""
        return np.asarray(self.mentions[mentions]) & np.uint8((1 << _TIED) - 1)

    def ties(self, mentions: slice | Array) -> npt.NDArray[np.uint8]:
        """Return the ties of the passages of some mentions to their entities."""
        return np.asarray(self.mentions[mentions]) >> np.uint8(_TIED)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The visible rows, ascending."""
        return self.row_set.rows

    @cached_property
    def row_set(self) -> RowSet:
        """The visible rows as a `RowSet`."""
        return RowSet(self.visible, int(np.count_nonzero(self.visible)))

    @cached_property
    def languages(self) -> dict[str, int]:
        """Number of visible passages by language; {} in an index of one language."""
        return self.lexicon.codes(self.visible)

    @cached_property
    def frequency(self) -> Callable[[int, int], int]:
        """Counts the visible passages in a range of postings."""
        if self.row_set.is_all:
            return lambda start, end: end - start
        visible, rows = self.visible, self.lexicon.rows
        return lru_cache(_CACHED)(lambda i, j: int(np.count_nonzero(visible[rows[i:j]])))

    @property
    def mean_length(self) -> float:
        """Mean number of tokens of a passage; 1 if there are none."""
        return (self.tokens / max(self.passages, 1)) or 1.0

    @cached_property
    def length_norms(self) -> npt.NDArray[np.float32]:
        """BM25 length norms `[R]`, with the mean length of the visible passages."""
        return self.lexicon.length_norms(self.mean_length)

    def idf(self, entities: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
        """Return ln(N / df) / ln N of entities: 1 if in a single passage, 0 if in all passages."""
        if self.passages < 2:
            return np.ones(len(entities))
        df = np.maximum(self.df[entities], 1)
        idf: npt.NDArray[np.float64] = np.log(self.passages / df) / np.log(self.passages)
        return idf

    def tied(self, entity: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
        """Return the visible passages tied to an entity, and how they are tied; `[df]` each."""
        pairs = self.gazetteer.pairs(entity)
        tie = self.tie[pairs]
        is_tied = tie > 0
        return self.gazetteer.row[pairs][is_tied], tie[is_tied]

    def ties_at(self, entity: int, rows: Array) -> npt.NDArray[np.uint8]:
        """Return the ties of an entity to some passages, `[m]`; 0 if none. O(m log df)."""
        pairs = self.gazetteer.pairs(entity)
        of_entity = self.gazetteer.row[pairs]
        if not len(of_entity):
            return np.zeros(len(rows), np.uint8)
        positions = np.minimum(of_entity.searchsorted(rows.astype(np.int32)), len(of_entity) - 1)
        is_tied = of_entity[positions] == rows
        return np.where(is_tied, self.tie[pairs][positions], 0).astype(np.uint8)

    def titled_range(self, entities: Array) -> tuple[Array, Array]:
        """Return the ranges of some entities in `titled`: starts and ends."""
        bounds = self.gazetteer.pair_bounds
        begins, ends = (self.titled.searchsorted(bounds[entities + i]) for i in (0, 1))
        return begins, ends

    def passages_about(self, entity: int) -> npt.NDArray[np.int32]:
        """Return the visible passages whose title is the entity, or whose text begins with it."""
        rows, tie = self.tied(entity)
        return rows[(tie & (IS_TITLE | STARTS_TEXT)) > 0]


STORED = ("title", "mentions", "tie", "titled", "df")


class _Mentions(NamedTuple):
    """The mentions of a gazetteer as arguments of kernels; see `Gazetteer`."""

    bounds: Array
    entity: Array
    start: Array
    length: Array
    flags: Array
    pair_bounds: Array
    row: Array


class NameUses(NamedTuple):
    """How visible passages use each of E entities.

    Attributes:
        flags: `[E]` uint8, the flags of all mentions.
        balance: `[E]` int64, number of lower-case uses minus uses as a name; case in code and
            capitals at the start of a sentence do not count. Above 0 for a common word.
    """

    flags: Array
    balance: Array

    @classmethod
    def of(cls, g: Gazetteer, visible: Mask) -> NameUses:
        """Compute the uses in the `visible` `[R]` passages."""
        flags = or_of(np.where(visible[g.row], g.pair_flags, 0), np.diff(g.pair_bounds))
        return cls(flags, _balance(g, visible))


def _balance(g: Gazetteer, visible: Array) -> Array:
    balance, is_visible = np.zeros(len(g.keys), np.int64), np.repeat(visible, np.diff(g.bounds))
    for start in range(0, len(is_visible), _BLOCK):
        some = slice(start, start + _BLOCK)
        counts = is_visible[some] & ((g.flags[some] & (TITLE | INITIAL)) == 0)
        entity, is_name = g.entity[some][counts], (g.flags[some][counts] & CAPITAL) > 0
        for mask, sign in ((~is_name, 1), (is_name, -1)):
            balance += sign * np.bincount(entity[mask], minlength=len(balance))
    return balance


@kernel(small=True)
def _resolve(
    mentions: _Mentions,
    title_tokens: Array,
    visible: Array,
    usable: Array,
    is_title: Array,
    is_common: Array,
    how: Array,
    tie: Array,
    pairs: Array,
) -> None:
    """Choose the mentions that count, and tie their passages to their entities.

    `title_tokens` `[R]` counts the tokens of titles. `usable` `[E]` masks entities that are
    visible, linkable, and either a title or not a common word; `is_title` and `is_common` are
    masks `[E]`. Fills `how` `[m]` and `tie` `[n]` as in `View.mentions` and `View.tie`; `pairs`
    is scratch space.
    """
    bounds, entities, starts, lengths, flags, _, _ = mentions
    for row in range(len(visible)):
        if not visible[row]:
            continue
        first = bounds[row]
        _find_pairs(mentions, row, usable, is_common, pairs)
        _tie_links(pairs, flags[first : bounds[row + 1]], how[first : bounds[row + 1]], tie)
        # The ends of the last mention that counts, for each of the two kinds.
        outer_start, outer_end, nested_end = np.int64(-1), np.int64(0), np.int64(0)
        for i in range(first, bounds[row + 1]):
            e, pair = entities[i], pairs[i - first]
            if pair < 0 or flags[i] & _NAME != CAPITAL:
                continue
            start = np.int64(starts[i])
            end = start + np.int64(lengths[i])
            # A title ties its passage, but does not link to other passages.
            if flags[i] & TITLE:
                tie[pair] |= _title_tie(flags[i], lengths[i])
                continue
            # Sorted by start, longest first: a mention that does not begin inside the last one
            # that counts is leftmost and longest; so is another key with the same words.
            if start >= outer_end or (start == outer_start and end == outer_end):
                how[i] = LONGEST_NAME
                outer_start, outer_end = start, end
                tie[pair] |= MENTIONS
                if start == title_tokens[row]:  # the first token of the text
                    tie[pair] |= STARTS_TEXT
            # Titles inside longer names count too; the leftmost and longest title wins.
            if is_title[e] and start >= nested_end:
                nested_end = end
                if how[i] == 0:
                    how[i] = INSIDE_NAME
                    tie[pair] |= MENTIONS
        _note_ties(pairs[: bounds[row + 1] - first], tie, how[first : bounds[row + 1]])


@kernel
def _find_pairs(
    mentions: _Mentions, row: int, usable: Array, is_common: Array, pairs: Array
) -> None:
    """Write the pairs of a row's mentions to `pairs`; -1 if the entity is not used."""
    first, last = mentions.bounds[row], mentions.bounds[row + 1]
    for i in range(first, last):
        entity, flags = mentions.entity[i], mentions.flags[i]
        opens = is_common[entity] and flags & INITIAL and not flags & TITLE
        used = usable[entity] and not opens
        pairs[i - first] = _pair(mentions, entity, row) if used else -1


@kernel
def _tie_links(pairs: Array, flags: Array, how: Array, tie: Array) -> None:
    """Tie a row to its own links, and to the links that lead to it."""
    for i in range(len(flags)):
        if pairs[i] >= 0 and flags[i] & LINK:
            how[i] = INSIDE_NAME
            tie[pairs[i]] |= MENTIONS
        elif pairs[i] >= 0 and flags[i] & TARGET:
            tie[pairs[i]] |= IS_TITLE


@kernel
def _note_ties(pairs: Array, tie: Array, how: Array) -> None:
    """Store the tie of its pair in the upper bits of each of a row's mentions."""
    for i in range(len(pairs)):
        if pairs[i] >= 0:
            how[i] |= tie[pairs[i]] << _TIED


@kernel
def _pair(mentions: _Mentions, entity: int, row: int) -> int:
    """Return the pair of an entity and a row that mentions it; -1 if a damaged index lacks it."""
    low, high = mentions.pair_bounds[entity], mentions.pair_bounds[entity + 1]
    pair = lower_bound(mentions.row, low, high, row)
    return pair if pair < high and mentions.row[pair] == row else -1


@kernel
def _title_tie(flags: int, length: int) -> int:
    """Return the tie of a passage to an entity in its title; 0 if the name is too long."""
    if flags & (FULL_TITLE | BASE_TITLE):
        return IS_TITLE
    return IN_TITLE if length <= LONGEST_TITLE_PART else 0
