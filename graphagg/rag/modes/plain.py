"""The modes of one score alone: `dense`, `bm25`, and their fusion `rrf`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphagg.arrays import Floats
from graphagg.rag.documents.passages import Passage
from graphagg.rag.modes.multihop.candidates import QuestionScores
from graphagg.rag.modes.protocol import (
    EncodedReading,
    QuestionModels,
    Ranked,
    ReadingRetriever,
    Retriever,
    compared_with,
    readings,
    sentences_by_vector,
    shares_of_terms,
)
from graphagg.rag.question.reading import Reading
from graphagg.rag.question.results import Hit, plain_hits
from graphagg.rag.snapshot.dense import dense_hits, dense_rows
from graphagg.rag.snapshot.lexical import Lexical
from graphagg.rag.snapshot.ranking import top_rows
from graphagg.rag.snapshot.snapshot import Scope, Snapshot
from graphagg.rag.tables.vectors import Queries, Rows

RRF_K, RRF_DEPTH = 60, 50
"""The constant of reciprocal rank fusion, and the least number of hits fused from each list."""


@dataclass(frozen=True)
class EncodedText:
    """A question and its vector `[d]`."""

    text: str
    vector: Floats


class Dense(Retriever[object, str, EncodedText]):
    """Similarity alone."""

    mode = "dense"

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[str]:
        """Take the questions as they are."""
        return list(questions)

    def encode(self, questions: Sequence[str], models: QuestionModels) -> list[EncodedText]:
        """Encode the questions."""
        vectors, _ = models.encoder().encode_query(questions, [])
        return [EncodedText(*pair) for pair in zip(questions, vectors, strict=True)]

    def _answer(self, questions: Sequence[EncodedText], k: int) -> list[Ranked]:
        dense, view, allowed = self.snapshot.dense, self.scope.view, self.scope.allowed
        return [Ranked(dense_hits(dense, view, q.vector, k, allowed)) for q in questions]

    def _compared(self, question: EncodedText) -> QuestionScores:
        return compared_with(self.snapshot, self.scope, question.text, question.vector)

    def _closest(self, question: EncodedText, rows: Rows, passages: Sequence[Passage]) -> list[int]:
        return sentences_by_vector(self.snapshot.corpus, rows, Queries(question.vector[None]))


class BM25(Retriever[object, Reading, Reading]):
    """Words alone; no model is needed."""

    mode = "bm25"

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[Reading]:
        """Find the terms."""
        return readings(self.snapshot, self.scope, questions)

    def encode(self, questions: Sequence[Reading], models: QuestionModels) -> list[Reading]:
        """Take the questions as they were read: words have no vectors."""
        return list(questions)

    def _answer(self, questions: Sequence[Reading], k: int) -> list[Ranked]:
        snapshot, scope = self.snapshot, self.scope
        lexicals = [Lexical(scope.view, question.terms) for question in questions]
        best = [bm25_rows(snapshot, scope, lexical, k) for lexical in lexicals]
        return [Ranked(plain_hits(snapshot.corpus, *each, "bm25")) for each in best]

    def _closest(self, question: Reading, rows: Rows, passages: Sequence[Passage]) -> list[int]:
        shares = shares_of_terms(self.snapshot, rows, passages, question.terms)
        return [int(each.argmax()) for each in shares]


def bm25_rows(snapshot: Snapshot, scope: Scope, lexical: Lexical, k: int) -> tuple[Rows, Floats]:
    """The `k` passages that match a question's words best, and their scores."""
    return top_rows(*lexical.scores, k, snapshot.ranks, scope.view, scope.allowed)


class RRF(ReadingRetriever[object]):
    """Reciprocal rank fusion of `dense` and `bm25` (Cormack, Clarke and Buettcher 2009), k = 60."""

    mode = "rrf"

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[Ranked]:
        compared = [self._compared(question) for question in questions]
        return [Ranked(self._fused(each, k, max(k, RRF_DEPTH)), compared=each) for each in compared]

    def _fused(self, question: QuestionScores, k: int, depth: int) -> list[Hit]:
        """Fuse `depth` passages of both lists into `k` hits, best first."""
        snapshot, scope = self.snapshot, self.scope
        near, _ = dense_rows(snapshot.dense, scope.view, question.vector, depth, scope.allowed)
        worded, scores = bm25_rows(snapshot, scope, question.lexical, depth)
        shares: dict[int, dict[str, float]] = {}
        for name, rows in (("dense", near), ("bm25", worded[scores > 0])):
            for rank, row in enumerate(rows.tolist(), start=1):
                shares.setdefault(row, {})[name] = 1.0 / (RRF_K + rank)
        fused = {row: sum(each.values()) for row, each in shares.items()}
        best = sorted(fused, key=lambda row: (-fused[row], int(snapshot.ranks[row])))[:k]
        totals = np.array([fused[row] for row in best])
        hits = plain_hits(snapshot.corpus, np.array(best, np.int64), totals, "rrf")
        return [replace(hit, components=shares[row]) for row, hit in zip(best, hits, strict=True)]
