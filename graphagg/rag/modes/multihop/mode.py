"""The mode `multihop`: direct scores, paths over links, and a choice that covers the question."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.models.encoder import gives_words
from graphagg.rag.modes.multihop.explain import Explainer
from graphagg.rag.modes.multihop.retriever import MultihopSearch
from graphagg.rag.modes.protocol import (
    Distinct,
    EncodedReading,
    QuestionModels,
    ReadingRetriever,
    ranked_in,
    threshold_of,
)
from graphagg.rag.question.reading import Reading
from graphagg.rag.question.results import Explanation, Hit


class Multihop(ReadingRetriever[MultihopConfig]):
    """Direct scores, paths over links, and a choice that covers the question: `best.formula`."""

    mode = "multihop"
    config_type = MultihopConfig

    def encode(self, questions: Sequence[Reading], models: QuestionModels) -> list[EncodedReading]:
        """Encode the questions, with their words where the encoder gives them."""
        encoder = models.encoder()
        if not self.config.rest or not gives_words(encoder):
            return super().encode(questions, models)
        places = [np.array(question.places, np.int64).reshape(-1, 2) for question in questions]
        found = encoder.encode_asked([question.text for question in questions], places)
        return [EncodedReading(q, *vectors) for q, vectors in zip(questions, found, strict=True)]

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[list[Hit]]:
        return [_Answered(self.explainer(question, k)) for question in questions]

    def _more(self, question: EncodedReading, hits: Sequence[Hit], k: int) -> Sequence[Hit]:
        if isinstance(hits, _Answered) and k <= self.config.pool:  # of the same candidates
            return _Answered(hits.explainer.choosing(k), hits)
        return super()._more(question, hits, k)

    def explainer(self, question: EncodedReading, k: int, extra: Sequence[int] = ()) -> Explainer:
        """The answer to a question, in a form that explains itself.

        Args:
            question: to answer.
            k: how many passages to choose.
            extra: rows to score too, which are not chosen.
        """
        snapshot, scope = self.snapshot, self.scope
        retriever = MultihopSearch(snapshot.corpus, scope.view, snapshot.dense, self.config)
        outcome = retriever.answer(
            question.reading, question.vector, k, scope.allowed, extra, question.words
        )
        return Explainer(retriever, outcome)

    def _explain(
        self, question: EncodedReading, row: int, k: int, distinct: Distinct
    ) -> Explanation:
        explainer, hits = self.explainer(question, distinct.asked), distinct.hits
        threshold = threshold_of(hits)
        ranked = ranked_in(hits, self.snapshot.corpus.id(row))
        if ranked is not None:
            rank, hit = ranked
            reason = f"rank {rank}: {explainer.reason(row)}"
            return Explanation(question.text, rank, k, reason, hit, threshold)
        is_candidate = explainer.outcome.position(row) is not None
        if is_candidate:
            reason = "a candidate, but outscored"
        else:
            reason = (
                f"no candidate: not among the {max(k, self.config.pool)} closest by similarity and "
                "words, not named by the question, and no link of the best passages leads to it"
            )
            explainer = self.explainer(question, k, (row,))
        hit = explainer.next_hit(row)
        if threshold is not None:
            reason += f"; it scores {hit.score:.4f}, the last hit {threshold:.4f}"
        if is_candidate:
            reason += f"; {explainer.reason(row)}"
        return Explanation(question.text, None, k, reason, hit, threshold)


class _Answered(list[Hit]):
    """Hits, with the answer that more of them can be chosen from.

    Args:
        explainer: the answer.
        before: its first hits, where they are known.
    """

    def __init__(self, explainer: Explainer, before: Sequence[Hit] = ()) -> None:
        super().__init__([*before, *explainer.hits(len(before))])
        self.explainer = explainer
