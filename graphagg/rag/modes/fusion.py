"""Follow-up questions: two rankings of a question in a conversation become one.

"And how do I disable it?" is understood behind "How do I encrypt my disk?"; a question that stands
alone needs no turn before it. So a passage has the score

    (s + h t) / (1 + h)

of its score s for the question alone and its score t for the turn before and the question together.
The weight h of the history, from 0 to 1, is

    .75 + .5 overlap + shared - .4 sum of idf / ln N over the question's words that a passage holds

- overlap: the share of the first ten hits that both readings have in common.
- shared: 1 if a content word of the question is in the turn before too.

Mode `multihop` adds the scores before it chooses passages. In the other modes s and t are
reciprocal ranks among the first passages, 1 / (60 + rank).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from graphagg.rag.question.results import Hit
from graphagg.rag.snapshot.lexical import Lexical

RRF_K, RRF_DEPTH = 60, 50
"""The constant of reciprocal rank fusion, and the least number of hits fused from each list."""
FIRST = 10
"""Number of first hits of both readings that are compared."""


def weight_of_history(question: Lexical, passages: int, shared: bool, common: int) -> float:
    """The weight h; `common` of the first ten hits are hits of both readings."""
    idf = question.idf[question.idf < math.log(passages + 1)]  # a word in no passage has more
    rarity = float(idf.sum()) / math.log(max(passages, 2))
    return min(max(0.75 + 0.5 * common / FIRST + shared - 0.4 * rarity, 0.0), 1.0)


def blended(alone: Hit, behind: Hit, weight: float) -> Hit:
    """The hit by both readings, with the path of the one that gives more of its score."""
    share = 1.0 / (1.0 + weight)
    history = weight * share * behind.score
    own = replace(
        alone,
        score=share * alone.score,
        components={name: share * value for name, value in alone.components.items()},
        path=tuple(replace(hop, contribution=share * hop.contribution) for hop in alone.path),
    )
    if history <= own.score:
        return own.with_part("history", history)
    path = tuple(
        replace(hop, contribution=weight * share * hop.contribution) for hop in behind.path
    )
    last = replace(path[-1], contribution=path[-1].contribution + own.score)
    return replace(own.with_part("history", history), path=(*path[:-1], last))


def fused(alone: Sequence[Hit], behind: Sequence[Hit], weight: float) -> list[Hit]:
    """The hits of two rankings by reciprocal ranks, best first; ties go to the lower id."""
    ranked: dict[str, dict[int, Hit]] = {}
    for reading, hits in enumerate((alone, behind)):
        for rank, hit in enumerate(hits, start=1):
            ranked.setdefault(hit.passage.id, {})[reading] = _scored(hit, 1.0 / (RRF_K + rank))
    both = (
        blended(of.get(0) or _scored(of[1], 0.0), of.get(1) or _scored(of[0], 0.0), weight)
        for of in ranked.values()
    )
    return sorted(both, key=lambda hit: (-hit.score, hit.passage.id.encode()))


def _scored(hit: Hit, score: float) -> Hit:
    """A hit with another score."""
    path = tuple(replace(hop, contribution=0.0) for hop in hit.path)
    return replace(hit, score=0.0, components={}, path=path).with_part("rank", score)
