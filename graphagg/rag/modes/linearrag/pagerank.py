"""Stage 2 of LinearRAG: personalized PageRank over passages and entities.

Paper: LinearRAG, arXiv 2510.10114, eq. 6. With reset vector r (sum 1) and transition matrix T of
the undirected passage-entity graph, x = (1 - d) r + d T' x. A node without neighbors teleports
to r, so x is the solution without the steps of such nodes, scaled to sum 1. The graph is
bipartite, so we update the two sides in turn; after n rounds at most d^(2n) of the total is
missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from graphagg.arrays import Doubles
from graphagg.rag.modes.linearrag.trigraph import TriGraph

TOLERANCE = 1e-6
"""The share of the total that may be missing."""


def personalized_pagerank(
    graph: TriGraph, weights: Doubles, entities: Mapping[int, float], damping: float
) -> tuple[Doubles, float]:
    """Compute the PageRank `[R]` of the passages; the reset is `weights` `[R]` and `entities`.

    Also returns the part of a passage's reset that stays in its own score; the rest of the score
    comes from steps.
    """
    of_entities = np.zeros(len(graph.per_entity))
    values = np.fromiter(entities.values(), np.float64, len(entities))
    of_entities[np.fromiter(entities, np.int64, len(entities))] = np.maximum(values, 0.0)
    alpha, total = 1.0 - damping, float(weights.sum() + of_entities.sum()) or 1.0
    reset, of_entities = weights * (alpha / total), of_entities * (alpha / total)
    to_passages, to_entities = damping * graph.per_entity, damping * graph.per_passage
    scores = reset
    for _ in range(math.ceil(math.log(TOLERANCE) / math.log(damping) / 2)):
        reached = of_entities + graph.to_entities(scores * to_entities)
        scores = reset + graph.to_passages(reached * to_passages)
    everything = float(scores.sum() + reached.sum()) or 1.0
    return scores / everything, alpha / (total * everything)
