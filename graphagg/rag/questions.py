"""Answering questions over one version of an index, in every mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphagg.rag.best.explain import Explainer
from graphagg.rag.best.formula import BestConfig
from graphagg.rag.best.reading import Reading, read_question
from graphagg.rag.best.retriever import BestRetriever
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.linearrag.config import Mode, RetrievalConfig
from graphagg.rag.linearrag.retriever import (
    FaithfulRetriever,
    Mention,
    Question,
    Vector,
    dense_hits,
)
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.results import Explanation, Hit, Hop
from graphagg.rag.search.lexical import Lexical
from graphagg.rag.search.ranking import best_rows, spread, top_k
from graphagg.rag.tables.vectors import Vectors
from graphagg.rag.version.snapshot import Scope, Snapshot

Config = BestConfig | RetrievalConfig


@dataclass(frozen=True)
class Named:
    """A question, and what it names.

    Attributes:
        text: as it was asked.
        mentions: named entities by the extractor; `faithful` only.
        reading: terms, entities and parts; `best` and `bm25` only.
    """

    text: str
    mentions: tuple[str, ...] = ()
    reading: Reading | None = None


@dataclass(frozen=True)
class Asked:
    """A question that is ready to be answered; `vectors` are `[1 + parts, d]`, the question first.

    `mentions` are those of `Named`, linked.
    """

    named: Named
    vectors: Vectors
    mentions: tuple[Mention, ...] = ()


class Answerer:
    """Answers questions from one scope of a snapshot, in one mode.

    Args:
        snapshot: the version.
        scope: what is visible.
        mode: how.
        config: the settings of the mode.
    """

    def __init__(self, snapshot: Snapshot, scope: Scope, mode: Mode, config: Config) -> None:
        self._snapshot, self._scope, self._mode, self._config = snapshot, scope, mode, config

    def name(self, questions: Sequence[str], extractor: EntityExtractor | None) -> list[Named]:
        """Find what questions name; only `faithful` needs the extractor."""
        if self._mode == "faithful":
            assert extractor is not None
            found = extractor.annotate(questions)
            return [
                Named(text, tuple(n for a, b in note.mentions if entity_key(n := text[a:b])))
                for text, note in zip(questions, found, strict=True)
            ]
        if self._mode == "dense":
            return [Named(text) for text in questions]
        view, analyzer = self._scope.view, self._snapshot.analyzer
        return [Named(text, reading=read_question(text, view, analyzer)) for text in questions]

    def encode(self, questions: Sequence[Named], encoder: Encoder | None) -> list[Asked]:
        """Encode questions, their parts and their unknown names by one call of the model."""
        if self._mode == "bm25":
            return [Asked(named, np.zeros((0, 0), np.float32)) for named in questions]
        assert encoder is not None
        texts = [self._texts(named) for named in questions]
        links, unknown = self._links(questions)
        vectors, names = encoder.encode_query([t for some in texts for t in some], unknown)
        linked: dict[str, int | Vector] = {**links, **dict(zip(unknown, names, strict=True))}
        bounds = np.cumsum([0, *(len(some) for some in texts)])
        return [
            Asked(
                named,
                vectors[start:end],
                tuple(Mention(name, linked[name]) for name in named.mentions),
            )
            for named, start, end in zip(questions, bounds, bounds[1:], strict=False)
        ]

    def _texts(self, named: Named) -> list[str]:
        if named.reading is None or not isinstance(self._config, BestConfig):
            return [named.text]
        return [named.text, *named.reading.parts[: self._config.parts]]

    def _links(self, questions: Sequence[Named]) -> tuple[dict[str, int | Vector], list[str]]:
        """Names that are a visible entity's, and those that are not."""
        links: dict[str, int | Vector] = {}
        unknown: list[str] = []
        for name in dict.fromkeys(name for named in questions for name in named.mentions):
            entity = self._faithful.known(name)
            if entity is None:
                unknown.append(name)
            else:
                links[name] = entity
        return links, unknown

    @property
    def _faithful(self) -> FaithfulRetriever:
        return self._snapshot.faithful(self._scope.view)

    @property
    def _best(self) -> BestRetriever:
        assert isinstance(self._config, BestConfig)
        snapshot = self._snapshot
        return BestRetriever(snapshot.corpus, self._scope.view, snapshot.dense, self._config)

    def answer(self, questions: Sequence[Asked], k: int) -> list[list[Hit]]:
        """The `k` best passages of each question, best first."""
        snapshot, scope = self._snapshot, self._scope
        if not scope.view.passages:
            return [[] for _ in questions]
        if self._mode == "faithful":
            assert isinstance(self._config, RetrievalConfig)
            asked = [Question(a.named.text, a.vectors[0], a.mentions) for a in questions]
            return self._faithful.retrieve_batch(asked, k, self._config, scope.allowed)
        if self._mode == "dense":
            return [
                dense_hits(
                    snapshot.corpus, scope.view, snapshot.dense, a.vectors[0], k, scope.allowed
                )
                for a in questions
            ]
        if self._mode == "bm25":
            return [self._lexical_hits(a, k) for a in questions]
        return [self._explainer(asked, k).hits() for asked in questions]

    def _lexical_hits(self, asked: Asked, k: int) -> list[Hit]:
        snapshot, scope = self._snapshot, self._scope
        assert asked.named.reading is not None
        lexical = Lexical(scope.view, asked.named.reading.terms)
        found = best_rows(lexical.rows, lexical.body, k, snapshot.ranks, scope.allowed)
        if found is None:  # passages without any of the words are among the best
            scores = spread(lexical.rows, lexical.body, len(snapshot.corpus))
            rows = scope.view.rows if scope.allowed is None else np.flatnonzero(scope.allowed)
            best = rows[top_k(scores[rows], k, snapshot.ranks[rows])]
            found = best, scores[best]
        return [
            Hit(
                snapshot.corpus[row],
                score,
                {"bm25": score},
                (Hop("passage", snapshot.corpus.id(row), score, score),),
                "bm25",
            )
            for row, score in zip(*(part.tolist() for part in found), strict=True)
        ]

    def _explainer(self, asked: Asked, k: int, extra: Sequence[int] = ()) -> Explainer:
        assert asked.named.reading is not None
        retriever, reading = self._best, asked.named.reading
        outcome = retriever.answer(reading, asked.vectors, k, self._scope.allowed, extra)
        return Explainer(retriever, reading, outcome)

    def explain(self, asked: Asked, row: int, k: int) -> Explanation:
        """Why a passage is, or is not, among the `k` best."""
        text, identifier = asked.named.text, self._snapshot.corpus.id(row)
        allowed, visible = self._scope.allowed, self._scope.view.visible
        hits = self.answer([asked], k)[0]
        threshold = hits[-1].score if hits else None
        if not (visible[row] and (allowed is None or allowed[row])):
            reason = f"passage {identifier!r} is left out by the filter"
            return Explanation(text, None, k, reason, None, threshold)
        for rank, hit in enumerate(hits, start=1):
            if hit.passage.id == identifier:
                how = self._how(asked, row, k)
                return Explanation(text, rank, k, f"rank {rank}: {how}", hit, threshold)
        return self._beyond(asked, row, k, threshold)

    def _how(self, asked: Asked, row: int, k: int) -> str:
        if self._mode != "best":
            return f"ranked by {self._mode}"
        return self._explainer(asked, k).reason(row)

    def _beyond(self, asked: Asked, row: int, k: int, threshold: float | None) -> Explanation:
        """Of a passage that is not among the first `k`."""
        identifier = self._snapshot.corpus.id(row)
        if self._mode != "best":
            everything = self.answer([asked], len(self._snapshot))[0]
            rank, hit = next(
                (rank, hit)
                for rank, hit in enumerate(everything, start=1)
                if hit.passage.id == identifier
            )
            reason = f"rank {rank}: {k} passages score higher"
            return Explanation(asked.named.text, rank, k, reason, hit, threshold)
        explainer = self._explainer(asked, k)
        reason = "a candidate, but outscored"
        if explainer.outcome.position(row) is None:
            pool = self._config.pool if isinstance(self._config, BestConfig) else 0
            reason = (
                f"no candidate: not among the {max(k, pool)} closest by similarity and words, not "
                "named by the question, and no link of the best passages leads to it"
            )
            explainer = self._explainer(asked, k, (row,))
        hit = explainer.next_hit(row)
        if threshold is not None:
            reason += f"; it scores {hit.score:.4f}, the last hit {threshold:.4f}"
        if reason.startswith("a candidate"):
            reason += f"; {explainer.reason(row)}"
        return Explanation(asked.named.text, None, k, reason, hit, threshold)
