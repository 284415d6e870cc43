"""The interface of retrieval modes.

`read` finds what a question names, `encode` computes its vectors, and `answer` ranks passages, or
`explain` explains the rank of one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np

from graphagg.arrays import Floats
from graphagg.errors import InvalidParameter
from graphagg.nearest.vectors import Queries
from graphagg.rag.config.modes import MODES, Mode
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.code import CODE
from graphagg.rag.documents.passages import Passage
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.modes.confidence import JUDGED, confidence_of, features_of
from graphagg.rag.modes.fusion import FIRST, RRF_DEPTH, fused, weight_of_history
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.modes.sentences import closest_lines, sentence_cosines, sentence_span, term_shares
from graphagg.rag.question.reading import QuestionReading, read_question, read_terms
from graphagg.rag.question.request import Request
from graphagg.rag.question.rescoring import Rescoring
from graphagg.rag.question.results import Explanation, Hit, Hits, plain_hits, told_apart
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View
from graphagg.store import Artifact
from graphagg.store.reading import names_damage


@dataclass(frozen=True)
class RankedHits:
    """The ranking of a question, read only as far as needed.

    Attributes:
        first: `first(n)` returns the first n hits, copies included; fewer if there are not so many.
        scores: the question's scores; None in a mode without vectors.
        spread: of the first scores, in modes whose confidence was fitted with it.
    """

    first: Callable[[int], Sequence[Hit]]
    scores: QuestionScores | None = None
    spread: float | None = None


@dataclass(frozen=True)
class DistinctHits:
    """The first hits of a ranking that have distinct texts.

    Attributes:
        hits: best first, each with the ids of its copies.
        ranked: number of hits of the ranking that were read.
        ranking: the ranking.
    """

    hits: Sequence[Hit]
    ranked: int
    ranking: RankedHits


class QuestionModels(Protocol):
    """The models of an index; each is loaded at its first use."""

    def encoder(self) -> Encoder:
        """The encoder."""

    def extractor(self) -> EntityExtractor:
        """The extractor."""


class EncodedQuestion(Protocol):
    """A question that is ready to be answered."""

    @property
    def text(self) -> str:
        """The question as the user wrote it."""

    @property
    def terms(self) -> Sequence[Term]:
        """Its distinct words without stop words."""

    @property
    def behind(self) -> Self | None:
        """The question behind the turn before it in a conversation; None: it stands alone."""


NO_RESCORING = Rescoring()
DEFAULT_REQUEST = Request()
C = TypeVar("C")
R = TypeVar("R")
Q = TypeVar("Q", bound=EncodedQuestion)


class Retriever(ABC, Generic[C, R, Q]):
    """Answers questions from one view of an opened version, in one mode.

    `C` is the class of the settings (`config_type`; None: no settings), `R` a question that was
    read, `Q` one that is also encoded.
    """

    mode: ClassVar[Mode]
    config_type: ClassVar[type[Any] | None] = None

    def __init__(self, snapshot: PassageSnapshot, view: View, config: C) -> None:
        self.snapshot, self.view, self.config = snapshot, view, config

    @property
    def artifact(self) -> Artifact:
        """The opened folder of the version."""
        return self.snapshot.artifact

    @abstractmethod
    def read(self, questions: Sequence[str], models: QuestionModels) -> list[R]:
        """Find what each question names."""

    @abstractmethod
    def encode(self, questions: Sequence[R], models: QuestionModels) -> list[Q]:
        """Compute the vectors of the questions in one call of the encoder."""

    @abstractmethod
    def _rank(self, question: Q, k: int) -> RankedHits:
        """Rank passages for about `k` hits; at least one passage is visible."""

    @abstractmethod
    def _closest(self, question: Q, rows: Rows, passages: Sequence[Passage]) -> list[int]:
        """The sentence of each row, from 0, that is closest to the question."""

    @names_damage
    def answer(
        self, questions: Sequence[Q], k: int, request: Request = DEFAULT_REQUEST
    ) -> list[Hits]:
        """Find the `k` best passages of each question, best first; each text once."""
        least_confidence = self._least_confidence(request)
        if not self.view.passages:
            return [Hits(confidence=None if self.mode == "bm25" else 0.0) for _ in questions]
        return [self._answer(question, k, request, least_confidence) for question in questions]

    def _least_confidence(self, request: Request) -> float:
        """The least confidence of an answer with hits."""
        if request.min_confidence != "own":
            return request.min_confidence or 0.0
        own = float(self.snapshot.min_confidence[MODES.index(self.mode)])
        if math.isnan(own):
            raise InvalidParameter(
                f"min_confidence is 'own', but the index stores none for mode {self.mode!r}; store "
                "what own_threshold finds, by keep_min_confidence"
            )
        return own

    def _answer(self, question: Q, k: int, request: Request, least_confidence: float) -> Hits:
        hits, distinct = self._rescored(question, k, request.rescoring)
        confidence = self._confidence(distinct, k)
        if confidence is not None and confidence < least_confidence:
            return Hits((), confidence)
        least = -math.inf if request.min_score is None else request.min_score
        matched = self._matched(question, [h for h in hits if h.score >= least])
        return Hits(told_apart(matched), confidence)

    def _confidence(self, distinct: DistinctHits, k: int) -> float | None:
        ranking = distinct.ranking
        if ranking.scores is None:
            return None
        if len(distinct.hits) < JUDGED:
            distinct = self._first_distinct(ranking, JUDGED)
        hits = distinct.hits[:JUDGED]
        if not hits:
            return 0.0
        rows = [self.snapshot.known_row(hit.passage.id) for hit in hits]
        foreign = self.snapshot.is_foreign(self.view)
        features = features_of(ranking.scores, hits, rows, ranking.spread, foreign)
        return confidence_of(features, self.snapshot.profile if ranking.scores.is_read else None, k)

    def _rescored(
        self, question: Q, k: int, rescoring: Rescoring
    ) -> tuple[Sequence[Hit], DistinctHits]:
        """The `k` best hits after recency and reranker, and those of the mode, which are judged."""
        distinct: DistinctHits | None = None

        def first(n: int) -> Sequence[Hit]:
            nonlocal distinct
            distinct = self._distinct(question, n)
            return distinct.hits

        now = rescoring.as_of
        if now is None and rescoring.recency is not None:
            now = self.snapshot.newest(self.view.visible)
        hits = rescoring.hits(question.text, k, now, first)
        assert distinct is not None, "rescoring reads the ranking"
        return hits, distinct

    def _ranked(self, question: Q, k: int) -> RankedHits:
        """Rank passages, for a follow-up by both readings."""
        alone = self._rank(question, k)
        if question.behind is None:
            return alone
        first = [self.snapshot.known_row(hit.passage.id) for hit in alone.first(FIRST)]
        weight = self._weight_of_history(question, np.array(first, np.int64))
        if not weight:
            return alone
        behind = self._rank(question.behind, k)

        def both(n: int) -> list[Hit]:
            depth = max(n, RRF_DEPTH)
            return fused(alone.first(depth), behind.first(depth), weight)[:n]

        return replace(alone, first=both)

    def _weight_of_history(self, question: Q, first: Rows) -> float:
        """The weight of the reading behind the turn before; `first` are the question's hits."""
        assert question.behind is not None
        turn = question.behind.text.removesuffix(question.text)
        before = read_terms(turn, self.view, self.snapshot.analyzers).terms
        return weight_of_history(self.view, question.terms, before, first)

    def _distinct(self, question: Q, k: int) -> DistinctHits:
        return self._first_distinct(self._ranked(question, k), k)

    def _first_distinct(self, ranking: RankedHits, k: int) -> DistinctHits:
        """The first `k` hits of distinct texts, each with the ids of its copies."""
        snapshot, visible, count = self.snapshot, self.view.visible, k
        while True:
            hits, distinct, copied = ranking.first(count), list[Hit](), set[str]()
            for hit in hits:
                if hit.passage.id not in copied:
                    rows = snapshot.copies(snapshot.known_row(hit.passage.id), visible)
                    copies = tuple(snapshot.corpus.id(row) for row in rows)
                    copied.update(copies)
                    distinct.append(replace(hit, copies=copies) if copies else hit)
            more = k + len(copied)  # than before: a hit that was left out is a copy
            if len(distinct) >= k or len(hits) < count or more <= count:
                return DistinctHits(distinct[:k], count, ranking)
            count = more

    def _matched(self, question: Q, hits: Sequence[Hit]) -> list[Hit]:
        """Hits with the span of the matching sentence."""
        if not hits:
            return []
        rows = [self.snapshot.known_row(hit.passage.id) for hit in hits]
        passages = [hit.passage for hit in hits]
        sentences = self._closest(question, np.array(rows, np.int64), passages)
        matched = (
            replace(hit, match=sentence_span(self.snapshot.corpus, row, sentence, hit.passage))
            for hit, row, sentence in zip(hits, rows, sentences, strict=True)
        )
        return [
            replace(hit, match=closest_lines(self.snapshot, row, hit, question.text))
            if CODE in hit.passage.text
            else hit
            for hit, row in zip(matched, rows, strict=True)
        ]

    @names_damage
    def explain(
        self, question: Q, row: int, k: int, rescoring: Rescoring = NO_RESCORING
    ) -> Explanation:
        """Explain why the passage in a row is, or is not, among the `k` best."""
        explanation = self._explanation(question, row, k, rescoring)
        if explanation.hit is None:
            return explanation
        return replace(explanation, hit=self._matched(question, [explanation.hit])[0])

    def _explanation(self, question: Q, row: int, k: int, rescoring: Rescoring) -> Explanation:
        identifier = self.snapshot.corpus.id(row)
        if not self.view.visible[row]:
            reason = f"passage {identifier!r} is left out by the filter"
            threshold = threshold_of(self.answer([question], k)[0])
            return Explanation(question.text, None, k, reason, None, threshold)
        if rescoring.names:
            return self._explain_rescored(question, row, k, rescoring)
        distinct = self._distinct(question, k)
        rank, hit = rank_in(distinct.hits, identifier) or (0, None)
        if hit is not None and hit.passage.id != identifier:
            reason = f"rank {rank}: it has the very text of passage {hit.passage.id!r}"
            threshold = threshold_of(distinct.hits)
            return Explanation(question.text, rank, k, reason, hit, threshold)
        return self._explain(question, row, k, distinct)

    def _explain_rescored(self, question: Q, row: int, k: int, rescoring: Rescoring) -> Explanation:
        hits, _ = self._rescored(question, max(k, rescoring.first), rescoring)
        threshold = threshold_of(hits[:k])
        ranked = rank_in(hits, self.snapshot.corpus.id(row))
        if ranked is None:
            plain = self._explanation(question, row, k, NO_RESCORING)
            reason = f"not among the {len(hits)} first with {rescoring.names}: {plain.reason}"
            return replace(plain, rank=None, reason=reason, threshold=threshold)
        rank, hit = ranked
        if rank > k:
            reason = f"{k} passages score higher with {rescoring.names}"
            return Explanation(question.text, None, k, reason, hit, threshold)
        reason = f"rank {rank}: ranked by {self.mode} with {rescoring.names}"
        return Explanation(question.text, rank, k, reason, hit, threshold)

    def _explain(self, question: Q, row: int, k: int, distinct: DistinctHits) -> Explanation:
        """Explain a visible passage; rank all passages if it is not among the `k` best."""
        identifier, hits = self.snapshot.corpus.id(row), distinct.hits
        ranked, reason = rank_in(hits, identifier), f"ranked by {self.mode}"
        if ranked is None:
            every = self._distinct(question, len(self.snapshot)).hits
            ranked, reason = rank_in(every, identifier), f"{k} passages score higher"
        assert ranked is not None, "a visible passage has a rank"
        rank, hit = ranked
        reason = f"rank {rank}: {reason}"
        return Explanation(question.text, rank, k, reason, hit, threshold_of(hits))


