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
from graphagg.graph.push import Limits, degrees_of, push, solve
from graphagg.rag.linearrag.trigraph import TriGraph

TOLERANCE = 1e-9
"""Residual, of a total of 1, that a node may keep in an exact walk."""
EPSILON = 1e-5
"""Residual, of a total of 1, that a node may keep for each of its edges in a bounded walk."""


@dataclass(frozen=True)
class PassageScores:
    """PageRank of the passages that a question comes to; all others have none.

    Attributes:
        rows: `[n]` distinct, in any order.
        scores: `[n]`; with those of the entities they sum to 1.
        unit: how much of each unit of a passage's reset stays in its own score before any step;
            the rest of the score is what steps bring.
    """

    rows: Ints
    scores: Doubles
    unit: float


def personalized_pagerank(
    graph: TriGraph,
    rows: Ints,
    reset: Doubles,
    entities: Mapping[int, float],
    *,
    damping: float,
    weighted: bool,
    exact: bool,
) -> PassageScores:
    """PageRank of the passages.

    Args:
        graph: passages and entities.
        rows: `[m]` distinct passages of the reset.
        reset: `[m]` their weights, not negative.
        entities: weights of entities; negative ones count as 0.
        damping: d.
        weighted: whether edges weigh N_ep over the passage's sum; else all the same.
        exact: whether to push until next to nothing stays, or to bound the work.
    """
    walk = graph.walk(weighted)
    of_entities = np.maximum(np.fromiter(entities.values(), np.float64, len(entities)), 0.0)
    nodes = np.concatenate([rows, graph.passages + np.fromiter(entities, np.int64, len(entities))])
    values = np.concatenate([reset, of_entities])
    total = float(values.sum()) or 1.0
    values /= total
    alone = (degrees_of(walk, nodes) == 0) & ~graph.has_leaves(nodes)  # these teleport at once
    starts, resets, alpha = nodes[~alone], values[~alone], 1.0 - damping
    if exact:
        scores = solve(walk, alpha, starts, resets, TOLERANCE)
        reached = np.flatnonzero(scores)
        scores = scores[reached]
    else:
        reached, scores = push(walk, Limits(alpha, EPSILON), starts, resets)
    kept = 1.0 - damping * float(values[alone].sum())
    reached = np.concatenate([reached, nodes[alone]])
    scores = np.concatenate([scores, alpha * values[alone]]) / kept
    is_passage = reached < graph.passages
    return PassageScores(reached[is_passage], scores[is_passage], alpha / (total * kept))
