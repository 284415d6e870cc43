"""Stage 2 of LinearRAG: personalized PageRank over passages and entities.

Paper: LinearRAG, arXiv 2510.10114, eq. 6. With reset vector r (sum 1) and transition matrix T of
the undirected passage-entity graph, x = (1 - d) r + d T' x. A node without neighbors teleports;
since it does so by r, x is the solution without it, scaled to sum 1.

x is computed by `graph.push`. An exact walk sweeps until no node keeps more than `TOLERANCE`. A
bounded walk lets each node keep `EPSILON` for each of its edges, so that at most
1 / (EPSILON (1 - d)) edges are read, however large the graph is; a score is too small by less than
`EPSILON` times the degree of a node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.graph.push import Limits, degrees_of, nodes_of, push, solve
from graphagg.rag.modes.linearrag.trigraph import TriGraph

TOLERANCE = 1e-7
"""Residual, of a total of 1, that a node may keep in an exact walk."""
EPSILON = 1e-5
"""Residual, of a total of 1, that a node may keep for each of its edges in a bounded walk."""


@dataclass(frozen=True)
class Reset:
    """The reset of a question.

    Attributes:
        rows: `[m]` distinct passages.
        weights: `[m]` their weights, not negative.
        entities: weights of entities; negative ones count as 0.
    """

    rows: Ints
    weights: Doubles
    entities: Mapping[int, float]


@dataclass(frozen=True)
class PassageScores:
    """PageRank of the passages that a question comes to; all others have none.

    Attributes:
        rows: `[n]` distinct, in any order.
        scores: `[n]`; with the scores of entities they sum to 1.
        unit: how much of each unit of a passage's reset stays in its own score before any step;
            the rest of the score is what steps bring.
    """

    rows: Ints
    scores: Doubles
    unit: float


def personalized_pagerank(
    graph: TriGraph, reset: Reset, *, damping: float, exact: bool
) -> PassageScores:
    """PageRank of the passages.

    Args:
        graph: passages and entities.
        reset: of a question.
        damping: d.
        exact: whether to walk until next to nothing stays, or to bound the work.
    """
    alpha, linked = 1.0 - damping, _Linked.from_reset(graph, reset)
    if not exact:
        reached, scores = push(graph.walk, Limits(alpha, EPSILON), linked.nodes, linked.values)
    else:
        column = np.zeros((nodes_of(graph.walk), 1))
        column[linked.nodes, 0] = linked.values
        solved = solve(graph.walk, alpha, column, TOLERANCE)[: graph.passages, 0]
        reached = np.flatnonzero(solved)
        scores = solved[reached]
    return linked.scores(graph, alpha, reached, scores)


@dataclass(frozen=True)
class _Linked:
    """A reset of sum 1, without the nodes that have no neighbor: these teleport at once.

    Attributes:
        nodes: `[m]` the others.
        values: `[m]` the reset of each.
        alone: the nodes without a neighbor, and `alone_values`, the reset of each.
        total: what the reset summed to.
    """

    nodes: Ints
    values: Doubles
    alone: Ints
    alone_values: Doubles
    total: float

    @classmethod
    def from_reset(cls, graph: TriGraph, reset: Reset) -> _Linked:
        count = len(reset.entities)
        of_entities = np.maximum(np.fromiter(reset.entities.values(), np.float64, count), 0.0)
        entities = graph.passages + np.fromiter(reset.entities, np.int64, count)
        nodes = np.concatenate([reset.rows, entities])
        values = np.concatenate([reset.weights, of_entities])
        total = float(values.sum()) or 1.0
        values /= total
        alone = degrees_of(graph.walk, nodes) == 0
        return cls(nodes[~alone], values[~alone], nodes[alone], values[alone], total)

    def scores(
        self, graph: TriGraph, alpha: float, reached: Ints, scores: Doubles
    ) -> PassageScores:
        """The passages' scores, from the scores of the nodes that were reached."""
        kept = 1.0 - (1.0 - alpha) * float(self.alone_values.sum())
        reached = np.concatenate([reached, self.alone])
        scores = np.concatenate([scores, alpha * self.alone_values]) / kept
        is_passage = reached < graph.passages
        return PassageScores(reached[is_passage], scores[is_passage], alpha / (self.total * kept))
