"""Follow-up questions: combine two rankings of a question in a conversation.

"And how do I disable it?" only makes sense after "How do I encrypt my disk?"; a question that is
complete by itself does not need the previous turn. So the score of a passage is

    (s + h t) / (1 + h)

with its score s for the question alone and its score t for the previous turn plus the question.
Only the first `DEPTH` hits by t are used. A passage that is not among them gets the t of the last
one; a passage among them gets at least the s of hit `DEPTH` of the question alone. The weight h of
the history is the product of two factors, each clipped to 0..1: whether the previous turn has the
same subject, and whether the question needs that turn,

    (.2 + held + shared) (1.6 - .4 rarity)

- held: the share, by idf, of the turn's words that the first five hits of the question contain.
- shared: 1 if a content word of the question is also in the previous turn.
- rarity: the sum of idf / ln N over the question's words that are in at least one passage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graphagg.nearest.vectors import Rows
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.modes.protocol import EncodedQuestion, PassageSource, Ranking, Retriever
from graphagg.rag.question.results import Hit

DEPTH = 10
"""Number of hits of the ranking with history that are used."""
FIRST = 5
"""Number of first hits that are compared with the previous turn."""


def rank_follow_up(
    retriever: Retriever, question: EncodedQuestion, with_history: EncodedQuestion, k: int
) -> Ranking:
    """Rank passages for a question alone and for the previous turn plus the question."""
    alone = retriever.rank(question, k)
    first = [retriever.snapshot.known_row(hit.passage.id) for hit in alone.take(FIRST)]
    turn = with_history.text.removesuffix(question.text)
    before = retriever.source.read_terms(turn).terms
    rows = np.array(first, np.int64)
    weight = weight_of_history(retriever.source, question.terms, before, rows)
    return FollowUpRanking(alone, retriever.rank(with_history, k), weight) if weight else alone


def weight_of_history(
    source: PassageSource, question: Sequence[Term], turn: Sequence[Term], first: Rows
) -> float:
    """Return the weight h; `first` are the rows of the question's first hits."""
    idf, passages = source.lexical(question).idf, source.view.passages
    known = idf[idf < math.log(passages + 1)]  # larger if no passage has the word
    rarity = float(known.sum()) / math.log(max(passages, 2))
    before, shared = source.lexical(turn), any(term in turn for term in question)
    held = float(before.covers(first).max(axis=0, initial=0.0) @ before.weights)
    return min(0.2 + held + shared, 1.0) * min(max(1.6 - 0.4 * rarity, 0.0), 1.0)


class FollowUpRanking(Ranking):
    """Passages by the scores of a follow-up question with and without the previous turn."""

    def __init__(self, alone: Ranking, with_history: Ranking, weight: float) -> None:
        self._alone, self._with_history, self._weight = alone, with_history, weight
        self.scores, self.spread = alone.scores, alone.spread

    def reason(self, row: int) -> str | None:
        """Explain how the question alone reaches a passage."""
        return self._alone.reason(row)

    def take(self, n: int) -> list[Hit]:
        """Return the first `n` hits of the combined ranking; ties go to the lower id."""
        alone, others = self._alone.take(max(n, DEPTH)), self._with_history.take(DEPTH)
        own, other = ({hit.passage.id: hit for hit in hits} for hits in (alone, others))
        last = alone[:DEPTH][-1].score, others[-1].score
        for name in own.keys() & other.keys():
            if own[name].score < last[0]:  # so that no hit depends on `n`
                del own[name]
        hits = [self._blended(own.get(name), other.get(name), *last) for name in own | other]
        return sorted(hits, key=lambda hit: (-hit.score, hit.passage.id.encode()))[:n]

    def _blended(
        self, own: Hit | None, other: Hit | None, last_own: float, last_other: float
    ) -> Hit:
        """Build the hit of a passage; its path comes from the ranking with the larger share."""
        share, weight = 1.0 / (1.0 + self._weight), self._weight / (1.0 + self._weight)
        score = share * (own.score if own else last_own)
        history = weight * (other.score if other else last_other)
        parts = {n: share * x for n, x in own.components.items()} if own else {"question": score}
        hit, factor, rest = own, share, history
        if own is None or (other is not None and history > score):
            hit, factor, rest = other, weight, score
        assert hit is not None, "one of the rankings holds it"
        *path, last = (replace(hop, contribution=factor * hop.contribution) for hop in hit.path)
        path.append(replace(last, contribution=last.contribution + rest))
        components = {**parts, "history": history}
        return replace(hit, score=score + history, components=components, path=tuple(path))
