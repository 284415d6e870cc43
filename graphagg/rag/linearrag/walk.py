"""The edges of the Tri-Graph as PageRank walks them, for a large index: one place to read a node.

A record holds all that a step from a node needs, so that a node costs one page and not one an edge.
Entities that were found in one passage alone lead back to it: they stand in its record as a sum and
have none of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.rag.search.paging import will_need
from graphagg.rag.tables.gazetteer import Gazetteer
from graphagg.rag.tables.mentions import FOUND
from graphagg.rag.tables.vectors import read_only
from graphagg.store import Artifact, ArtifactWriter

HEAD, EDGE = 4, 3
"""Numbers of the head of a passage's record, and of an edge of it."""
BLOCK = 16
"""Passages whose records are found by one start: so few starts that they are soon in memory."""


class Walk(NamedTuple):
    """Records of the passages and entities of a view; R rows, E entities.

    Attributes:
        starts: `[R / BLOCK]` int64, where the record of every 16th passage begins in `passages`.
        passages: int64; a record of each row, one after another: how many edges, the words of all
            entities found in the passage, those of entities that were found nowhere else, how many
            these are; then of each edge the entity's place in `entities`, N_ep, and in how many
            passages it was found.
        entity_starts: `[E]` int64, each entity's place in `entities`; -1: it has none.
        entities: `[., 4]` int32; first how many edges, then of each the row, N_ep, and of the
            row's record the words and the edges.
    """

    starts: Array
    passages: Array
    entity_starts: Array
    entities: Array

    @classmethod
    def of(
        cls,
        gazetteer: Gazetteer,
        visible: npt.NDArray[np.bool_],
        found_words: Array,
        allocate: Callable[[str, type[np.generic], int], Array],
    ) -> Walk:
        """Lay out the records of all visible passages; linear in the pairs.

        Args:
            gazetteer: of the index.
            visible: `[R]`.
            found_words: `[R]`, see `View`.
            allocate: makes an array of zeros, by name, type and length.
        """
        g, rows = gazetteer, len(visible)
        pairs = tuple(read_only(a) for a in (g.pair_bounds, g.row, g.count, g.pair_flags, visible))
        entity_starts = allocate("walk.entity_starts", np.int64, len(g.keys))
        edges, singles = np.zeros(rows, np.int32), np.zeros((rows, 2), np.int32)
        size = _measure(pairs, entity_starts, edges, singles)
        lengths = HEAD + EDGE * edges.astype(np.int64)
        places = np.cumsum(lengths) - lengths
        starts = allocate("walk.starts", np.int64, -(-rows // BLOCK))
        starts[:] = places[::BLOCK]
        passages = allocate("walk.passages", np.int64, int(lengths.sum()))
        passages[places + 1] = np.where(visible, found_words, 0)
        passages[places + 2], passages[places + 3] = singles.T
        entities = allocate("walk.entities", np.int32, 4 * size).reshape(-1, 4)
        _fill(pairs, read_only(found_words), places, passages, entity_starts, entities)
        return cls(starts, passages, entity_starts, entities)

    def save(self, writer: ArtifactWriter) -> None:
        """Write them; arrays that `allocate` laid down are there."""
        for name, array in self._asdict().items():
            if not (writer.folder / f"view.walk.{name}.npy").exists():
                writer.array(f"view.walk.{name}", array.ravel())

    def will_need(self, rows: npt.NDArray[np.int64]) -> None:
        """Tell that the records of some passages are read next."""
        blocks = np.unique(rows // BLOCK)
        after = np.minimum(blocks + 1, len(self.starts) - 1)
        ends = np.where(after > blocks, self.starts[after], len(self.passages))
        for start, end in zip(self.starts[blocks].tolist(), ends.tolist(), strict=True):
            will_need(self.passages[start:end])

    @classmethod
    def open(cls, artifact: Artifact) -> Walk | None:
        """Map them; None where the index is small and has none."""
        if "view.walk.starts.npy" not in artifact:
            return None
        walk = cls(*(artifact.array(f"view.walk.{name}") for name in cls._fields))
        return walk._replace(entities=walk.entities.reshape(-1, 4))


@numba.njit(cache=True)
def record_of(walk: Walk, row: int) -> int:
    """Where the record of a passage begins."""
    at = walk.starts[row // BLOCK]
    for _ in range(row % BLOCK):
        at += HEAD + EDGE * walk.passages[at]
    return int(at)


@numba.njit(cache=True)
def _measure(pairs: Any, entity_starts: Array, edges: Array, singles: Array) -> int:
    """Place the entities' records, and count the passages' edges; the length of `entities`."""
    bounds, rows, counts, flags, visible = pairs
    size = 0
    for e in range(len(entity_starts)):
        found, last = 0, -1
        for i in range(bounds[e], bounds[e + 1]):
            if flags[i] & FOUND and visible[rows[i]]:
                found += 1
                last = i
        entity_starts[e] = -1
        if found == 1:
            singles[rows[last], 0] += counts[last]
            singles[rows[last], 1] += 1
        elif found:
            entity_starts[e] = size
            size += 1 + found
            for i in range(bounds[e], bounds[e + 1]):
                if flags[i] & FOUND and visible[rows[i]]:
                    edges[rows[i]] += 1
    return size


@numba.njit(cache=True)
def _fill(
    pairs: Any,
    found_words: Array,
    places: Array,
    passages: Array,
    entity_starts: Array,
    entities: Array,
) -> None:
    """Write the edges: an entity's by row, a passage's by entity."""
    bounds, rows, counts, flags, visible = pairs
    for e in range(len(entity_starts)):
        start = entity_starts[e]
        if start < 0:
            continue
        degree = 0
        for i in range(bounds[e], bounds[e + 1]):
            if flags[i] & FOUND and visible[rows[i]]:
                degree += 1
                entities[start + degree, 0] = rows[i]
                entities[start + degree, 1] = counts[i]
                entities[start + degree, 2] = found_words[rows[i]]
        entities[start, 0] = degree
        for j in range(start + 1, start + 1 + degree):
            at = places[entities[j, 0]]
            edge = at + HEAD + EDGE * passages[at]
            passages[edge], passages[edge + 1], passages[edge + 2] = start, entities[j, 1], degree
            passages[at] += 1
    place = 0
    while place < len(entities):  # now that all edges are there
        degree = entities[place, 0]
        for j in range(place + 1, place + 1 + degree):
            entities[j, 3] = passages[places[entities[j, 0]]]
        place += 1 + degree
