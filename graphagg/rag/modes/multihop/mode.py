"""The mode `multihop`: direct scores, paths over links, and a choice that covers the question."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.models.encoder import gives_words
from graphagg.rag.modes.multihop.candidates import QuestionScores
from graphagg.rag.modes.multihop.hits import HitMaker
from graphagg.rag.modes.multihop.ranking import Ranking
from graphagg.rag.modes.multihop.search import MultihopSearch
from graphagg.rag.modes.protocol import (
    Distinct,
    EncodedReading,
    QuestionModels,
    Ranked,
    ReadingRetriever,
    ranked_in,
    threshold_of,
)
from graphagg.rag.question.reading import Reading
from graphagg.rag.question.results import Explanation, Hit


class Multihop(ReadingRetriever[MultihopConfig]):
    """Direct scores, paths over links, and a choice that covers the question."""

    mode = "multihop"
    config_type = MultihopConfig

    def encode(self, questions: Sequence[Reading], models: QuestionModels) -> list[EncodedReading]:
        """Encode the questions, with their words where the encoder gives them."""
        encoder = models.encoder()
        if not self.config.open_terms or not gives_words(encoder):
            return super().encode(questions, models)
        spans = [np.array(question.spans, np.int64).reshape(-1, 2) for question in questions]
        encoded = encoder.encode_asked([question.text for question in questions], spans)
        return [EncodedReading(q, *vectors) for q, vectors in zip(questions, encoded, strict=True)]

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[Ranked]:
        return [self._ranked(question, k) for question in questions]

    def _ranked(self, question: EncodedReading, k: int) -> Ranked:
        """Rank once; more hits are chosen from the same ranking, up to the size of the pool."""
        ranking = self.ranking(question, k)
        maker = HitMaker(self.search, ranking)

        def longer(n: int, hits: Sequence[Hit]) -> list[Hit]:
            return [*hits, *maker.hits(ranking.choose(self.config, n)[len(hits) :])]

        return Ranked(longer(k, ()), longer, self.config.pool)

    @property
    def search(self) -> MultihopSearch:
        """The search over the visible passages."""
        snapshot = self.snapshot
        return MultihopSearch(snapshot.corpus, self.scope.view, snapshot.dense, self.config)

    def ranking(self, question: EncodedReading, k: int, extra: Sequence[int] = ()) -> Ranking:
        """Compute everything from which the `k` best passages of a question are chosen.

        Args:
            question: to answer.
            k: number of passages that will be chosen.
            extra: rows to score too, which are not chosen.
        """
        reading, view, dense = question.reading, self.scope.view, self.snapshot.dense
        compared = QuestionScores(reading, question.vector, question.words, view, dense)
        return self.search.rank(compared, k, self.scope.allowed, extra)

    def _explain(
        self, question: EncodedReading, row: int, k: int, distinct: Distinct
    ) -> Explanation:
        ranking, hits = self.ranking(question, distinct.asked), distinct.hits
        chosen, maker = ranking.choose(self.config, distinct.asked), HitMaker(self.search, ranking)
        threshold = threshold_of(hits)
        ranked = ranked_in(hits, self.snapshot.corpus.id(row))
        if ranked is not None:
            rank, hit = ranked
            reason = f"rank {rank}: {maker.reason(row)}"
            return Explanation(question.text, rank, k, reason, hit, threshold)
        is_candidate = ranking.position(row) is not None
        if is_candidate:
            reason = "a candidate, but outscored"
        else:
            reason = (
                f"no candidate: not among the {max(k, self.config.pool)} closest by similarity and "
                "words, not named by the question, and no link of the best passages leads to it"
            )
            ranking = self.ranking(question, k, (row,))
            chosen, maker = ranking.choose(self.config, k), HitMaker(self.search, ranking)
        hit = maker.next_hit(row, chosen)
        if threshold is not None:
            reason += f"; it scores {hit.score:.4f}, the last hit {threshold:.4f}"
        if is_candidate:
            reason += f"; {maker.reason(row)}"
        return Explanation(question.text, None, k, reason, hit, threshold)
