"""The formula of `best` over frozen questions, equal to the retriever.

A question is ranked in about 50 microseconds, a hundredth of what the retriever needs, since
everything that does not depend on the constants is computed once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array
from graphagg.kernels import kernel

TITLE = 3  # the place of the feature; the order is that of `FEATURES` of `best`
MOST_TITLED = 20
SIMILAR = 3


class Rows(NamedTuple):
    """n passages of a question.

    Attributes:
        ranks: `[n]` by which equals are ordered.
        features: `[n, 5]`.
        covers: `[n, t]` which terms each holds.
        weights: `[t]` of the terms.
        pages: `[n, e]` of which named entity each is a page.
        first: how many may be in the pool; the others are reached by links alone.
        bounds: `[n, 2]` where the edges of each are; -1 where they were not computed.
    """

    ranks: Array
    features: Array
    covers: Array
    weights: Array
    pages: Array
    first: int
    bounds: Array


class Links(NamedTuple):
    """m edges.

    Attributes:
        target: `[m]`.
        kind: `[m]` page, lead, shared, similar.
        rarity: `[m]` idf of the entity; of a similar edge the cosine.
        ties: `[m]` how many passages its entity ties; 1 where it leads to its page only.
        sentence: `[m]` cosine of the sentence and the question.
    """

    target: Array
    kind: Array
    rarity: Array
    ties: Array
    sentence: Array


class Weights(NamedTuple):
    """The constants, by the names of `BestConfig`."""

    passage: Array
    kinds: Array
    slopes: Array
    sentence: float
    carry: float
    own: float
    joint: float
    coverage: float
    side: float
    level: bool
    pool: int
    beam: int
    second_beam: int
    most_passages: int


@kernel
def rank(rows: Rows, links: Links, w: Weights, k: int) -> Array:
    """The rows chosen, best first; `[-2 - row]` where the edges of a row are missing."""
    direct = (rows.features * w.passage).sum(axis=1)
    active = _pool(rows, w, k)
    in_pool = active.copy()
    held = rows.covers @ rows.weights
    score = direct.copy()
    walked, raised = np.zeros(len(score), np.bool_), active.copy()
    for number in range(2):
        front = _largest(score, raised & ~walked, rows.ranks, w.second_beam if number else w.beam)
        for p in front:
            if rows.bounds[p, 0] < 0:
                return np.array([-2 - p])
        handed = score.copy()
        if number == 0 and w.level:
            _level(rows, front, direct, handed)
        best = score.copy()
        raised[:] = False
        for p in front:
            walked[p] = True
            for e in range(rows.bounds[p, 0], rows.bounds[p, 1]):
                q, kind = links.target[e], links.kind[e]
                link = _strength(links, e, w)
                if link < -5.0 or (kind == SIMILAR and (number == 1 or not in_pool[q])):
                    continue
                active[q] = True
                joint = _together(rows, p, q) - max(held[p], held[q])
                value = handed[p] * (w.carry + link) + w.own * direct[q] + w.joint * joint
                if value > best[q]:
                    best[q], raised[q] = value, True
        score = best
    return _chosen(rows, score, active, w, k)


@kernel
def _strength(links: Links, e: int, w: Weights) -> float:
    """Of one link, as in `best`; -10 where there is none."""
    kind = links.kind[e]
    if 0 < kind < SIMILAR and not 1 < links.ties[e] <= w.most_passages:
        return -10.0
    return float(w.kinds[kind] + w.slopes[kind] * links.rarity[e] + w.sentence * links.sentence[e])


@kernel
def _together(rows: Rows, p: int, q: int) -> float:
    """The share of the terms that two passages hold between them."""
    both = 0.0
    for t in range(len(rows.weights)):
        both += rows.weights[t] * max(rows.covers[p, t], rows.covers[q, t])
    return both


@kernel
def _pool(rows: Rows, w: Weights, k: int) -> Array:
    """Which rows F is compared for first, `[n]`: the largest prior, and pages that are named."""
    worded, prior = np.zeros(len(rows.ranks)), np.zeros(len(rows.ranks))
    may = np.zeros(len(prior), np.bool_)
    for i in range(rows.first):
        f = rows.features[i]
        worded[i] = w.passage[2] * f[2] + w.passage[3] * f[3]
        prior[i] = worded[i] + (w.passage[0] + w.passage[1]) * f[0]
        may[i] = True
    active = np.zeros(len(prior), np.bool_)
    active[_largest(prior, may, rows.ranks, max(k, w.pool))] = True
    # A named page joins by its words, whatever its similarity.
    active[_largest(worded, may & (rows.features[:, TITLE] > 0), rows.ranks, MOST_TITLED)] = True
    return active


@kernel
def _largest(score: Array, among: Array, ranks: Array, count: int) -> Array:
    """Positions of the `count` largest scores, largest first; of equals the lower rank."""
    positions = np.flatnonzero(among)
    order = positions[np.argsort(ranks[positions], kind="mergesort")]
    return order[np.argsort(-score[order], kind="mergesort")][:count]


@kernel
def _level(rows: Rows, front: Array, direct: Array, handed: Array) -> None:
    """Let each named page of the front hand on as much as the best of them."""
    top = -np.inf
    for p in front:
        if rows.pages[p].sum() > 0:
            top = max(top, direct[p])
    for p in front:
        if rows.pages[p].sum() > 0:
            handed[p] = top


@kernel
def _chosen(rows: Rows, score: Array, active: Array, w: Weights, k: int) -> Array:
    """Choose rows one after another, by score and by what they are the first to hold."""
    terms, sides = np.zeros(rows.covers.shape[1]), np.zeros(rows.pages.shape[1])
    left, out = active.copy(), np.full(min(k, active.sum()), -1)
    total = np.empty(len(score))
    for place in range(len(out)):
        for i in np.flatnonzero(left):
            total[i] = score[i]
            for t in range(len(terms)):
                total[i] += w.coverage * rows.weights[t] * max(rows.covers[i, t] - terms[t], 0.0)
            for e in range(len(sides)):
                total[i] += w.side * max(rows.pages[i, e] - sides[e], 0.0)
        best = _largest(total, left, rows.ranks, 1)[0]
        out[place], left[best] = best, False
        terms, sides = np.maximum(terms, rows.covers[best]), np.maximum(sides, rows.pages[best])
    return out
