"""The contain matrix C, passages by entities, and its transpose, as PageRank walks them.

Paper: LinearRAG, arXiv 2510.10114. An entry holds for an entity that the extractor found in a
passage. Its weight is N_ep over the sum of N_ep over the passage's entities, as in the official
code: a property of the passage alone, so that hiding other passages changes no weight.

Most entities are leaves: found in one passage (33,000 of 39,000 in 2WikiMultiHopQA). A leaf leads
back to its passage alone, so the rows of C hold the other entities, and of the leaves their sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, read_only
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel
from graphagg.rag.tables.gazetteer import Gazetteer
from graphagg.rag.tables.mentions import FOUND
from graphagg.store import Artifact


class Allocate(Protocol):
    """Makes the arrays of a view."""

    def __call__(self, name: str, dtype: type[np.generic], length: int) -> npt.NDArray[Any]:
        """Array `name`, of zeros."""


@dataclass(frozen=True)
class Contain:
    """C and its transpose; R rows, E entities.

    Attributes:
        by_passage: `[R, E]` float64, the entities found in each passage and in another.
        by_entity: `[E, R]` float64, the passages that each entity was found in.
        leaf_weight: `[R]` float64, the weights of a passage's leaves.
        leaf_count: `[R]` float64, the number of its leaves: their weights if all weigh the same.
    """

    by_passage: Csr
    by_entity: Csr
    leaf_weight: Array
    leaf_count: Array

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
        arrays = (g.pair_bounds, g.row, g.count, g.pair_flags, visible)
        pairs = _Pairs(*(read_only(array) for array in arrays))
        rows_at = allocate("contain.by_passage.indptr", np.int64, rows + 1)
        entities_at = allocate("contain.by_entity.indptr", np.int64, entities + 1)
        leaf_weight = allocate("contain.leaf_weight", np.float64, rows)
        leaf_count = allocate("contain.leaf_count", np.float64, rows)
        words = np.zeros(rows, np.int64)
        _count(pairs, words, rows_at, entities_at)
        np.cumsum(rows_at, out=rows_at)
        np.cumsum(entities_at, out=entities_at)
        of_rows, of_entities = (
            (
                allocate(f"contain.{side}.indices", np.int32, int(starts[-1])),
                allocate(f"contain.{side}.data", np.float64, int(starts[-1])),
            )
            for side, starts in (("by_passage", rows_at), ("by_entity", entities_at))
        )
        _fill(pairs, words, (rows_at, *of_rows), (entities_at, *of_entities),
              (leaf_weight, leaf_count))  # fmt: skip
        return cls(
            Csr(rows_at, *of_rows, entities),
            Csr(entities_at, *of_entities, rows),
            leaf_weight,
            leaf_count,
        )

    @classmethod
    def open(cls, artifact: Artifact, rows: int, entities: int) -> Contain:
        """Map the matrix of a stored view."""
        return cls(
            Csr.open(artifact, "view.contain.by_passage", entities),
            Csr.open(artifact, "view.contain.by_entity", rows),
            artifact.array("view.contain.leaf_weight"),
            artifact.array("view.contain.leaf_count"),
        )


class _Pairs(NamedTuple):
    """Pairs of an entity and a passage, as the gazetteer holds them, and the visible passages."""

    bounds: Array
    rows: Array
    counts: Array
    flags: Array
    visible: Array


@kernel(small=True)
def _count(pairs: _Pairs, words: Array, by_passage: Array, by_entity: Array) -> None:
    """Count the words of each passage's entities, and the entries of row i at position i + 1."""
    bounds, rows, counts, flags, visible = pairs
    for entity in range(len(bounds) - 1):
        degree = 0
        for i in range(bounds[entity], bounds[entity + 1]):
            if flags[i] & FOUND and visible[rows[i]]:
                words[rows[i]] += counts[i]
                degree += 1
        by_entity[entity + 1] = degree  # at i + 1, so that running sums are the offsets
        if degree < 2:
            continue
        for i in range(bounds[entity], bounds[entity + 1]):
            if flags[i] & FOUND and visible[rows[i]]:
                by_passage[rows[i] + 1] += 1


@kernel(small=True)
def _fill(
    pairs: _Pairs,
    words: Array,
    by_passage: tuple[Array, Array, Array],
    by_entity: tuple[Array, Array, Array],
    leaves: tuple[Array, Array],
) -> None:
    """Write columns and weights of both sides, and the sums of leaves."""
    bounds, rows, counts, flags, visible = pairs
    offsets, entities, weights = by_passage
    offsets_back, passages, weights_back = by_entity
    leaf_weight, leaf_count = leaves
    ends, size = offsets[:-1].copy(), 0
    # Entities ascend and so do the rows of each: both sides are filled in order.
    for entity in range(len(bounds) - 1):
        is_leaf = offsets_back[entity + 1] - offsets_back[entity] == 1
        for i in range(bounds[entity], bounds[entity + 1]):
            row = rows[i]
            if not flags[i] & FOUND or not visible[row]:
                continue
            weight = counts[i] / words[row]
            passages[size], weights_back[size] = row, weight
            size += 1
            if is_leaf:
                leaf_weight[row] += weight
                leaf_count[row] += 1
            else:
                entities[ends[row]], weights[ends[row]] = entity, weight
                ends[row] += 1
