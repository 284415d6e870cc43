"""Stage 2 of LinearRAG: personalised PageRank over passages and entities.

Paper: LinearRAG, arXiv 2510.10114, eq. 6. With reset vector r (sum 1) and transition matrix T of
the undirected passage-entity graph, x = (1 - d) r + d T' x. A node without neighbors teleports;
since it does so by r, x is the solution without it, scaled to sum 1.

The graph has two sides, so residual mass is pushed from the passages to the entities and back
(forward push, Andersen et al. 2006), each side in one sweep over the nodes whose residual exceeds
a tolerance. Where few passages carry the prior only what is reached is touched: the cost follows
the reset's support, not the corpus. Else, and for a block of questions, each sweep runs over all
nodes and every edge is read once for all questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numba
import numpy as np

from graphagg.arrays import Array
from graphagg.graph.csr import Csr
from graphagg.rag.linearrag.trigraph import TriGraph

TOLERANCE = 1e-9
"""Residual, of a total of 1, that a node may keep; each unit of it moves no score by more."""


@dataclass(frozen=True)
class Transitions:
    """Transition probabilities of the passage-entity graph, in a form that is quick to push.

    Most entities are leaves: they occur in one passage (33,000 of 39,000 in 2WikiMultiHopQA). A
    leaf returns all that it passes on to its passage, so its part is solved in closed form and only
    the S shared entities are swept.

    Attributes:
        passage_ptr, passage_ind, passage_val: `[P, S]` rows, probability of a step from a passage
            to a shared entity.
        entity_ptr, entity_ind, entity_val: `[S, P]` rows, from a shared entity to a passage.
        to_leaf: `[P]` probability of a step from the passage to any of its leaves.
        number: `[E]` which shared entity an entity is; -1 for leaves.
        passage_of: `[E]` the passage of a leaf (the first passage of a shared entity); -1 for an
            entity without an edge.
    """

    passage_ptr: Array
    passage_ind: Array
    passage_val: Array
    entity_ptr: Array
    entity_ind: Array
    entity_val: Array
    to_leaf: Array
    number: Array
    passage_of: Array

    @classmethod
    def frequency(cls, graph: TriGraph) -> Transitions:
        """Edges weighted by N_ep / sum over the passage's entities, as in the official code."""
        assert graph.contain.data is not None
        return cls._from_weights(graph, _scaled_rows(graph.contain, graph.contain.data))

    @classmethod
    def binary(cls, graph: TriGraph) -> Transitions:
        """All edges equal, as in the paper."""
        return cls._from_weights(graph, np.ones(len(graph.contain.indices)))

    @classmethod
    def _from_weights(cls, graph: TriGraph, weights: Array) -> Transitions:
        """Symmetric edge weights `[nnz]`, in the order of `graph.contain`."""
        contain = graph.contain
        weighted = Csr(contain.indptr, contain.indices, weights, contain.columns)
        back = weighted.transpose()
        to_entity = _scaled_rows(weighted, weights)
        assert back.data is not None
        to_passage = _scaled_rows(back, back.data)

        degree = back.degrees()
        shared = np.flatnonzero(degree > 1)
        number = np.full(graph.entities, -1, dtype=np.int32)
        number[shared] = np.arange(len(shared), dtype=np.int32)
        passage_of = np.full(graph.entities, -1, dtype=np.int32)
        passage_of[degree > 0] = back.indices[back.indptr[:-1][degree > 0]]
        owner = np.repeat(np.arange(contain.rows), contain.degrees())
        keep = number[contain.indices] >= 0
        kept_back = np.repeat(degree > 1, degree)
        return cls(
            passage_ptr=_pointers(np.bincount(owner[keep], minlength=contain.rows)),
            passage_ind=number[contain.indices[keep]],
            passage_val=to_entity[keep],
            entity_ptr=_pointers(degree[shared]),
            entity_ind=back.indices[kept_back],
            entity_val=to_passage[kept_back],
            to_leaf=np.bincount(owner[~keep], to_entity[~keep], minlength=contain.rows),
            number=number,
            passage_of=passage_of,
        )


def _scaled_rows(matrix: Csr, values: Array) -> Array:
    """`values`, in the order of the matrix, scaled so that each row sums to 1; `[nnz]` float64."""
    cumulative = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    sums = cumulative[matrix.indptr[1:]] - cumulative[matrix.indptr[:-1]]
    scaled: Array = values / np.repeat(sums, matrix.degrees())
    return scaled


def _pointers(lengths: Array) -> Array:
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


@dataclass(frozen=True)
class EntityReset:
    """The entities' part of the reset vectors of n questions, sparse.

    Attributes:
        entity: `[m]` entity ids.
        question: `[m]` which question, below n.
        weight: `[m]` float64, not negative.
    """

    entity: Array
    question: Array
    weight: Array

    @classmethod
    def of(cls, weights: Sequence[Mapping[int, float]]) -> EntityReset:
        """Collect the entity weights of each question; negative ones count as 0."""
        entries = [(e, q, max(w, 0.0)) for q, part in enumerate(weights) for e, w in part.items()]
        entity, question, weight = np.array(entries, dtype=np.float64).reshape(-1, 3).T
        return cls(entity.astype(np.int64), question.astype(np.int64), weight)


