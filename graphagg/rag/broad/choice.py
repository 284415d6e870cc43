"""The choice of mode `broad`: relevant passages that cover several themes.

Santos, Macdonald and Ounis, *Exploiting query reformulations for web search result diversification*
(xQuAD), WWW 2010, with themes of the corpus as what a question may mean. With r(d) the relevance of
a candidate in [0, 1], t(d) its theme, D(d) its document, w(t) what the theme is worth for the
question, and S what was chosen before, the next passage has the largest

    (1 - spread) r(d)
    + spread w(t) r(d) product over s of S in t(d) of (1 - r(s))
    - repeat r(d) (1 - product over s of S in D(d) of (1 - r(s)))
    - overlap max over s of S of cos(d, s).

w(t) is the sum of r(d)^2 over the candidates of the theme, 1 for the theme with most. A passage
that is no chunk is a document of its own. The last part is that of maximal marginal relevance
(Carbonell and Goldstein 1998). Each part only falls as S grows, so that scores descend.

On the first halves of entailmentbank and pubmedqa (`python -m benchmarks.broad sets ... --choose`)
any overlap costs coverage, and every spread up to .3 is within a tenth of a point on the sum of
coverage@10 and @20: what they ask for lies in few themes. Over a folder (`benchmarks.broad folder`)
a `repeat` of .3 brings 2.3 points at 20 and costs 2.1 at 10, so that it is off.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints
from graphagg.rag.broad.config import BroadConfig

_DIGITS = 9


class Chosen(NamedTuple):
    """A passage that was chosen.

    Attributes:
        place: among the candidates.
        relevance, theme, repeat, overlap: the parts of its score.
        worth: of its theme for the question, w(t).
    """

    place: int
    relevance: float
    theme: float
    repeat: float
    overlap: float
    worth: float

    @property
    def score(self) -> float:
        """What it is ranked by."""
        return self.relevance + self.theme + self.repeat + self.overlap


def choose(
    scores: Doubles, themes: Ints, documents: Ints, vectors: Array, k: int, config: BroadConfig
) -> list[Chosen]:
    """The `k` best candidates, in the order of choice; of equal ones the first.

    Args:
        scores: `[n]` of the candidates.
        themes: `[n]`, the theme of each.
        documents: `[n]`, the document of each.
        vectors: `[n, d]`, rows of length 1.
        k: how many.
        config: the weights.
    """
    relevance = scaled(scores)
    worth = worth_of(relevance, themes)
    left = np.ones(int(themes.max(initial=0)) + 1)  # what no chosen passage of a theme covers
    untold = np.ones(int(documents.max(initial=0)) + 1)  # of a document, likewise
    near = np.zeros(len(scores))
    open_ = np.ones(len(scores), bool)
    chosen: list[Chosen] = []
    for _ in range(min(k, len(scores))):
        of_theme = config.spread * worth[themes] * relevance * left[themes]
        again = config.repeat * relevance * (1 - untold[documents])
        gain = (1 - config.spread) * relevance + of_theme - again - config.overlap * near
        place = int(np.argmax(np.where(open_, np.round(gain, _DIGITS), -np.inf)))
        chosen.append(
            Chosen(
                place,
                float((1 - config.spread) * relevance[place]),
                float(of_theme[place]),
                float(-again[place]),
                float(-config.overlap * near[place]),
                float(worth[themes[place]]),
            )
        )
        open_[place] = False
        left[themes[place]] *= 1 - relevance[place]
        untold[documents[place]] *= 1 - relevance[place]
        near = np.maximum(near, np.einsum("nd,d->n", vectors, vectors[place]))
    return chosen


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
