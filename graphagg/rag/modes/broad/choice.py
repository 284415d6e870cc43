"""The choice of mode `broad`: relevant passages of several themes, then of new documents.

The head follows Santos, Macdonald and Ounis, *Exploiting query reformulations for web search result
diversification* (xQuAD), WWW 2010, with the themes of the corpus as the meanings of a question.
With r(d) the relevance of a candidate of `multihop` in [0, 1], t(d) its theme, w(t) the worth of
the theme for the question, and S the passages chosen before, the next passage has the largest

    (1 - spread) r(d) + spread w(t) r(d) product over s of S in t(d) of (1 - r(s)).

w(t) is the sum of r(d)^2 over the candidates of the theme, 1 for the theme with most.

After the head, more of the question's own ranking are passages of documents that are there
already. The others are ordered by weighted reciprocal rank fusion (Cormack,
Clarke and Buettcher 2009) of `multihop`, `dense` and `bm25`,

    f(d) = sum over rankings of weight / (rank_constant + rank of d),

and documents with a chosen passage come after all others. Their scores go on from the last of the
head. How the constants were chosen: docs/decisions/broad.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.rag.config.broad import BroadConfig

_DIGITS = 9


class Candidates(NamedTuple):
    """The passages to choose from, the candidates of `multihop` first.

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
        position: among the candidates.
        relevance, theme, fused: the parts of its score.
        worth: worth of its theme for the question, w(t); 0 after the head.
    """

    position: int
    relevance: float
    theme: float
    fused: float
    worth: float

    @property
    def score(self) -> float:
        """The score that it is ranked by."""
        return self.relevance + self.theme + self.fused


def choose(candidates: Candidates, k: int, config: BroadConfig) -> list[Chosen]:
    """Choose the `k` best candidates, one after another; of equal ones the first.

    Args:
        candidates: of the question.
        k: number of passages.
        config: the weights.
    """
    head = _head(candidates, min(k, config.head), config)
    return head + _tail(candidates, head, k - len(head))


def _head(candidates: Candidates, k: int, config: BroadConfig) -> list[Chosen]:
    """Choose by relevance and themes; each part of a score only falls as more is chosen."""
    themes, relevance = candidates.themes, scaled(candidates.scores)
    worth = worth_of(relevance, themes)
    uncovered = np.ones(len(worth))  # of each theme
    open_ = np.ones(len(relevance), bool)
    chosen: list[Chosen] = []
    for _ in range(min(k, len(relevance))):
        of_theme = config.spread * worth[themes] * relevance * uncovered[themes]
        gain = (1 - config.spread) * relevance + of_theme
        best = int(np.argmax(np.where(open_, np.round(gain, _DIGITS), -np.inf)))
        of_relevance = float((1 - config.spread) * relevance[best])
        theme = themes[best]
        chosen.append(Chosen(best, of_relevance, float(of_theme[best]), 0.0, float(worth[theme])))
        open_[best] = False
        uncovered[theme] *= 1 - relevance[best]
    return chosen


def _tail(candidates: Candidates, head: list[Chosen], k: int) -> list[Chosen]:
    """Choose the next `k` by f(d); passages of documents that were chosen come last."""
    if k <= 0 or not head:
        return []
    documents, fused = candidates.documents, candidates.fused
    taken = {chosen.position for chosen in head}
    seen = {int(documents[position]) for position in taken}
    fresh: list[int] = []
    again: list[int] = []
    for position in np.argsort(-np.round(fused, _DIGITS), kind="stable").tolist():
        if position not in taken:
            document = int(documents[position])
            (again if document in seen else fresh).append(position)
            seen.add(document)
    order = [*fresh, *again][:k]
    # A score never rises: a passage that was put last has at most the worth of the one before.
    worth = np.minimum.accumulate(fused[order]) / max(float(fused.max()), 1e-12)
    return [
        Chosen(position, 0.0, 0.0, head[-1].score * float(share), 0.0)
        for position, share in zip(order, worth, strict=True)
    ]


def scaled(scores: Doubles) -> Doubles:
    """Scale scores from 0 for the least candidate to 1 for the best; all 1 where they are equal."""
    if not len(scores):
        return scores
    low, high = float(scores.min()), float(scores.max())
    relevance: Doubles = (scores - low) / (high - low) if high > low else np.ones(len(scores))
    return relevance


def worth_of(relevance: Doubles, themes: Ints) -> Doubles:
    """`[themes]`, the worth of each for the question: w(t)."""
    sums = np.bincount(themes, relevance**2)
    return sums / max(float(sums.max(initial=0.0)), 1e-12)


def fusion(size: int, rankings: list[tuple[Ints, float]], rank_constant: int) -> Doubles:
    """Fuse rankings into f(d) of each candidate, `[size]`.

    Args:
        size: number of candidates.
        rankings: positions of candidates, best first, and the weight of each ranking.
        rank_constant: number added to ranks, which count from 1.
    """
    fused = np.zeros(size)
    for positions, weight in rankings:
        fused[positions] += weight / (rank_constant + 1.0 + np.arange(len(positions)))
    return fused
