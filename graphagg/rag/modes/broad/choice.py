"""The choice of mode `broad`: relevant passages of several themes, then what is left untold.

The head follows Santos, Macdonald and Ounis, *Exploiting query reformulations for web search result
diversification* (xQuAD), WWW 2010, with themes of the corpus as what a question may mean. With r(d)
the relevance of a candidate of `multihop` in [0, 1], t(d) its theme, w(t) what the theme is worth
for the question, and S what was chosen before, the next passage has the largest

    (1 - spread) r(d) + spread w(t) r(d) product over s of S in t(d) of (1 - r(s)).

w(t) is the sum of r(d)^2 over the candidates of the theme, 1 for the theme with most.

After the head the question's own ranking has told what it knows best: more of it are passages of
the documents that are there. What follows is ordered by weighted reciprocal rank fusion (Cormack,
Clarke and Buettcher 2009) of `multihop`, `dense` and `bm25`,

    f(d) = sum over rankings of weight / (rank_constant + rank of d),

and a document of which a passage was chosen comes after all of which none was. Its scores go on
from the last of the head. How the constants were chosen: docs/decisions/broad.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.rag.config.broad import BroadConfig

_DIGITS = 9


class Candidates(NamedTuple):
    """What may be chosen, the candidates of `multihop` first.

    Attributes:
        scores: `[b]` of the candidates of `multihop`.
        themes: `[b]`, the theme of each of them.
        documents: `[n]`, the document of every candidate, a number below `n`.
        fused: `[n]`, f(d).
    """

    scores: Doubles
    themes: Ints
    documents: Ints
    fused: Doubles


class Chosen(NamedTuple):
    """A passage that was chosen.

    Attributes:
        place: among the candidates.
        relevance, theme, fused: the parts of its score.
        worth: of its theme for the question, w(t); 0 after the head.
    """

    place: int
    relevance: float
    theme: float
    fused: float
    worth: float

    @property
    def score(self) -> float:
        """What it is ranked by."""
        return self.relevance + self.theme + self.fused


def choose(candidates: Candidates, k: int, config: BroadConfig) -> list[Chosen]:
    """The `k` best candidates, in the order of choice; of equal ones the first.

    Args:
        candidates: of the question.
        k: how many.
        config: the weights.
    """
    head = _head(candidates, min(k, config.head), config)
    return head + _rest(candidates, head, k - len(head))


def _head(candidates: Candidates, k: int, config: BroadConfig) -> list[Chosen]:
    """What is chosen by relevance and themes; each part only falls as more is chosen."""
    themes, relevance = candidates.themes, scaled(candidates.scores)
    worth = worth_of(relevance, themes)
    left = np.ones(len(worth))  # what no chosen passage of a theme covers
    open_ = np.ones(len(relevance), bool)
    chosen: list[Chosen] = []
    for _ in range(min(k, len(relevance))):
        of_theme = config.spread * worth[themes] * relevance * left[themes]
        gain = (1 - config.spread) * relevance + of_theme
        place = int(np.argmax(np.where(open_, np.round(gain, _DIGITS), -np.inf)))
        of_relevance = float((1 - config.spread) * relevance[place])
        theme = themes[place]
        chosen.append(Chosen(place, of_relevance, float(of_theme[place]), 0.0, float(worth[theme])))
        open_[place] = False
        left[theme] *= 1 - relevance[place]
    return chosen


def _rest(candidates: Candidates, head: list[Chosen], k: int) -> list[Chosen]:
    """The `k` that follow: by f(d), a document that was told last."""
    if k <= 0 or not head:
        return []
    documents, fused = candidates.documents, candidates.fused
    taken = {chosen.place for chosen in head}
    told = {int(documents[place]) for place in taken}
    fresh: list[int] = []
    again: list[int] = []
    for place in np.argsort(-np.round(fused, _DIGITS), kind="stable").tolist():
        if place not in taken:
            document = int(documents[place])
            (again if document in told else fresh).append(place)
            told.add(document)
    order = [*fresh, *again][:k]
    # A score never rises: one that was put last is worth what stands before it at most.
    worth = np.minimum.accumulate(fused[order]) / max(float(fused.max()), 1e-12)
    return [
        Chosen(place, 0.0, 0.0, head[-1].score * float(part), 0.0)
        for place, part in zip(order, worth, strict=True)
    ]


def scaled(scores: Doubles) -> Doubles:
    """From 0 for the least of the candidates to 1 for the best; all 1 where they are equal."""
    if not len(scores):
        return scores
    low, high = float(scores.min()), float(scores.max())
    relevance: Doubles = (scores - low) / (high - low) if high > low else np.ones(len(scores))
    return relevance


def worth_of(relevance: Doubles, themes: Ints) -> Doubles:
    """`[themes]`, what each is worth for the question: w(t)."""
    sums = np.bincount(themes, relevance**2)
    return sums / max(float(sums.max(initial=0.0)), 1e-12)


def fusion(size: int, rankings: list[tuple[Ints, float]], rank_constant: int) -> Doubles:
    """`[size]`, f(d) of each candidate.

    Args:
        size: how many candidates there are.
        rankings: places of candidates, the first the best, and the weight of each ranking.
        rank_constant: that ranks, from 1, are raised by.
    """
    fused = np.zeros(size)
    for places, weight in rankings:
        fused[places] += weight / (rank_constant + 1.0 + np.arange(len(places)))
    return fused
