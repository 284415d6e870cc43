"""The retrieval modes: one class each behind `Retriever`, found by its name in `RETRIEVERS`.

A question goes through three stages: `read` finds what it names, `encode` makes its vectors, and
`answer` ranks passages. A new mode is a class here and a line in `RETRIEVERS` and `Mode`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from weakref import ref

from graphagg.arrays import Floats, Mask
from graphagg.checks import one_of
from graphagg.errors import InvalidParameter
from graphagg.rag.best.explain import Explainer
from graphagg.rag.best.formula import BestConfig
from graphagg.rag.best.reading import Reading, read_question
from graphagg.rag.best.retriever import BestRetriever
from graphagg.rag.broad.config import BroadConfig
from graphagg.rag.broad.covering import covering
from graphagg.rag.broad.rule import decide
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.linearrag.config import RetrievalConfig
from graphagg.rag.linearrag.names import NameVectors
from graphagg.rag.linearrag.retriever import FaithfulRetriever, Mention, Question
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.rescoring import Rescoring
from graphagg.rag.results import Explanation, Hit, Hop, plain_hits
from graphagg.rag.search.dense import dense_hits
from graphagg.rag.search.lexical import Lexical
from graphagg.rag.search.ranking import top_rows
from graphagg.rag.search.sentences import (
    sentence_by_vectors,
    sentence_by_words,
    sentence_span,
)
from graphagg.rag.settings import MODES, Config, Mode
from graphagg.rag.version.snapshot import Scope, Selection, Snapshot


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


RRF_K, RRF_DEPTH = 60, 50
"""The constant of reciprocal rank fusion, and how many hits of each list are fused at least."""

_NOTHING_ADDED = Rescoring()
C = TypeVar("C")
R = TypeVar("R")
A = TypeVar("A", bound=Asked)


class Retriever(ABC, Generic[C, R, A]):
    """Answers questions from one scope of an opened version, in one mode.

    `C` is the class of the settings, `R` a question that was read, `A` one that is also encoded.

    Args:
        snapshot: the version.
        scope: what is visible.
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

    def answer(
        self,
        questions: Sequence[A],
        k: int,
        min_score: float | None = None,
        rescoring: Rescoring = _NOTHING_ADDED,
    ) -> list[list[Hit]]:
        """The `k` best passages of each question, best first, each text once.

        Args:
            questions: read and encoded.
            k: how many.
            min_score: leave out what scores less; None: nothing.
            rescoring: what is added to the scores.
        """
        if not self.scope.view.passages:
            return [[] for _ in questions]
        least = -math.inf if min_score is None else min_score
        found: Iterable[Sequence[Hit]]
        if rescoring.is_none:
            answered = zip(questions, self._answer(questions, k), strict=True)
            found = (self._distinct(question, hits, k).hits for question, hits in answered)
        else:
            found = (self._rescored(question, k, rescoring) for question in questions)
        return [
            [self._shown(question, hit) for hit in hits if hit.score >= least]
            for question, hits in zip(questions, found, strict=True)
        ]

    def _rescored(self, question: A, k: int, rescoring: Rescoring) -> list[Hit]:
        def ranked(n: int) -> Sequence[Hit]:
            return self._distinct(question, self._answer([question], n)[0], n).hits

        now = rescoring.as_of
        if now is None and rescoring.recency is not None:
            now = self.snapshot.newest(self._visible)
        return rescoring.hits(question.text, k, now, ranked)

    def explain(
        self, question: A, row: int, k: int, rescoring: Rescoring = _NOTHING_ADDED
    ) -> Explanation:
        """Why the passage in a row is, or is not, among the `k` best."""
        if not rescoring.is_none and self._visible[row]:
            return self._explain_rescored(question, row, k, rescoring)
        identifier = self.snapshot.corpus.id(row)
        if not self._visible[row]:
            reason = f"passage {identifier!r} is left out by the filter"
            threshold = _threshold(self.answer([question], k)[0])
            return Explanation(question.text, None, k, reason, None, threshold)
        distinct = self._distinct(question, self._answer([question], k)[0], k)
        for rank, hit in enumerate(distinct.hits, start=1):
            if identifier in hit.copies:
                reason = f"rank {rank}: it has the very text of passage {hit.passage.id!r}"
                found = self._shown(question, hit)
                threshold = _threshold(distinct.hits)
                return Explanation(question.text, rank, k, reason, found, threshold)
        explanation = self._explain(question, row, k, distinct)
        if explanation.hit is None:
            return explanation
        return replace(explanation, hit=self._shown(question, explanation.hit))

    def _explain_rescored(self, question: A, row: int, k: int, rescoring: Rescoring) -> Explanation:
        seen = self._rescored(question, max(k, rescoring.first), rescoring)
        threshold = _threshold(seen[:k])
        ranked = _ranked(seen, self.snapshot.corpus.id(row))
        if ranked is None:
            plain = self.explain(question, row, k)
            reason = f"not among the {len(seen)} first with {rescoring.names}: {plain.reason}"
            return replace(plain, rank=None, reason=reason, threshold=threshold)
        rank, hit = ranked
        found = self._shown(question, hit)
        if rank > k:
            reason = f"{k} passages score higher with {rescoring.names}"
            return Explanation(question.text, None, k, reason, found, threshold)
        reason = f"rank {rank}: ranked by {self.mode} with {rescoring.names}"
        return Explanation(question.text, rank, k, reason, found, threshold)

    @property
    def _visible(self) -> Mask:
        """`[R]`, which passages may be hits."""
        visible: Mask = self.scope.view.visible
        return visible if self.scope.allowed is None else self.scope.allowed & visible

    def _distinct(self, question: A, hits: Sequence[Hit], k: int) -> _Distinct:
        """The first `k` hits of distinct texts, each with the ids of its copies.

        Args:
            question: what was asked.
            hits: the answer for `k`; where some of them are copies, more is asked for.
            k: how many texts.
        """
        snapshot, visible, asked = self.snapshot, self._visible, k
        while True:
            found: list[Hit] = []
            copied: set[str] = set()
            for hit in hits:
                if hit.passage.id not in copied:
                    rows = snapshot.copies(snapshot.known_row(hit.passage.id), visible)
                    copies = tuple(snapshot.corpus.id(row) for row in rows)
                    copied.update(copies)
                    found.append(replace(hit, copies=copies) if copies else hit)
            if len(found) >= k or len(hits) < asked:
                return _Distinct(found[:k], asked)
            asked = k + len(copied)  # more than before: a hit that was left out is a copy
            (hits,) = self._answer([question], asked)

    def _shown(self, question: A, hit: Hit) -> Hit:
        """A hit with the place that matched."""
        row = self.snapshot.known_row(hit.passage.id)
        number = self._closest(question, row)
        return replace(hit, match=sentence_span(self.snapshot.corpus, row, number))

    @abstractmethod
    def _closest(self, question: A, row: int) -> int:
        """Number of the sentence of a row that is closest to the question."""

    @abstractmethod
    def _answer(self, questions: Sequence[A], k: int) -> list[list[Hit]]:
        """`answer`, where at least one passage is visible."""

    def _explain(self, question: A, row: int, k: int, distinct: _Distinct) -> Explanation:
        """`explain` of a visible passage; ranks all passages if it is not among the `k` best."""
        identifier, hits = self.snapshot.corpus.id(row), distinct.hits
        ranked, reason = _ranked(hits, identifier), f"ranked by {self.mode}"
        if ranked is None:
            everything = self._answer([question], len(self.snapshot))[0]
            every = self._distinct(question, everything, len(self.snapshot)).hits
            ranked, reason = _ranked(every, identifier), f"{k} passages score higher"
        assert ranked is not None, "a visible passage has a rank"
        rank, hit = ranked
        return Explanation(question.text, rank, k, f"rank {rank}: {reason}", hit, _threshold(hits))


