"""The two stages of LinearRAG as literally and slowly as they can be written, in dense numpy.

Nothing is shared with the library: dense incidence matrices, loops, a direct linear solve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Dense:
    """A Tri-Graph with dense matrices and a question on it.

    C [P, E] counts of the entities found, N [P, E] counts of all occurrences, M [S, E] 0/1,
    passages [P], sentences [S], entities [E]: similarity of each to the question; seeds: entity
    ids with their scores, in order.
    """

    C: np.ndarray
    N: np.ndarray
    M: np.ndarray
    passages: np.ndarray
    sentences: np.ndarray
    seeds: list[tuple[int, float]]


def activate(g: Dense, T, delta, k):
    weight, value, level = {}, {}, {}
    for e, score in g.seeds:
        weight[e], value[e], level[e] = score, score, 1
    used, frontier = set(), dict(value)
    iteration = 1
    while frontier and iteration < T:
        following = {}
        for e, score in frontier.items():
            if score < delta:
                continue
            free = [s for s in range(len(g.M)) if g.M[s, e] and s not in used]
            for s in sorted(free, key=lambda s: (-g.sentences[s], s))[:k]:
                used.add(s)
                passed = score * g.sentences[s]
                if passed < delta:
                    continue
                for other in range(g.M.shape[1]):
                    if g.M[s, other]:
                        weight[other] = weight.get(other, 0.0) + passed
                        following[other] = passed
        iteration += 1
        for other, passed in following.items():
            value[other], level[other] = passed, iteration
        frontier = following
    return weight, value, level


def scores(g: Dense, T, delta, k, ratio, node_weight, d):
    """The PageRank of every passage, `[P]`."""
    P, E = g.C.shape
    weight, value, level = activate(g, T, delta, k)
    A = np.array([row / row.sum() if row.sum() else row for row in g.C.astype(float)])
    reset = np.zeros(P + E)
    low, high = g.passages.min(), g.passages.max()
    for p in range(P):
        bonus = sum(max(v, 0.0) * math.log(1 + g.N[p, e]) / level[e] for e, v in value.items())
        scaled = (g.passages[p] - low) / (high - low) if high > low else 0.0
        reset[p] = (ratio * scaled + math.log(1 + bonus)) * node_weight
    for e, w in weight.items():
        reset[P + e] = max(w, 0.0)
    if reset.sum() == 0:
        return np.zeros(P)
    reset /= reset.sum()
    W = np.block([[np.zeros((P, P)), A], [A.T, np.zeros((E, E))]])
    T_ = np.zeros_like(W)
    for i in range(P + E):
        T_[i] = W[i] / W[i].sum() if W[i].sum() else reset  # a dangling node teleports
    x = np.linalg.solve(np.eye(P + E) - d * T_.T, (1 - d) * reset)
    return x[:P]