@dataclass(frozen=True)
class EncodedReading:
    """A question that was read and encoded.

    Attributes:
        reading: its terms and entities.
        vector: `[d]`.
        words: `[t, d]` of its terms; None if not needed or not available.
        behind: the question behind the turn before it in a conversation; None: it stands alone.
    """

    reading: QuestionReading
    vector: Floats
    words: Floats | None = None
    behind: Self | None = None

    @property
    def text(self) -> str:
        """The question as the user wrote it."""
        return self.reading.text

    @property
    def terms(self) -> tuple[Term, ...]:
        """Its distinct words without stop words."""
        return self.reading.terms

    @cached_property
    def query(self) -> Queries:
        """Its vector as a query."""
        return Queries(self.vector[None])


V = TypeVar("V", bound=EncodedReading)


class VectorRetriever(Retriever[C, R, V]):
    """A mode that compares the vector of a question."""

    def _scores(self, question: V) -> QuestionScores:
        reading, dense = question.reading, self.snapshot.dense
        return QuestionScores(reading, question.query, question.words, self.view, dense)

    def _rank_by_vector(self, scores: QuestionScores) -> RankedHits:
        """Rank by similarity only."""
        corpus = self.snapshot.corpus
        return RankedHits(lambda n: plain_hits(corpus, *scores.nearest(n), "dense"), scores)

    def _closest(self, question: V, rows: Rows, passages: Sequence[Passage]) -> list[int]:
        """By similarity; ties go to the first."""
        cosines = sentence_cosines(self.snapshot.corpus, rows, question.query)
        return [int(each.argmax()) for each in cosines]