@dataclass(frozen=True)
class _Distinct:
    """The hits of distinct texts, and for how many the mode was asked to find them."""

    hits: Sequence[Hit]
    asked: int


def _threshold(hits: Sequence[Hit]) -> float | None:
    """The score of the last hit."""
    return hits[-1].score if hits else None


def _ranked(hits: Sequence[Hit], identifier: str) -> tuple[int, Hit] | None:
    """The rank, from 1, and the hit of a passage or its text; None if it is not among the hits."""
    for rank, hit in enumerate(hits, start=1):
        if identifier in (hit.passage.id, *hit.copies):
            return rank, hit
    return None


# --- best ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EncodedReading:
    """A question as `best` answers it: what it names, and its vector `[d]`."""

    reading: Reading
    vector: Floats

    @property
    def text(self) -> str:
        """The question as the user wrote it."""
        return self.reading.text


def readings(snapshot: Snapshot, scope: Scope, questions: Sequence[str]) -> list[Reading]:
    """Terms and named entities of questions; needs no model."""
    return [read_question(text, scope.view, snapshot.analyzers) for text in questions]


def encoded(questions: Sequence[Reading], models: QuestionModels) -> list[EncodedReading]:
    """Questions with their vectors."""
    vectors, _ = models.encoder().encode_query([question.text for question in questions], [])
    return [EncodedReading(*pair) for pair in zip(questions, vectors, strict=True)]


