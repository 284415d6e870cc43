"""The Tri-Graph of a large index, read where a question comes to it.

Nothing is laid out for a view: a row of C, of M or of a transpose is read from the mapped gazetteer
when activation asks for it, so that memory follows the question and not the corpus. PageRank is in
`push`.

Paper: LinearRAG, arXiv 2510.10114, eqs. 3 to 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.rag.tables.mentions import FOUND
from graphagg.rag.tables.vectors import read_only
from graphagg.rag.tables.view import View


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
