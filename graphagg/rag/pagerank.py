"""Stage 2 of LinearRAG: personalised PageRank over passages and entities.

Paper: LinearRAG, arXiv 2510.10114, eq. 6. With reset vector r (sum 1) and transition matrix T of
the undirected passage-entity graph, x = (1 - d) r + d T' x. A node without neighbours teleports;
since it does so by r, x is the solution without it, scaled to sum 1.

The graph has two sides, so residual mass is pushed from the passages to the entities and back
(forward push, Andersen et al. 2006), each side in one sweep over the nodes whose residual exceeds
a tolerance. Only what is reached is touched: the cost follows the reset's support, not the corpus.
`push_many` does the same for a block of questions; each edge is then read once for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from graphagg.rag.trigraph import TriGraph

Array = npt.NDArray[Any]
TOLERANCE = 1e-9
"""Residual, of a total of 1, that a node may keep; each unit of it moves no score by more."""


@dataclass(frozen=True)
class Transitions:
    """Transition probabilities between the two sides, in the order of `contain` and `contained_in`.

    Attributes:
        to_entity: `[nnz]` float64, from a passage to an entity it contains; sums to 1 a passage.
        to_passage: `[nnz]` float64, from an entity to a passage that contains it; sums to 1.
    """

    to_entity: Array
    to_passage: Array

    @classmethod
    def frequency(cls, graph: TriGraph) -> Transitions:
        """Edges weighted by N_ep / sum over the passage's entities, as in the official code."""
        assert graph.contain.data is not None and graph.contained_in.data is not None
        totals = _row_sums(graph.contain.indptr, graph.contain.data)
        counts = graph.contained_in.data
        weights = counts / totals[graph.contained_in.indices]
        strengths = _row_sums(graph.contained_in.indptr, weights)
        return cls(
            graph.contain.data / np.repeat(totals, graph.contain.degrees()),
            weights / np.repeat(strengths, graph.contained_in.degrees()),
        )

    @classmethod
    def binary(cls, graph: TriGraph) -> Transitions:
        """All edges equal, as in the paper."""
        out, back = graph.contain.degrees(), graph.contained_in.degrees()
        return cls(1.0 / np.repeat(out, out), 1.0 / np.repeat(back, back))


def _row_sums(indptr: Array, values: Array) -> Array:
    """Sum of each row, `[rows]` float64; an empty row gives 0."""
    cumulative = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    sums: Array = cumulative[indptr[1:]] - cumulative[indptr[:-1]]
    return sums


def personalized_pagerank(
    graph: TriGraph,
    transitions: Transitions,
    passage_reset: Array,
    entity_reset: Array,
    damping: float,
) -> Array:
    """PageRank of the passages.

    Args:
        graph: gives the edges.
        transitions: their probabilities.
        passage_reset: `[P]` or, for n questions, `[P, n]`, not negative.
        entity_reset: `[E]` or `[E, n]`, not negative.
        damping: d.

    Returns:
        Scores of the shape of `passage_reset`; with the entities' (not returned) they sum to 1.
        All 0 where the reset is.
    """
    total = passage_reset.sum(axis=0) + entity_reset.sum(axis=0)
    scale = np.where(total > 0, total, 1.0)
    kernel = _push if passage_reset.ndim == 1 else _push_many
    passage_mass, entity_mass = kernel(
        graph.contain.indptr,
        graph.contain.indices,
        transitions.to_entity,
        graph.contained_in.indptr,
        graph.contained_in.indices,
        transitions.to_passage,
        passage_reset / scale,
        entity_reset / scale,
        damping,
        TOLERANCE,
    )
    mass = passage_mass.sum(axis=0) + entity_mass.sum(axis=0)
    scores: Array = passage_mass / np.where(mass > 0, mass, 1.0)
    return scores


