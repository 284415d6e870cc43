"""The modes with a single score, `dense` and `bm25`, and their fusion `rrf`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graphagg.rag.documents.passages import Passage
from graphagg.rag.modes.fusion import RRF_DEPTH, RRF_K
from graphagg.rag.modes.protocol import (
    EncodedReading,
    QuestionModels,
    RankedHits,
    ReadingRetriever,
    Retriever,
    VectorRetriever,
    readings,
)
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.modes.sentences import term_shares
from graphagg.rag.question.reading import QuestionReading
from graphagg.rag.question.results import Hit, plain_hits
from graphagg.rag.snapshot.lexical import Lexical
from graphagg.rag.snapshot.ranking import top_rows
from graphagg.rag.tables.vectors import Rows


class Dense(ReadingRetriever[object]):
    """Similarity only."""

    mode = "dense"

    def _rank(self, question: EncodedReading, k: int) -> RankedHits:
        return self._rank_by_vector(self._scores(question))

    _closest = VectorRetriever._closest


class BM25(Retriever[object, QuestionReading, QuestionReading]):
    """Words only; needs no model."""

    mode = "bm25"

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[QuestionReading]:
        """Find the terms."""
        return readings(self.snapshot, self.view, questions)

    def encode(
        self, questions: Sequence[QuestionReading], models: QuestionModels
    ) -> list[QuestionReading]:
        """Return the questions unchanged: words need no vectors."""
        return list(questions)

    def _rank(self, question: QuestionReading, k: int) -> RankedHits:
        snapshot, lexical = self.snapshot, Lexical(self.view, question.terms)

        def first(n: int) -> list[Hit]:
            rows, scores = top_rows(*lexical.best(n), n, snapshot.ranks, self.view)
            return plain_hits(snapshot.corpus, rows, scores, "bm25")

        return RankedHits(first)

    def _closest(
        self, question: QuestionReading, rows: Rows, passages: Sequence[Passage]
    ) -> list[int]:
        shares = term_shares(self.snapshot, rows, passages, question.terms)
        return [int(each.argmax()) for each in shares]


class RRF(ReadingRetriever[object]):
    """Reciprocal rank fusion of `dense` and `bm25` (Cormack, Clarke and Buettcher 2009), k = 60."""

    mode = "rrf"

    def _rank(self, question: EncodedReading, k: int) -> RankedHits:
        scores = self._scores(question)
        return RankedHits(lambda n: self._fused(scores, n, max(n, RRF_DEPTH)), scores)

    def _fused(self, question: QuestionScores, k: int, depth: int) -> list[Hit]:
        """Fuse `depth` passages of both lists into `k` hits, best first."""
        snapshot, lexical = self.snapshot, question.lexical
        by_vector, _ = question.nearest(depth)
        by_words, scores = top_rows(*lexical.best(depth), depth, snapshot.ranks, self.view)
        if not question.is_read:  # then all are equally similar
            by_vector, scores = by_vector[:0], np.ones_like(scores)
        shares: dict[int, dict[str, float]] = {}
        for name, rows in (("dense", by_vector), ("bm25", by_words[scores > 0])):
            for rank, row in enumerate(rows.tolist(), start=1):
                shares.setdefault(row, {})[name] = 1.0 / (RRF_K + rank)
        fused = {row: sum(each.values()) for row, each in shares.items()}
        best = sorted(fused, key=lambda row: (-fused[row], int(snapshot.ranks[row])))[:k]
        totals = np.array([fused[row] for row in best])
        hits = plain_hits(snapshot.corpus, np.array(best, np.int64), totals, "rrf")
        return [replace(hit, components=shares[row]) for row, hit in zip(best, hits, strict=True)]