def personalized_pagerank(
    transitions: Transitions, passage_reset: Array, entity_reset: EntityReset, damping: float
) -> tuple[Array, Array]:
    """PageRank of the passages.

    Args:
        transitions: of the graph.
        passage_reset: `[P, n]` float64 for n questions, not negative.
        entity_reset: the entities' part.
        damping: d.

    Returns:
        `[P, n]`; with the entities' scores (not returned) each column sums to 1, or is 0 where its
        reset is. And `[n]`: how much of each unit of a passage's reset stays in its own score
        before any step; the rest of the score is what steps bring.
    """
    t, d, r = transitions, damping, entity_reset
    total = passage_reset.sum(axis=0) + np.bincount(r.question, r.weight, passage_reset.shape[1])
    scale = np.where(total > 0, total, 1.0)
    passages = passage_reset / scale
    weight = r.weight / scale[r.question]
    alone = t.number[r.entity] < 0
    leaf = alone & (t.passage_of[r.entity] >= 0)
    shared = np.zeros((len(t.entity_ptr) - 1, passages.shape[1]))
    np.add.at(shared, (t.number[r.entity[~alone]], r.question[~alone]), weight[~alone])
    np.add.at(passages, (t.passage_of[r.entity[leaf]], r.question[leaf]), d * weight[leaf])
    kernel = _push if passages.shape[1] == 1 and _is_sparse(passages) else _push_many
    passage_mass, shared_mass = kernel(
        t.passage_ptr, t.passage_ind, t.passage_val,
        t.entity_ptr, t.entity_ind, t.entity_val,
        1.0 / (1.0 - d * d * t.to_leaf), np.ones(len(shared)), passages, shared, d, TOLERANCE,
    )  # fmt: skip
    mass = (
        passage_mass.sum(axis=0)
        + shared_mass.sum(axis=0)
        + d * (t.to_leaf @ passage_mass)
        + (1.0 - d) * np.bincount(r.question[alone], weight[alone], passages.shape[1])
    )
    mass = np.where(mass > 0, mass, 1.0)
    return passage_mass / mass, (1.0 - d) / (scale * mass)


def _is_sparse(reset: Array) -> bool:
    return bool(np.count_nonzero(reset) * 8 < len(reset))


@numba.njit(cache=True)
def _push(  # type: ignore[no-untyped-def]  # noqa: ANN202
    p_ptr: Array,
    p_ind: Array,
    p_val: Array,
    e_ptr: Array,
    e_ind: Array,
    e_val: Array,
    p_gain: Array,
    e_gain: Array,
    p_res: Array,
    e_res: Array,
    d: float,
    tolerance: float,
):
    p_all, e_all = np.zeros_like(p_res), np.zeros_like(e_res)
    p_mass, e_mass, p_res, e_res = p_all[:, 0], e_all[:, 0], p_res[:, 0], e_res[:, 0]
    p_queue, e_queue = np.empty(len(p_res), np.int32), np.empty(len(e_res), np.int32)
    p_listed, e_listed = np.zeros(len(p_res), np.bool_), np.zeros(len(e_res), np.bool_)
    p_size = _list_positive(p_res, p_queue, p_listed)
    e_size = _list_positive(e_res, e_queue, e_listed)
    while p_size + e_size > 0:
        e_size = _sweep(
            p_ptr, p_ind, p_val, p_gain, p_queue, p_size, p_listed, p_res, p_mass,
            e_queue, e_size, e_listed, e_res, d, tolerance,
        )  # fmt: skip
        p_size = _sweep(
            e_ptr, e_ind, e_val, e_gain, e_queue, e_size, e_listed, e_res, e_mass,
            p_queue, 0, p_listed, p_res, d, tolerance,
        )  # fmt: skip
        e_size = 0
    return p_all, e_all


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
    gain: Array,
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
        amount *= gain[node]
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
    p_gain: Array,
    e_gain: Array,
    p_res: Array,
    e_res: Array,
    d: float,
    tolerance: float,
):
    p_mass, e_mass = np.zeros_like(p_res), np.zeros_like(e_res)
    largest = tolerance + 1.0
    while largest > tolerance:
        _sweep_many(p_ptr, p_ind, p_val, p_gain, p_res, p_mass, e_res, d, tolerance)
        largest = _sweep_many(e_ptr, e_ind, e_val, e_gain, e_res, e_mass, p_res, d, tolerance)
    return p_mass, e_mass


@numba.njit(cache=True)
def _sweep_many(
    ptr: Array,
    ind: Array,
    val: Array,
    gain: Array,
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
            res[node, q] *= gain[node]
            mass[node, q] += (1.0 - d) * res[node, q]
        for j in range(ptr[node], ptr[node + 1]):
            other, weight = ind[j], d * val[j]
            for q in range(width):
                to_res[other, q] += weight * res[node, q]
        for q in range(width):
            res[node, q] = 0.0
    return largest
