"""The contain matrix C, passages by entities, and its transpose, as PageRank walks them.

Paper: LinearRAG, arXiv 2510.10114. An entry holds for an entity that the extractor found in a
passage. Its weight is N_ep over the sum of N_ep over the passage's entities, as in the official
code: a property of the passage alone, so that hiding other passages changes no weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numba
import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, read_only
from graphagg.graph.csr import Csr
from graphagg.rag.tables.gazetteer import Gazetteer
from graphagg.rag.tables.mentions import FOUND
from graphagg.store import Artifact

_PARTS = ("indptr", "indices", "data")


class Allocate(Protocol):
    """Makes the arrays of a view."""

    def __call__(self, name: str, dtype: type[np.generic], length: int) -> npt.NDArray[Any]:
        """Array `name`, of zeros."""


@dataclass(frozen=True)
class Contain:
    """C and its transpose; R rows, E entities.

    Attributes:
        by_passage: `[R, E]` float64, the entities found in each passage.
        by_entity: `[E, R]` float64, the passages that each entity was found in.
    """

    by_passage: Csr
    by_entity: Csr

    @classmethod
    def of(
        cls, gazetteer: Gazetteer, visible: npt.NDArray[np.bool_], allocate: Allocate
    ) -> Contain:
        """C of the visible passages; linear in the pairs.

        Args:
            gazetteer: of the index.
            visible: `[R]`.
            allocate: makes the arrays.
        """
        g, rows, entities = gazetteer, len(visible), len(gazetteer.keys)
        arrays: tuple[Array, ...] = (g.pair_bounds, g.row, g.count, g.pair_flags, visible)
        pairs = _Pairs(*map(read_only, arrays))
        by_passage = allocate("contain.by_passage.indptr", np.int64, rows + 1)
        by_entity = allocate("contain.by_entity.indptr", np.int64, entities + 1)
        words = np.zeros(rows, np.int64)
        _count(pairs, words, by_passage, by_entity)
        np.cumsum(by_passage, out=by_passage)
        np.cumsum(by_entity, out=by_entity)
        size = int(by_passage[-1])
        filled = [
            (
                allocate(f"contain.{side}.indices", np.int32, size),
                allocate(f"contain.{side}.data", np.float64, size),
            )
            for side in ("by_passage", "by_entity")
        ]
        _fill(pairs, words, by_passage, filled[0], filled[1])
        return cls(Csr(by_passage, *filled[0], entities), Csr(by_entity, *filled[1], rows))

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """The arrays by name, to be written."""
        for side in ("by_passage", "by_entity"):
            for part in _PARTS:
                yield f"contain.{side}.{part}", getattr(getattr(self, side), part)

    @classmethod
    def open(cls, artifact: Artifact, rows: int, entities: int) -> Contain:
        """Map what was written with a view."""
        return cls(
            Csr.open(artifact, "view.contain.by_passage", entities),
            Csr.open(artifact, "view.contain.by_entity", rows),
        )


class _Pairs(NamedTuple):
    """The pairs of an entity and a passage as the gazetteer holds them, and what is visible."""

    bounds: Array
    rows: Array
    counts: Array
    flags: Array
    visible: Array


@numba.njit(cache=True)
def _count(pairs: _Pairs, words: Array, by_passage: Array, by_entity: Array) -> None:
    """Count the words of each passage's entities, and the entries of row i in place i + 1."""
    bounds, rows, counts, flags, visible = pairs
    for entity in range(len(bounds) - 1):
        for i in range(bounds[entity], bounds[entity + 1]):
            row = rows[i]
            if flags[i] & FOUND and visible[row]:
                words[row] += counts[i]
                by_passage[row + 1] += 1  # so that running sums are the offsets
                by_entity[entity + 1] += 1


@numba.njit(cache=True)
def _fill(
    pairs: _Pairs,
    words: Array,
    offsets: Array,
    by_passage: tuple[Array, Array],
    by_entity: tuple[Array, Array],
) -> None:
    """Write columns and weights of both sides; `offsets` are those of the passages."""
    bounds, rows, counts, flags, visible = pairs
    entities, weights = by_passage
    passages, weights_back = by_entity
    ends, size = offsets[:-1].copy(), 0
    # Entities ascend and so do the rows of each: both sides are filled in order.
    for entity in range(len(bounds) - 1):
        for i in range(bounds[entity], bounds[entity + 1]):
            row = rows[i]
            if flags[i] & FOUND and visible[row]:
                weight = counts[i] / words[row]
                entities[ends[row]], weights[ends[row]] = entity, weight
                passages[size], weights_back[size] = row, weight
                ends[row] += 1
                size += 1
