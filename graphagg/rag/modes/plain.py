"""The modes of one score alone: `dense`, `bm25`, and their fusion `rrf`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from graphagg.arrays import Floats
from graphagg.rag.documents.analyzer import Analyzer, Term
from graphagg.rag.documents.tokens import tokenize
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
)
from graphagg.rag.question.reading import Reading
from graphagg.rag.question.results import Hit, Hop, plain_hits
from graphagg.rag.snapshot.dense import dense_hits
from graphagg.rag.snapshot.lexical import Lexical
from graphagg.rag.snapshot.ranking import top_rows
from graphagg.rag.snapshot.snapshot import Scope, Snapshot
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Rows

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

    def _closest(self, question: EncodedText, rows: Rows) -> list[int]:
        return sentences_by_vector(self.snapshot.corpus, rows, question.vector)


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
        return [Ranked(bm25_hits(self.snapshot, self.scope, each, k)) for each in questions]

    def _closest(self, question: Reading, rows: Rows) -> list[int]:
        snapshot = self.snapshot
        of_code, code_of = snapshot.analyzers.of, snapshot.lexicon.language_of
        return [
            sentence_by_words(snapshot.corpus, row, question.terms, of_code(code_of(row)))
            for row in rows.tolist()
        ]


def bm25_hits(snapshot: Snapshot, scope: Scope, question: Reading, k: int) -> list[Hit]:
    """Find the `k` passages that match a question's words best."""
    view = scope.view
    lexical = Lexical(view, question.terms)
    scored = lexical.best(k, scope.allowed)
    rows, scores = top_rows(*scored, k, snapshot.ranks, view, scope.allowed)
    return plain_hits(snapshot.corpus, rows, scores, "bm25")


def sentence_by_words(corpus: Corpus, row: int, terms: Sequence[Term], analyzer: Analyzer) -> int:
    """The sentence of a row that holds most of a question's terms; the first of equals."""
    stems = set(chain.from_iterable(terms))
    count = int(np.diff(corpus.sentence_bounds[row : row + 2])[0])
    held = [
        len(stems.intersection(analyzer.content(tokenize(corpus.sentence(row, i)))))
        for i in range(count)
    ]
    return held.index(max(held))


class RRF(ReadingRetriever[object]):
    """Reciprocal rank fusion of `dense` and `bm25` (Cormack, Clarke and Buettcher 2009), k = 60."""

    mode = "rrf"

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[Ranked]:
        return [Ranked(self._fused(question, max(k, RRF_DEPTH))[:k]) for question in questions]

    def _fused(self, question: EncodedReading, depth: int) -> list[Hit]:
        """Fuse `depth` hits of both lists, best first."""
        snapshot, scope = self.snapshot, self.scope
        near = dense_hits(snapshot.dense, scope.view, question.vector, depth, scope.allowed)
        worded = bm25_hits(snapshot, scope, question.reading, depth)
        hits = {hit.passage.id: hit for hit in (*worded, *near)}
        shares: dict[str, dict[str, float]] = {identifier: {} for identifier in hits}
        for name, ranked in (("dense", near), ("bm25", [hit for hit in worded if hit.score > 0])):
            for rank, hit in enumerate(ranked, start=1):
                shares[hit.passage.id][name] = 1.0 / (RRF_K + rank)
        scores = {identifier: sum(each.values()) for identifier, each in shares.items()}
        return [
            replace(
                hits[identifier],
                score=score,
                components=shares[identifier],
                path=(Hop("passage", identifier, score, score),),
                method="rrf",
            )
            for identifier, score in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
            if score > 0
        ]
