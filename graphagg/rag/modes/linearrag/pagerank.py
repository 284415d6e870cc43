"""Stage 2 of LinearRAG: personalized PageRank over passages and entities.

Paper: LinearRAG, arXiv 2510.10114, eq. 6. With reset vector r (sum 1) and transition matrix T of
the undirected passage-entity graph, x = (1 - d) r + d T' x. A node without neighbors teleports.
Since it does so by r, x is the solution without its steps, scaled to sum 1. `graph.pagerank.solve`
sweeps until no node keeps more than `TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.graph.pagerank import degrees_of, nodes_of, solve
from graphagg.rag.modes.linearrag.trigraph import TriGraph

TOLERANCE = 5e-7
"""Residual, of a total of 1, that a node may keep."""


@dataclass(frozen=True)
class PassageScores:
    """PageRank of the passages that a question reaches; all others have none.

    Attributes:
        rows: `[n]` distinct, in any order.
        scores: `[n]`; with the scores of entities they sum to 1.
        unit: the part of a passage's reset that stays in its own score; the rest of the score
            comes from steps.
    """

    rows: Ints
    scores: Doubles
    unit: float


def personalized_pagerank(
    graph: TriGraph, rows: Ints, weights: Doubles, entities: Mapping[int, float], damping: float
) -> PassageScores:
    """PageRank of the passages for a reset of distinct `rows` `[m]` and of `entities`."""
    alpha, walk, count = 1.0 - damping, graph.walk, len(entities)
    of_entities = np.maximum(np.fromiter(entities.values(), np.float64, count), 0.0)
    nodes = np.concatenate([rows, graph.passages + np.fromiter(entities, np.int64, count)])
    values = np.concatenate([weights, of_entities])
    total = float(values.sum()) or 1.0
    values /= total
    is_alone = degrees_of(walk, nodes) == 0
    column = np.zeros((nodes_of(walk), 1))
    column[nodes[~is_alone], 0] = values[~is_alone]
    scores = solve(walk, alpha, column, TOLERANCE)[:, 0]
    scores[nodes[is_alone]] = alpha * values[is_alone]
    rest = 1.0 - damping * float(values[is_alone].sum())
    scores /= rest
    reached = np.flatnonzero(scores[: graph.passages])
    return PassageScores(reached, scores[reached], alpha / (total * rest))