@numba.njit(cache=True)
def _push(  # type: ignore[no-untyped-def]  # noqa: ANN202
    p_ptr: Array,
    p_ind: Array,
    p_val: Array,
    e_ptr: Array,
    e_ind: Array,
    e_val: Array,
    p_res: Array,
    e_res: Array,
    d: float,
    tolerance: float,
):
    p_mass, e_mass = np.zeros_like(p_res), np.zeros_like(e_res)
    p_queue, e_queue = np.empty(len(p_res), np.int32), np.empty(len(e_res), np.int32)
    p_listed, e_listed = np.zeros(len(p_res), np.bool_), np.zeros(len(e_res), np.bool_)
    p_size = _list_positive(p_res, p_queue, p_listed)
    e_size = _list_positive(e_res, e_queue, e_listed)
    while p_size + e_size > 0:
        e_size = _sweep(
            p_ptr, p_ind, p_val, p_queue, p_size, p_listed, p_res, p_mass,
            e_queue, e_size, e_listed, e_res, d, tolerance,
        )  # fmt: skip
        p_size = _sweep(
            e_ptr, e_ind, e_val, e_queue, e_size, e_listed, e_res, e_mass,
            p_queue, 0, p_listed, p_res, d, tolerance,
        )  # fmt: skip
        e_size = 0
    return p_mass, e_mass


@numba.njit(cache=True)
def _list_positive(res: Array, queue: Array, listed: Array) -> int:
    size = 0
    for i in range(len(res)):
        if res[i] > 0:
            queue[size] = i
            listed[i] = True
            size += 1
    return size


@numba.njit(cache=True)
def _sweep(
    ptr: Array,
    ind: Array,
    val: Array,
    queue: Array,
    size: int,
    listed: Array,
    res: Array,
    mass: Array,
    to_queue: Array,
    to_size: int,
    to_listed: Array,
    to_res: Array,
    d: float,
    tolerance: float,
) -> int:
    """Push every listed node to the other side; returns how many are listed there."""
    for i in range(size):
        node = queue[i]
        listed[node] = False
        amount = res[node]
        if amount <= tolerance:
            continue
        res[node] = 0.0
        mass[node] += (1.0 - d) * amount
        for j in range(ptr[node], ptr[node + 1]):
            other = ind[j]
            to_res[other] += d * amount * val[j]
            if not to_listed[other]:
                to_listed[other] = True
                to_queue[to_size] = other
                to_size += 1
    return to_size


@numba.njit(cache=True)
def _push_many(  # type: ignore[no-untyped-def]  # noqa: ANN202
    p_ptr: Array,
    p_ind: Array,
    p_val: Array,
    e_ptr: Array,
    e_ind: Array,
    e_val: Array,
    p_res: Array,
    e_res: Array,
    d: float,
    tolerance: float,
):
    p_mass, e_mass = np.zeros_like(p_res), np.zeros_like(e_res)
    largest = tolerance + 1.0
    while largest > tolerance:
        _sweep_many(p_ptr, p_ind, p_val, p_res, p_mass, e_res, d, tolerance)
        largest = _sweep_many(e_ptr, e_ind, e_val, e_res, e_mass, p_res, d, tolerance)
    return p_mass, e_mass


@numba.njit(cache=True)
def _sweep_many(
    ptr: Array,
    ind: Array,
    val: Array,
    res: Array,
    mass: Array,
    to_res: Array,
    d: float,
    tolerance: float,
) -> float:
    """Push every node of one side for all questions; returns the largest residual pushed."""
    largest = 0.0
    width = res.shape[1]
    for node in range(len(ptr) - 1):
        top = 0.0
        for q in range(width):
            top = max(top, res[node, q])
        if top <= tolerance:
            continue
        largest = max(largest, top)
        for q in range(width):
            mass[node, q] += (1.0 - d) * res[node, q]
        for j in range(ptr[node], ptr[node + 1]):
            other, weight = ind[j], d * val[j]
            for q in range(width):
                to_res[other, q] += weight * res[node, q]
        for q in range(width):
            res[node, q] = 0.0
    return largest
