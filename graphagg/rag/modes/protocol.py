"""The interface of retrieval modes: read questions, encode them, answer them, and explain.

A question goes through three stages: `read` finds what it names, `encode` makes its vectors, and
`answer` ranks passages.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from graphagg.arrays import Doubles, Floats, Mask
from graphagg.rag.config.modes import Mode
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.code import prose
from graphagg.rag.documents.passages import TRAIL, Passage
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.modes.confidence import confidence_of
from graphagg.rag.modes.multihop.candidates import QuestionScores
from graphagg.rag.question.excerpts import Span
from graphagg.rag.question.reading import Reading, read_question, read_terms
from graphagg.rag.question.request import Request
from graphagg.rag.question.rescoring import Rescoring
from graphagg.rag.question.results import Explanation, Hit, Hits
from graphagg.rag.snapshot.snapshot import Scope, Snapshot
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Queries, Rows, ranges


@dataclass(frozen=True)
class Ranked:
    """The first hits of a question, and a way to more of them.

    Attributes:
        hits: best first.
        longer: given n and the hits so far, the first n hits, from the same ranking; None: the mode
            ranks again.
        limit: `longer` gives up to this number of hits.
        compared: the question beside the corpus, where the mode compared them.
        spread: of the first scores, where confidence was fitted on the mode's.
    """

    hits: Sequence[Hit]
    longer: Callable[[int, Sequence[Hit]], Sequence[Hit]] | None = None
    limit: int = 0
    compared: QuestionScores | None = None
    spread: float | None = None


@dataclass(frozen=True)
class Distinct:
    """The hits of distinct texts, and the number of hits that the mode ranked for them.

    Attributes:
        compared, spread: as in `Ranked`.
    """

    hits: Sequence[Hit]
    asked: int
    compared: QuestionScores | None = None
    spread: float | None = None


class QuestionModels(Protocol):
    """The models of an index; each is loaded when a mode first asks for it."""

    def encoder(self) -> Encoder:
        """The encoder."""

    def extractor(self) -> EntityExtractor:
        """The extractor."""


class Asked(Protocol):
    """A question that is ready to be answered."""

    @property
    def text(self) -> str:
        """The question as the user wrote it."""


NOTHING_ADDED = Rescoring()
USUAL = Request()
C = TypeVar("C")
R = TypeVar("R")
A = TypeVar("A", bound=Asked)


class Retriever(ABC, Generic[C, R, A]):
    """Answers questions from one scope of an opened version, in one mode.

    `C` is the class of the settings, `R` a question that was read, `A` one that is also encoded.

    Args:
        snapshot: the version.
        scope: the visible passages.
        config: the settings, of `config_type`.

    Attributes:
        mode: its name.
        config_type: the class of the settings; None for a mode without settings.
    """

    mode: ClassVar[Mode]
    config_type: ClassVar[type[Any] | None] = None

    def __init__(self, snapshot: Snapshot, scope: Scope, config: C) -> None:
        self.snapshot, self.scope, self.config = snapshot, scope, config

    @abstractmethod
    def read(self, questions: Sequence[str], models: QuestionModels) -> list[R]:
        """Find what each question names."""

    @abstractmethod
    def encode(self, questions: Sequence[R], models: QuestionModels) -> list[A]:
        """Make the vectors that the questions need, by one call of the encoder."""

    def answer(self, questions: Sequence[A], k: int, request: Request = USUAL) -> list[Hits]:
        """Find the `k` best passages of each question, best first, each text once.

        Args:
            questions: read and encoded.
            k: number of hits.
            request: what changes scores, and what they must reach; the scope is chosen already.
        """
        if not self.scope.view.passages:
            return [Hits(confidence=None if self.mode == "bm25" else 0.0) for _ in questions]
        if request.rescoring.is_none:
            ranked = zip(questions, self._answer(questions, k), strict=True)
            answers = [self._distinct(question, each, k) for question, each in ranked]
        else:
            answers = [self._rescored(question, k, request.rescoring) for question in questions]
        return [
            self._checked(question, distinct, k, request)
            for question, distinct in zip(questions, answers, strict=True)
        ]

    def _checked(self, question: A, distinct: Distinct, k: int, request: Request) -> Hits:
        """The hits that reach what a request asks of them, and how sure they are."""
        compared = distinct.compared or self._compared(question)
        confidence = None
        if compared is not None:
            rows = [self.snapshot.known_row(hit.passage.id) for hit in distinct.hits[:k]]
            profile, foreign = self.snapshot.profile, self.snapshot.is_foreign(self.scope.view)
            confidence = confidence_of(
                compared, distinct.hits[:k], rows, profile, k, distinct.spread, foreign
            )
            if request.min_confidence is not None and confidence < request.min_confidence:
                return Hits((), confidence)
        least = -math.inf if request.min_score is None else request.min_score
        hits = [hit for hit in distinct.hits[:k] if hit.score >= least]
        return Hits(self._matched(question, hits), confidence)

    def _compared(self, question: A) -> QuestionScores | None:
        """The question beside the corpus; None where the mode makes no vector of it."""
        return None

    def _rescored(self, question: A, k: int, rescoring: Rescoring) -> Distinct:
        distinct = Distinct((), 0)

        def ranked(n: int) -> Sequence[Hit]:
            nonlocal distinct
            distinct = self._first(question, n)
            return distinct.hits

        now = rescoring.as_of
        if now is None and rescoring.recency is not None:
            now = self.snapshot.newest(self._visible)
        hits = rescoring.hits(question.text, k, now, ranked)
        return replace(distinct, hits=hits)

    def explain(
        self, question: A, row: int, k: int, rescoring: Rescoring = NOTHING_ADDED
    ) -> Explanation:
        """Explain why the passage in a row is, or is not, among the `k` best."""
        if not rescoring.is_none and self._visible[row]:
            return self._explain_rescored(question, row, k, rescoring)
        identifier = self.snapshot.corpus.id(row)
        if not self._visible[row]:
            reason = f"passage {identifier!r} is left out by the filter"
            threshold = threshold_of(self.answer([question], k)[0])
            return Explanation(question.text, None, k, reason, None, threshold)
        distinct = self._first(question, k)
        for rank, hit in enumerate(distinct.hits, start=1):
            if identifier in hit.copies:
                reason = f"rank {rank}: it has the very text of passage {hit.passage.id!r}"
                matched = self._matched(question, [hit])[0]
                threshold = threshold_of(distinct.hits)
                return Explanation(question.text, rank, k, reason, matched, threshold)
        explanation = self._explain(question, row, k, distinct)
        if explanation.hit is None:
            return explanation
        return replace(explanation, hit=self._matched(question, [explanation.hit])[0])

    def _explain_rescored(self, question: A, row: int, k: int, rescoring: Rescoring) -> Explanation:
        seen = self._rescored(question, max(k, rescoring.first), rescoring).hits
        threshold = threshold_of(seen[:k])
        ranked = ranked_in(seen, self.snapshot.corpus.id(row))
        if ranked is None:
            plain = self.explain(question, row, k)
            reason = f"not among the {len(seen)} first with {rescoring.names}: {plain.reason}"
            return replace(plain, rank=None, reason=reason, threshold=threshold)
        rank, hit = ranked
        matched = self._matched(question, [hit])[0]
        if rank > k:
            reason = f"{k} passages score higher with {rescoring.names}"
            return Explanation(question.text, None, k, reason, matched, threshold)
        reason = f"rank {rank}: ranked by {self.mode} with {rescoring.names}"
        return Explanation(question.text, rank, k, reason, matched, threshold)

    @property
    def _visible(self) -> Mask:
        """Mask `[R]` of the passages that may be hits."""
        visible: Mask = self.scope.view.visible
        return visible if self.scope.allowed is None else self.scope.allowed & visible

    def _first(self, question: A, k: int) -> Distinct:
        """The first `k` hits of distinct texts of one question."""
        return self._distinct(question, self._answer([question], k)[0], k)

    def _distinct(self, question: A, ranked: Ranked, k: int) -> Distinct:
        """The first `k` hits of distinct texts, each with the ids of its copies.

        Args:
            question: what was asked.
            ranked: the answer for `k`; where some of its hits are copies, more is asked for.
            k: number of texts.
        """
        snapshot, visible, asked, hits = self.snapshot, self._visible, k, ranked.hits
        while True:
            distinct: list[Hit] = []
            copied: set[str] = set()
            for hit in hits:
                if hit.passage.id not in copied:
                    rows = snapshot.copies(snapshot.known_row(hit.passage.id), visible)
                    copies = tuple(snapshot.corpus.id(row) for row in rows)
                    copied.update(copies)
                    distinct.append(replace(hit, copies=copies) if copies else hit)
            if len(distinct) >= k or len(hits) < asked:
                return Distinct(distinct[:k], asked, ranked.compared, ranked.spread)
            asked = k + len(copied)  # more than before: a hit that was left out is a copy
            if ranked.longer is not None and asked <= ranked.limit:
                hits = ranked.longer(asked, hits)
            else:
                hits = self._answer([question], asked)[0].hits

    def _matched(self, question: A, hits: Sequence[Hit]) -> list[Hit]:
        """Hits with the span of the sentence that matched."""
        if not hits:
            return []
        rows = [self.snapshot.known_row(hit.passage.id) for hit in hits]
        passages = [hit.passage for hit in hits]
        sentences = self._closest(question, np.array(rows, np.int64), passages)
        return [
            replace(hit, match=sentence_span(self.snapshot.corpus, row, sentence, hit.passage))
            for hit, row, sentence in zip(hits, rows, sentences, strict=True)
        ]

    @abstractmethod
    def _closest(self, question: A, rows: Rows, passages: Sequence[Passage]) -> list[int]:
        """The sentence of each row that is closest to the question, counted from 0."""

    @abstractmethod
    def _answer(self, questions: Sequence[A], k: int) -> list[Ranked]:
        """Rank passages for each question, copies among them; at least one is visible."""

    def _explain(self, question: A, row: int, k: int, distinct: Distinct) -> Explanation:
        """`explain` of a visible passage; ranks all passages if it is not among the `k` best."""
        identifier, hits = self.snapshot.corpus.id(row), distinct.hits
        ranked, reason = ranked_in(hits, identifier), f"ranked by {self.mode}"
        if ranked is None:
            every = self._first(question, len(self.snapshot)).hits
            ranked, reason = ranked_in(every, identifier), f"{k} passages score higher"
        assert ranked is not None, "a visible passage has a rank"
        rank, hit = ranked
        return Explanation(
            question.text, rank, k, f"rank {rank}: {reason}", hit, threshold_of(hits)
        )


@dataclass(frozen=True)
class EncodedReading:
    """A question that was read and encoded.

    Attributes:
        reading: its terms and entities.
        vector: `[d]`.
        words: `[t, d]` of its terms; None where no mode needs them or the encoder gives none.
    """

    reading: Reading
    vector: Floats
    words: Floats | None = None

    @property
    def text(self) -> str:
        """The question as the user wrote it."""
        return self.reading.text

    @cached_property
    def query(self) -> Queries:
        """Its vector, to be multiplied with."""
        return Queries(self.vector[None])


class ReadingRetriever(Retriever[C, Reading, EncodedReading]):
    """A mode that needs the terms and the entities of a question, and its vector."""

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[Reading]:
        """Find terms and entities; needs no model."""
        return readings(self.snapshot, self.scope, questions)

    def encode(self, questions: Sequence[Reading], models: QuestionModels) -> list[EncodedReading]:
        """Encode the questions."""
        vectors, _ = models.encoder().encode_query([question.text for question in questions], [])
        return [EncodedReading(*pair) for pair in zip(questions, vectors, strict=True)]

    def _compared(self, question: EncodedReading) -> QuestionScores:
        view, dense = self.scope.view, self.snapshot.dense
        return QuestionScores(question.reading, question.query, question.words, view, dense)

    def _closest(
        self, question: EncodedReading, rows: Rows, passages: Sequence[Passage]
    ) -> list[int]:
        """By similarity and the share of the question's terms, each between 0 and 1."""
        terms, snapshot = question.reading.terms, self.snapshot
        similar = similar_sentences(snapshot.corpus, rows, question.query)
        shares = shares_of_terms(snapshot, rows, passages, terms)
        return [int((a + b).argmax()) for a, b in zip(similar, shares, strict=True)]