class Best(Retriever[BestConfig, Reading, EncodedReading]):
    """Direct scores, paths over links, and a choice that covers the question: `best.formula`."""

    mode = "best"
    config_type = BestConfig

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[Reading]:
        """Find terms and entities; needs no model."""
        return readings(self.snapshot, self.scope, questions)

    def encode(self, questions: Sequence[Reading], models: QuestionModels) -> list[EncodedReading]:
        """Encode the questions."""
        return encoded(questions, models)

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[list[Hit]]:
        return [self.explainer(question, k).hits() for question in questions]

    def _closest(self, question: EncodedReading, row: int) -> int:
        return sentence_by_vectors(self.snapshot.corpus, row, question.vector[None])

    def explainer(self, question: EncodedReading, k: int, extra: Sequence[int] = ()) -> Explainer:
        """The answer to a question, in a form that explains itself.

        Args:
            question: to answer.
            k: how many passages to choose.
            extra: rows to score too, which are not chosen.
        """
        snapshot, scope = self.snapshot, self.scope
        retriever = BestRetriever(snapshot.corpus, scope.view, snapshot.dense, self.config)
        outcome = retriever.answer(question.reading, question.vector, k, scope.allowed, extra)
        return Explainer(retriever, question.reading, outcome)

    def _explain(
        self, question: EncodedReading, row: int, k: int, distinct: _Distinct
    ) -> Explanation:
        explainer, hits = self.explainer(question, distinct.asked), distinct.hits
        threshold = _threshold(hits)
        ranked = _ranked(hits, self.snapshot.corpus.id(row))
        if ranked is not None:
            rank, hit = ranked
            reason = f"rank {rank}: {explainer.reason(row)}{self._tuned}"
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
        reason += self._tuned
        return Explanation(question.text, None, k, reason, hit, threshold)

    @property
    def _tuned(self) -> str:
        """What an explanation says where the weights are those that the index brings."""
        is_tuned = self.snapshot.weights is not None and self.config == self.snapshot.weights
        return "; the weights were tuned on questions about this index" if is_tuned else ""


# --- faithful ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NamedQuestion:
    """A question and the named entities that the extractor finds in it, in order."""

    text: str
    names: tuple[str, ...]


class Faithful(Retriever[RetrievalConfig, NamedQuestion, Question]):
    """LinearRAG: entity activation, then personalized PageRank."""

    mode = "faithful"
    config_type = RetrievalConfig

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[NamedQuestion]:
        """Find named entities by the extractor."""
        annotations = models.extractor().annotate(questions)
        return [
            NamedQuestion(text, tuple(n for a, b in note.mentions if entity_key(n := text[a:b])))
            for text, note in zip(questions, annotations, strict=True)
        ]

    def encode(self, questions: Sequence[NamedQuestion], models: QuestionModels) -> list[Question]:
        """Encode the questions and the names that are no visible entity's."""
        names = dict.fromkeys(name for question in questions for name in question.names)
        known = {name: self._retriever.known(name) for name in names}
        unknown = [name for name, entity in known.items() if entity is None]
        if unknown:
            self.snapshot.names(models.encoder)
        texts = [question.text for question in questions]
        vectors, name_vectors = models.encoder().encode_query(texts, unknown)
        targets: dict[str, int | Floats] = {n: e for n, e in known.items() if e is not None}
        targets.update(zip(unknown, name_vectors, strict=True))
        return [
            Question(q.text, vector, tuple(Mention(name, targets[name]) for name in q.names))
            for q, vector in zip(questions, vectors, strict=True)
        ]

    def _answer(self, questions: Sequence[Question], k: int) -> list[list[Hit]]:
        return self._retriever.retrieve_batch(questions, k, self.config, self.scope.allowed)

    def _closest(self, question: Question, row: int) -> int:
        return sentence_by_vectors(self.snapshot.corpus, row, question.vector[None])

    @property
    def _retriever(self) -> FaithfulRetriever:
        snapshot, view = self.snapshot, self.scope.view
        owner = ref(snapshot)  # which keeps the retriever: a circle would outlive a closed index

        def names() -> NameVectors:
            kept = owner()
            assert kept is not None, "who asks holds the snapshot"
            return kept.names()

        # A kept retriever holds its view, so that no other view can have the same id meanwhile.
        return snapshot.kept(
            "faithful",
            str(id(view)),
            lambda: FaithfulRetriever(snapshot.corpus, view, snapshot.dense, names),
        )


