"""The mode `linearrag`: LinearRAG as published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphagg.rag.config.linearrag import LinearRAGConfig
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.modes.linearrag.activation import Seed
from graphagg.rag.modes.linearrag.names import NameVectors
from graphagg.rag.modes.linearrag.search import LinearRAGSearch, SeededQuestion
from graphagg.rag.modes.multihop.candidates import QuestionScores
from graphagg.rag.modes.protocol import (
    QuestionModels,
    Ranked,
    Retriever,
    compared_with,
    sentences_by_vector,
)
from graphagg.rag.tables.vectors import Queries, Rows


@dataclass(frozen=True)
class NamedQuestion:
    """A question and the named entities that the extractor finds in it, in order."""

    text: str
    names: tuple[str, ...]


class LinearRAG(Retriever[LinearRAGConfig, NamedQuestion, SeededQuestion]):
    """LinearRAG: entity activation, then personalized PageRank."""

    mode = "linearrag"
    config_type = LinearRAGConfig

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[NamedQuestion]:
        """Find named entities by the extractor."""
        annotations = models.extractor().annotate(questions)
        return [
            NamedQuestion(text, tuple(n for a, b in note.mentions if entity_key(n := text[a:b])))
            for text, note in zip(questions, annotations, strict=True)
        ]

    def encode(
        self, questions: Sequence[NamedQuestion], models: QuestionModels
    ) -> list[SeededQuestion]:
        """Encode the questions, and find the entities that they name."""
        search = self._search
        names = dict.fromkeys(name for question in questions for name in question.names)
        entities = {name: search.entity_named(name) for name in names}
        unknown = [name for name, entity in entities.items() if entity is None]
        texts = [question.text for question in questions]
        vectors, name_vectors = models.encoder().encode_query(texts, unknown)
        seeds = {name: (e, 1.0) for name, e in entities.items() if e is not None}
        if unknown and len(search.graph.entities):
            known = self.snapshot.kept(
                "names", "", lambda: NameVectors.of_index(self.snapshot, models.encoder())
            )
            nearest = known.nearest(search.graph.entities, list(name_vectors))
            seeds.update(zip(unknown, nearest, strict=True))
        return [
            SeededQuestion(
                q.text, vector, tuple(Seed(name, *seeds[name]) for name in q.names if name in seeds)
            )
            for q, vector in zip(questions, vectors, strict=True)
        ]

    def _answer(self, questions: Sequence[SeededQuestion], k: int) -> list[Ranked]:
        answers = self._search.retrieve_batch(questions, k, self.config, self.scope.allowed)
        return [Ranked(hits) for hits in answers]

    def _compared(self, question: SeededQuestion) -> QuestionScores:
        return compared_with(self.snapshot, self.scope, question.text, question.vector)

    def _closest(
        self, question: SeededQuestion, rows: Rows, passages: Sequence[Passage]
    ) -> list[int]:
        return sentences_by_vector(self.snapshot.corpus, rows, Queries(question.vector[None]))

    @property
    def _search(self) -> LinearRAGSearch:
        corpus, view, dense = self.snapshot.corpus, self.scope.view, self.snapshot.dense
        # The cached search holds its view, so that no other view can have the same id meanwhile.
        return self.snapshot.kept(
            "linearrag", str(id(view)), lambda: LinearRAGSearch(corpus, view, dense)
        )