class ReadingRetriever(VectorRetriever[C, QuestionReading, EncodedReading]):
    """A mode that needs the terms, the entities and the vector of a question."""

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[QuestionReading]:
        """Find terms and entities; needs no model."""
        return readings(self.snapshot, self.view, questions)

    def encode(
        self, questions: Sequence[QuestionReading], models: QuestionModels
    ) -> list[EncodedReading]:
        """Encode the questions."""
        vectors, _ = models.encoder().encode_query([question.text for question in questions], [])
        return [EncodedReading(*pair) for pair in zip(questions, vectors, strict=True)]

    def _closest(
        self, question: EncodedReading, rows: Rows, passages: Sequence[Passage]
    ) -> list[int]:
        """By similarity and the share of the question's terms, each between 0 and 1."""
        cosines = sentence_cosines(self.snapshot.corpus, rows, question.query)
        shares = term_shares(self.snapshot, rows, passages, question.reading.terms)
        return [int((a + b).argmax()) for a, b in zip(cosines, shares, strict=True)]


def readings(
    snapshot: PassageSnapshot, view: View, questions: Sequence[str]
) -> list[QuestionReading]:
    """Terms and named entities of questions; needs no model."""
    analyzers, listed = snapshot.analyzers, snapshot.listed
    return [read_question(text, view, analyzers, listed) for text in spelled(snapshot, questions)]


def spelled(snapshot: PassageSnapshot, questions: Sequence[str]) -> Sequence[str]:
    """Questions with the names of a user's list in place of their aliases."""
    listed = snapshot.listed
    return [listed.spelled(text) for text in questions] if listed else questions


def threshold_of(hits: Sequence[Hit]) -> float | None:
    """The score of the last hit."""
    return hits[-1].score if hits else None


def rank_in(hits: Sequence[Hit], identifier: str) -> tuple[int, Hit] | None:
    """Rank (from 1) and hit of a passage or its text; None if it is not among the hits."""
    for rank, hit in enumerate(hits, start=1):
        if identifier in (hit.passage.id, *hit.copies):
            return rank, hit
    return None