# --- one score alone -----------------------------------------------------------------------------


@dataclass(frozen=True)
class EncodedText:
    """A question and its vector `[d]`."""

    text: str
    vector: Floats


class Dense(Retriever[object, str, EncodedText]):
    """Similarity alone."""

    mode = "dense"

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[str]:
        """The questions as they are."""
        return list(questions)

    def encode(self, questions: Sequence[str], models: QuestionModels) -> list[EncodedText]:
        """Encode the questions."""
        vectors, _ = models.encoder().encode_query(questions, [])
        return [EncodedText(*pair) for pair in zip(questions, vectors, strict=True)]

    def _answer(self, questions: Sequence[EncodedText], k: int) -> list[list[Hit]]:
        snapshot, scope = self.snapshot, self.scope
        return [
            dense_hits(snapshot.dense, scope.view, q.vector, k, scope.allowed) for q in questions
        ]

    def _closest(self, question: EncodedText, row: int) -> int:
        return sentence_by_vectors(self.snapshot.corpus, row, question.vector[None])


class BM25(Retriever[object, Reading, Reading]):
    """Words alone; no model is needed."""

    mode = "bm25"

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[Reading]:
        """Find the terms."""
        return readings(self.snapshot, self.scope, questions)

    def encode(self, questions: Sequence[Reading], models: QuestionModels) -> list[Reading]:
        """The questions as they were read: words have no vectors."""
        return list(questions)

    def _answer(self, questions: Sequence[Reading], k: int) -> list[list[Hit]]:
        return [worded_hits(self.snapshot, self.scope, question, k) for question in questions]

    def _closest(self, question: Reading, row: int) -> int:
        snapshot = self.snapshot
        analyzer = snapshot.analyzers.of(snapshot.lexicon.language_of(row))
        return sentence_by_words(snapshot.corpus, row, question.terms, analyzer)


def worded_hits(snapshot: Snapshot, scope: Scope, question: Reading, k: int) -> list[Hit]:
    """The `k` passages that match a question's words best."""
    view = scope.view
    lexical = Lexical(view, question.terms)
    rows, scores = top_rows(lexical.rows, lexical.scores, k, snapshot.ranks, view, scope.allowed)
    return plain_hits(snapshot.corpus, rows, scores, "bm25")


class RRF(Retriever[object, Reading, EncodedReading]):
    """Reciprocal rank fusion of `dense` and `bm25` (Cormack, Clarke and Buettcher 2009), k = 60."""

    mode = "rrf"

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[Reading]:
        """Find the terms."""
        return readings(self.snapshot, self.scope, questions)

    def encode(self, questions: Sequence[Reading], models: QuestionModels) -> list[EncodedReading]:
        """Encode the questions."""
        return encoded(questions, models)

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[list[Hit]]:
        return [self._fused(question, max(k, RRF_DEPTH))[:k] for question in questions]

    def _fused(self, question: EncodedReading, depth: int) -> list[Hit]:
        """The hits of both lists, best first; `depth` of each."""
        snapshot, scope = self.snapshot, self.scope
        near = dense_hits(snapshot.dense, scope.view, question.vector, depth, scope.allowed)
        worded = worded_hits(snapshot, scope, question.reading, depth)
        hits = {hit.passage.id: hit for hit in (*worded, *near)}
        shares: dict[str, dict[str, float]] = {identifier: {} for identifier in hits}
        for name, found in (("dense", near), ("bm25", [hit for hit in worded if hit.score > 0])):
            for rank, hit in enumerate(found, start=1):
                shares[hit.passage.id][name] = 1.0 / (RRF_K + rank)
        scores = {identifier: sum(parts.values()) for identifier, parts in shares.items()}
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

    def _closest(self, question: EncodedReading, row: int) -> int:
        return sentence_by_vectors(self.snapshot.corpus, row, question.vector[None])


