"""The modes for questions about a corpus as a whole: `broad`, and `auto`, which chooses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphagg.rag.best.formula import BestConfig
from graphagg.rag.broad.config import BroadConfig
from graphagg.rag.broad.covering import covering
from graphagg.rag.broad.rule import decide
from graphagg.rag.modes.best import Best
from graphagg.rag.modes.protocol import NOTHING_ADDED, EncodedReading, ReadingRetriever
from graphagg.rag.rescoring import Rescoring
from graphagg.rag.results import Explanation, Hit


class Broad(ReadingRetriever[BroadConfig]):
    """The candidates of `best`, chosen so that they cover several themes: `broad.choice`."""

    mode = "broad"
    config_type = BroadConfig

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[list[Hit]]:
        return [self._covering(question, k) for question in questions]

    def _covering(self, question: EncodedReading, k: int) -> list[Hit]:
        snapshot, scope = self.snapshot, self.scope
        best = Best(snapshot, scope, snapshot.weights or BestConfig())
        explainer = best.explainer(question, max(self.config.pool, k))
        chosen = explainer.outcome.chosen
        rows = explainer.outcome.candidates.rows[chosen]
        return covering(snapshot, scope.view, rows, explainer.scores(), k, self.config)


class Auto(ReadingRetriever[object]):
    """`broad` or `best`, by a rule over the question alone: `broad.rule`."""

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
        name = "broad" if decision.is_broad else "best"
        return replace(found, reason=f"{found.reason}; mode {name}, since {decision.why}")

    def _chosen(self, question: EncodedReading) -> Best | Broad:
        snapshot, scope = self.snapshot, self.scope
        if decide(question.reading).is_broad:
            return Broad(snapshot, scope, BroadConfig())
        return Best(snapshot, scope, snapshot.weights or BestConfig())

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[list[Hit]]:
        return self.answer(questions, k)

    def _closest(self, question: EncodedReading, row: int) -> int:
        return self._chosen(question)._closest(question, row)
