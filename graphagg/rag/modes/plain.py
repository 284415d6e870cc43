"""The modes with a single score, `dense` and `bm25`, and their fusion, `rrf`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from graphagg.arrays import Array
from graphagg.nearest.vectors import Rows
from graphagg.rag.config.modes import Mode
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.passages import Passage
from graphagg.rag.modes.protocol import (
    EncodedQuestion,
    PassageSource,
    QuestionModels,
    Ranking,
    Retriever,
    term_shares,
)
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.question.reading import QuestionReading
from graphagg.rag.question.results import Hit, Hop, Method
from graphagg.rag.snapshot.search import top_rows
from graphagg.rag.tables.segments import StoredCorpus

RRF_K, RRF_DEPTH = 60, 50
"""The constant of reciprocal rank fusion, and the minimum number of hits taken from each list."""


class SimilarityRanking(Ranking):
    """Passages ranked by similarity only."""

    def __init__(self, source: PassageSource, question: EncodedQuestion) -> None:
        self._corpus = source.snapshot.corpus
        self.scores: QuestionScores = source.scores(question)

    def take(self, n: int) -> list[Hit]:
        """Return the first `n` hits."""
        return plain_hits(self._corpus, *self.scores.nearest(n), "dense")


class Dense(Retriever):
    """The mode `dense`: similarity only."""

    mode: ClassVar[Mode] = "dense"

    def rank(self, question: EncodedQuestion, k: int) -> Ranking:
        """Rank by similarity."""
        return SimilarityRanking(self.source, question)

    def closest(
        self, question: EncodedQuestion, rows: Rows, passages: Sequence[Passage]
    ) -> list[int]:
        """Return the sentence of each row that is most similar to the question."""
        return [int(each.argmax()) for each in self.source.cosines(rows, question.query)]


class WordRanking(Ranking):
    """Passages ranked by words only."""

    def __init__(self, source: PassageSource, terms: Sequence[Term]) -> None:
        self._source, self._lexical = source, source.lexical(terms)

    def take(self, n: int) -> list[Hit]:
        """Return the first `n` hits."""
        snapshot, view = self._source.snapshot, self._source.view
        best = top_rows(*self._lexical.best(n), n, snapshot.ranks, view)
        return plain_hits(snapshot.corpus, *best, "bm25")


class BM25(Retriever):
    """The mode `bm25`: words only, without a model."""

    mode = "bm25"

    def encode(
        self, questions: Sequence[QuestionReading], models: QuestionModels
    ) -> list[EncodedQuestion]:
        """Return the questions with empty vectors, since this mode needs none."""
        return [EncodedQuestion(question, np.zeros(0, np.float32)) for question in questions]

    def rank(self, question: EncodedQuestion, k: int) -> Ranking:
        """Rank by words."""
        return WordRanking(self.source, question.terms)

    def closest(
        self, question: EncodedQuestion, rows: Rows, passages: Sequence[Passage]
    ) -> list[int]:
        """Return the sentence of each row with the most terms of the question."""
        shares = term_shares(self.snapshot, rows, passages, question.terms)
        return [int(of_row.argmax()) for of_row in shares]


class FusedRanking(Ranking):
    """Passages ranked by reciprocal rank fusion of the first by similarity and by words."""

    def __init__(self, source: PassageSource, question: EncodedQuestion) -> None:
        self._source = source
        self.scores: QuestionScores = source.scores(question)

    def take(self, n: int) -> list[Hit]:
        """Fuse at least `RRF_DEPTH` passages of each list, and return the first `n` hits."""
        snapshot, depth = self._source.snapshot, max(n, RRF_DEPTH)
        by_vector, _ = self.scores.nearest(depth)
        best = self.scores.lexical.best(depth)
        by_words, scores = top_rows(*best, depth, snapshot.ranks, self._source.view)
        if not self.scores.has_vector:  # then all similarities are equal
            by_vector, scores = by_vector[:0], np.ones_like(scores)
        shares: dict[int, dict[str, float]] = {}
        for name, rows in (("dense", by_vector), ("bm25", by_words[scores > 0])):
            for rank, row in enumerate(rows.tolist(), start=1):
                shares.setdefault(row, {})[name] = 1.0 / (RRF_K + rank)
        fused = {row: sum(each.values()) for row, each in shares.items()}
        first = sorted(fused, key=lambda row: (-fused[row], int(snapshot.ranks[row])))[:n]
        totals = np.array([fused[row] for row in first])
        hits = plain_hits(snapshot.corpus, np.array(first, np.int64), totals, "rrf")
        return [replace(hit, components=shares[row]) for row, hit in zip(first, hits, strict=True)]


class RRF(Retriever):
    """Reciprocal rank fusion of `dense` and `bm25` (Cormack, Clarke and Buettcher 2009), k = 60."""

    mode = "rrf"

    def rank(self, question: EncodedQuestion, k: int) -> Ranking:
        """Rank by the sum of reciprocal ranks in both lists."""
        return FusedRanking(self.source, question)


def plain_hits(corpus: StoredCorpus, rows: Array, scores: Array, method: Method) -> list[Hit]:
    """Build hits of rows, best first, with one component named after the mode."""
    hits = []
    for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
        path = (Hop.to_passage(corpus, row, score, score),)
        hits.append(Hit(corpus[row], score, {method: score}, path, method))
    return hits
