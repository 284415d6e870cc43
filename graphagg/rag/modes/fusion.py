"""Follow-up questions: two rankings of a question in a conversation become one.

"And how do I disable it?" is understood behind "How do I encrypt my disk?"; a question that stands
alone needs no turn before it. So a passage has the score

    (s + h t) / (1 + h)

of its score s for the question alone and its score t for the turn before and the question together.
The weight h of the history, from 0 to 1, is a product of two parts, each cut to 0..1: whether the
turn before has the same subject, and whether the question needs one,

    (.2 + held + shared) (1.6 - .4 rarity)

- held: the share, by idf, of the turn's words that the first five hits of the question hold.
- shared: 1 if a content word of the question is in the turn before too.
- rarity: the sum of idf / ln N over the question's words that a passage holds.

Mode `multihop` adds the scores before it chooses passages. In the other modes s and t are
reciprocal ranks among the first passages, 1 / (60 + rank).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from graphagg.rag.documents.analyzer import Term
from graphagg.rag.question.results import Hit
from graphagg.rag.snapshot.lexical import Lexical
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View

RRF_K, RRF_DEPTH = 60, 50
"""The constant of reciprocal rank fusion, and the least number of hits fused from each list."""
FIRST = 5
"""Number of first hits that are compared with the turn before."""


def weight_of_history(
    view: View, question: Sequence[Term], turn: Sequence[Term], first: Rows
) -> float:
    """The weight h by the words of both; `first` are the rows of the question's first hits."""
    idf = Lexical(view, question).idf
    known = idf[idf < math.log(view.passages + 1)]  # a word in no passage has more
    rarity = float(known.sum()) / math.log(max(view.passages, 2))
    before, shared = Lexical(view, turn), any(term in turn for term in question)
    held = float(before.covers(first).max(axis=0, initial=0.0) @ before.weights)
    return min(0.2 + held + shared, 1.0) * min(max(1.6 - 0.4 * rarity, 0.0), 1.0)


def fused(alone: Sequence[Hit], behind: Sequence[Hit], weight: float) -> list[Hit]:
    """The hits of two rankings by reciprocal ranks, best first; ties go to the lower id."""
    parts: dict[str, dict[str, float]] = {}
    for name, hits, factor in (("rank", alone, 1.0), ("history", behind, weight)):
        for rank, hit in enumerate(hits, start=1):
            part = factor / (1.0 + weight) / (RRF_K + rank)
            parts.setdefault(hit.passage.id, {})[name] = part
    hit_of = {hit.passage.id: hit for hit in (*behind, *alone)}
    best = sorted(parts, key=lambda name: (-sum(parts[name].values()), name.encode()))
    return [_scored(hit_of[name], parts[name]) for name in best]


def _scored(hit: Hit, components: dict[str, float]) -> Hit:
    """A hit with another score."""
    path, score = [replace(hop, contribution=0.0) for hop in hit.path], sum(components.values())
    path[-1] = replace(path[-1], contribution=score)
    return replace(hit, score=score, components=components, path=tuple(path))