def readings(snapshot: Snapshot, scope: Scope, questions: Sequence[str]) -> list[Reading]:
    """Terms and named entities of questions; needs no model."""
    view, analyzers, listed = scope.view, snapshot.analyzers, snapshot.listed
    return [read_question(text, view, analyzers, listed) for text in questions]


def compared_with(snapshot: Snapshot, scope: Scope, text: str, vector: Floats) -> QuestionScores:
    """Compare a question that was encoded with the visible passages, by words too."""
    reading = read_terms(text, scope.view, snapshot.analyzers)
    return QuestionScores(reading, Queries(vector[None]), None, scope.view, snapshot.dense)


def threshold_of(hits: Sequence[Hit]) -> float | None:
    """The score of the last hit."""
    return hits[-1].score if hits else None


def ranked_in(hits: Sequence[Hit], identifier: str) -> tuple[int, Hit] | None:
    """The rank, from 1, and the hit of a passage or its text; None if it is not among the hits."""
    for rank, hit in enumerate(hits, start=1):
        if identifier in (hit.passage.id, *hit.copies):
            return rank, hit
    return None


# --- the closest sentence -------------------------------------------------------------------------


def sentences_by_vector(corpus: Corpus, rows: Rows, query: Queries) -> list[int]:
    """The sentence of each row that is closest to one vector; the first of equals."""
    return [int(cosines.argmax()) for cosines in similar_sentences(corpus, rows, query)]