# --- questions about a corpus as a whole ---------------------------------------------------------


class Broad(Retriever[BroadConfig, Reading, EncodedReading]):
    """The candidates of `best`, chosen so that they cover several themes: `broad.choice`."""

    mode = "broad"
    config_type = BroadConfig

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[Reading]:
        """Find terms and entities; needs no model."""
        return readings(self.snapshot, self.scope, questions)

    def encode(self, questions: Sequence[Reading], models: QuestionModels) -> list[EncodedReading]:
        """Encode the questions."""
        return encoded(questions, models)

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[list[Hit]]:
        return [self._covering(question, k) for question in questions]

    def _covering(self, question: EncodedReading, k: int) -> list[Hit]:
        snapshot, scope = self.snapshot, self.scope
        best = Best(snapshot, scope, snapshot.weights or BestConfig())
        explainer = best.explainer(question, max(self.config.pool, k))
        chosen = explainer.outcome.chosen
        rows = explainer.outcome.candidates.rows[chosen]
        return covering(snapshot, scope.view, rows, explainer.scores(), k, self.config)

    def _closest(self, question: EncodedReading, row: int) -> int:
        return sentence_by_vectors(self.snapshot.corpus, row, question.vector[None])


class Auto(Retriever[object, Reading, EncodedReading]):
    """`broad` or `best`, by a rule over the question alone: `broad.rule`."""

    mode = "auto"

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[Reading]:
        """Find terms and entities; needs no model."""
        return readings(self.snapshot, self.scope, questions)

    def encode(self, questions: Sequence[Reading], models: QuestionModels) -> list[EncodedReading]:
        """Encode the questions."""
        return encoded(questions, models)

    def answer(
        self,
        questions: Sequence[EncodedReading],
        k: int,
        min_score: float | None = None,
        rescoring: Rescoring = _NOTHING_ADDED,
    ) -> list[list[Hit]]:
        """What the mode that the rule chooses answers to each question."""
        return [self._chosen(q).answer([q], k, min_score, rescoring)[0] for q in questions]

    def explain(
        self,
        question: EncodedReading,
        row: int,
        k: int,
        rescoring: Rescoring = _NOTHING_ADDED,
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


# --- by name -------------------------------------------------------------------------------------

AnyRetriever = Retriever[Any, Any, Any]
RETRIEVERS: dict[Mode, type[AnyRetriever]] = {
    "best": Best, "broad": Broad, "auto": Auto, "faithful": Faithful, "rrf": RRF, "dense": Dense,
    "bm25": BM25,
}  # fmt: skip
"""The class of each mode."""


def settings_of(
    mode: Mode, config: Config | None, weights: BestConfig | None = None
) -> Config | None:
    """The settings of a mode: its defaults for None; raises `InvalidParameter`.

    `weights` are what `best` takes without settings; None: its defaults.
    """
    config_type = RETRIEVERS[one_of("mode", mode, MODES)].config_type
    if config_type is None or isinstance(config, config_type):
        return config
    if config_type is BestConfig and config is None and weights is not None:
        return weights
    if config is None:
        default: Config = config_type()
        return default
    raise InvalidParameter(
        f"config is a {type(config).__name__}, wanted a {config_type.__name__} for mode {mode!r}"
    )


def retriever_of(
    snapshot: Snapshot, selection: Selection, mode: Mode, config: Config | None
) -> AnyRetriever:
    """The retriever of a mode over what a selection of a version's passages lets a caller see.

    Raises:
        InvalidParameter: the mode is unknown, `config` is of another mode, or ids are no list.
        InvalidFilter: the filter names an unknown key or does not fit its type.
    """
    settings = settings_of(mode, config, snapshot.best_weights)
    return RETRIEVERS[mode](snapshot, snapshot.scope(selection), settings)
