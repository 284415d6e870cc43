"""The modes for questions about a corpus as a whole: `broad`, and `auto`, which chooses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graphagg.arrays import Ints
from graphagg.rag.config.broad import BroadConfig
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.broad.covering import Rankings, covering
from graphagg.rag.modes.broad.rule import decide
from graphagg.rag.modes.multihop.mode import Multihop
from graphagg.rag.modes.plain import worded_hits
from graphagg.rag.modes.protocol import NOTHING_ADDED, EncodedReading, ReadingRetriever
from graphagg.rag.question.rescoring import Rescoring
from graphagg.rag.question.results import Explanation, Hit
from graphagg.rag.snapshot.dense import dense_hits
from graphagg.rag.tables.vectors import Rows


class Broad(ReadingRetriever[BroadConfig]):
    """Passages that `multihop` finds, chosen to cover several themes: `broad.choice`."""

    mode = "broad"
    config_type = BroadConfig

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[list[Hit]]:
        return [self._covering(question, k) for question in questions]

    def _covering(self, question: EncodedReading, k: int) -> list[Hit]:
        rankings = self.rankings(question, max(self.config.pool, k))
        return covering(self.snapshot, self.scope.view, rankings, k, self.config)

    def rankings(self, question: EncodedReading, depth: int) -> Rankings:
        """What `multihop`, `dense` and `bm25` say to a question, `depth` rows each."""
        snapshot, scope = self.snapshot, self.scope
        best = Multihop(snapshot, scope, MultihopConfig())
        explainer = best.explainer(question, depth)
        near = dense_hits(snapshot.dense, scope.view, question.vector, depth, scope.allowed)
        worded = worded_hits(snapshot, scope, question.reading, depth)
        return Rankings(
            explainer.outcome.candidates.rows[explainer.outcome.chosen],
            explainer.scores(),
            self._rows(near),
            self._rows([hit for hit in worded if hit.score > 0]),
        )

    def _rows(self, hits: Sequence[Hit]) -> Ints:
        return np.array([self.snapshot.known_row(hit.passage.id) for hit in hits], np.int64)


class Auto(ReadingRetriever[object]):
    """`broad` or `multihop`, by a rule over the question alone: `broad.rule`."""

    mode = "auto"

    def answer(
        self,
        questions: Sequence[EncodedReading],
        k: int,
        min_score: float | None = None,
        rescoring: Rescoring = NOTHING_ADDED,
    ) -> list[list[Hit]]:
        """What the mode that the rule chooses answers to each question."""
        return [self._chosen(q).answer([q], k, min_score, rescoring)[0] for q in questions]

    def explain(
        self,
        question: EncodedReading,
        row: int,
        k: int,
        rescoring: Rescoring = NOTHING_ADDED,
    ) -> Explanation:
        """What the chosen mode says, and why it was chosen."""
        found = self._chosen(question).explain(question, row, k, rescoring)
        decision = decide(question.reading)
        name = "broad" if decision.is_broad else "multihop"
        return replace(found, reason=f"{found.reason}; mode {name}, since {decision.why}")

    def _chosen(self, question: EncodedReading) -> Multihop | Broad:
        snapshot, scope = self.snapshot, self.scope
        if decide(question.reading).is_broad:
            return Broad(snapshot, scope, BroadConfig())
        return Multihop(snapshot, scope, MultihopConfig())

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[list[Hit]]:
        return self.answer(questions, k)

    def _closest(self, question: EncodedReading, rows: Rows) -> list[int]:
        return self._chosen(question)._closest(question, rows)