def similar_sentences(corpus: Corpus, rows: Rows, query: Queries) -> list[Floats]:
    """The cosine of each sentence of each row with one vector."""
    begins = corpus.sentence_bounds[rows]
    lengths = corpus.sentence_bounds[rows + 1] - begins
    similar = corpus.sentence_vectors.dots_at(ranges(begins, lengths), query)[:, 0]
    return np.split(similar, np.cumsum(lengths)[:-1])


def shares_of_terms(
    snapshot: Snapshot, rows: Rows, passages: Sequence[Passage], terms: Sequence[Term]
) -> Iterator[Doubles]:
    """The share of a question's terms in each sentence of each row, without the title before it.

    A first sentence that only repeats the title or the heading has -inf, if there are others.
    """
    stems, language_of = set(chain.from_iterable(terms)), snapshot.lexicon.language_of
    for row, passage in zip(rows.tolist(), passages, strict=True):
        stem = snapshot.analyzers.for_language(language_of(row)).stem
        text, begin = passage.full_text, len(passage.title)
        spans = snapshot.corpus.sentence_spans(row)
        words = [tokenize(text[max(start, begin) : end]) for start, end in spans]
        shares = np.array([len(stems.intersection(map(stem, each))) for each in words], float)
        heading = tokenize(passage.title.rpartition(TRAIL)[2])
        if heading and len(words) > 1 and words[0] in ([], heading):
            shares[0] = -np.inf
        yield shares / max(len(terms), 1)


def sentence_span(corpus: Corpus, row: int, sentence: int, passage: Passage) -> Span:
    """The span of a sentence of a row in its passage's text.

    Of the first, without the title, and without the code that may follow it.
    """
    segment, inside = corpus.locate(row)
    shift = len(passage.full_text) - len(passage.text)
    span = segment.sentences.row(inside)[sentence].tolist()
    start, end = (max(edge - shift, 0) for edge in span)
    *_, (first, last) = ((0, end - start), *prose(passage.text[start:end]))
    start, end = start + first, start + last
    piece = passage.text[start:end]
    start += len(piece) - len(piece.lstrip())
    return Span(start, max(start, end - (len(piece) - len(piece.rstrip()))))
