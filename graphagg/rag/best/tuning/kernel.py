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
MOST_TITLED, MOST_CHUNKS = 20, 8  # as in `best`
SHARED, SIMILAR = 2, 3
_NONE, _LATER = -20.0, -10.0  # no link; none, but a candidate: a later page of its title


class Rows(NamedTuple):
    """n passages of a question.

    Attributes:
        ranks: `[n]` by which equals are ordered.
        features: `[n, 5]`.
        covers: `[n, t]` which terms each holds.
        weights: `[t]` of the terms.
        pages: `[n, e]` of which named entity each is a page.
        documents: `[n]` a number of the document of which each is a chunk; -1 if it is none.
        first: how many may be in the pool; the others are reached by links alone.
        bounds: `[n, 2]` where the edges of each are; -1 where they were not computed.
    """

    ranks: Array
    features: Array
    covers: Array
    weights: Array
    pages: Array
    documents: Array
    first: int
    bounds: Array


class Links(NamedTuple):
    """m edges.

    Attributes:
        target: `[m]`.
        kind: `[m]` page, lead, shared, similar.
        rarity: `[m]` idf of the entity; of a similar edge the cosine.
        ties: `[m]` how many passages its entity ties; 0 where it leads to its page only.
        sentence: `[m]` cosine of the sentence and the question.
        share: `[m]` of the target in the title that it shares with other pages; 1 for other kinds.
        rest: `[m]` closeness of the target to what the passage that leads to it leaves open.
    """

    target: Array
    kind: Array
    rarity: Array
    ties: Array
    sentence: Array
    share: Array
    rest: Array


class Weights(NamedTuple):
    """The constants, by the names of `BestConfig`."""

    passage: Array
    kinds: Array
    slopes: Array
    sentence: float
    carry: float
    own: float
    joint: float
    rest: float
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
        front = _front(rows, score, raised & ~walked, number, w)
        for p in front:
            if rows.bounds[p, 0] < 0:
                return np.array([-2 - p])
        handed = score.copy()
        if number == 0:
            _hand_on(rows, front, w.level, handed)
        best = score.copy()
        raised[:] = False
        for p in front:
            walked[p] = True
            rest = _mean_rest(rows, links, p, w)
            for e in range(rows.bounds[p, 0], rows.bounds[p, 1]):
                q, kind = links.target[e], links.kind[e]
                if kind == SIMILAR and (number == 1 or not in_pool[q]):
                    continue
                link = _link(links, e, w)
                active[q] |= link > _NONE
                if link <= _LATER:
                    continue
                joint = _together(rows, p, q) - max(held[p], held[q])
                value = handed[p] * (w.carry + link) + w.own * direct[q]
                value += w.joint * joint + w.rest * _above(links, e, rest)
                if value > best[q]:
                    best[q], raised[q] = value, True
        score = best
    return _chosen(rows, score, active, w, k)


@kernel
def _mean_rest(rows: Rows, links: Links, p: int, w: Weights) -> float:
    """The mean closeness over the links of a passage through entities."""
    total, count = 0.0, 0
    for e in range(rows.bounds[p, 0], rows.bounds[p, 1]):
        if links.kind[e] != SIMILAR and _link(links, e, w) > _LATER:
            total += links.rest[e]
            count += 1
    return total / max(count, 1)


@kernel
def _above(links: Links, e: int, mean: float) -> float:
    """How much closer than the mean a link leads; 0 for one by similarity."""
    return 0.0 if links.kind[e] == SIMILAR else float(links.rest[e] - mean)


@kernel
def _link(links: Links, e: int, w: Weights) -> float:
    """The strength of a link; `_NONE` or `_LATER` where there is none."""
    kind, share = links.kind[e], links.share[e]
    link = _strength(links, e, kind, w)
    if link < -5.0:
        return _NONE
    if share == 1.0:
        return link
    mention = _strength(links, e, SHARED, w)
    return _LATER if mention < -5.0 else mention + (link - mention) * share


@kernel
def _strength(links: Links, e: int, kind: int, w: Weights) -> float:
    """Of one link if it were of a kind, as in `best`; -10 where there is none."""
    if 0 < kind < SIMILAR and not 0 < links.ties[e] <= w.most_passages:
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
        worded[i] = w.passage[2] * f[2] + w.passage[3] * (f[3] > 0)
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
def _front(rows: Rows, score: Array, among: Array, number: int, w: Weights) -> Array:
    """The passages that lead on in a round; in the first, other chunks of their documents too."""
    if number > 0:
        return _largest(score, among, rows.ranks, w.second_beam)
    front = _largest(score, among, rows.ranks, w.beam)
    others = np.zeros(len(score), np.bool_)
    for p in front:
        if rows.documents[p] >= 0:
            others |= among & (rows.documents == rows.documents[p])
    for p in front:
        others[p] = False
    return np.concatenate((front, _largest(score, others, rows.ranks, MOST_CHUNKS)))


@kernel
def _hand_on(rows: Rows, front: Array, level: bool, handed: Array) -> None:
    """Let each named page, and then each chunk, of the front hand on as much as the best one."""
    top = -np.inf
    for p in front:
        if level and rows.pages[p].sum() > 0:
            top = max(top, handed[p])
    for p in front:
        if level and rows.pages[p].sum() > 0:
            handed[p] = top
    before = handed.copy()
    for p in front:
        for q in front:
            if rows.documents[p] >= 0 and rows.documents[p] == rows.documents[q]:
                handed[p] = max(handed[p], before[q])


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
