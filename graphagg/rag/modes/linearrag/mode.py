"""The mode `linearrag`: LinearRAG as published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import ref

from graphagg.arrays import Floats
from graphagg.rag.config.linearrag import LinearRAGConfig
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.modes.linearrag.search import LinearRAGSearch, Mention, Question
from graphagg.rag.modes.multihop.candidates import QuestionScores
from graphagg.rag.modes.protocol import (
    QuestionModels,
    Ranked,
    Retriever,
    compared_with,
    sentences_by_vector,
)
from graphagg.rag.snapshot.names import NameVectors
from graphagg.rag.tables.vectors import Queries, Rows


@dataclass(frozen=True)
class NamedQuestion:
    """A question and the named entities that the extractor finds in it, in order."""

    text: str
    names: tuple[str, ...]


class LinearRAG(Retriever[LinearRAGConfig, NamedQuestion, Question]):
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

    def encode(self, questions: Sequence[NamedQuestion], models: QuestionModels) -> list[Question]:
        """Encode the questions and the names that are no visible entity's."""
        names = dict.fromkeys(name for question in questions for name in question.names)
        entities = {name: self._search.entity_named(name) for name in names}
        unknown = [name for name, entity in entities.items() if entity is None]
        if unknown:
            self.snapshot.names(models.encoder)
        texts = [question.text for question in questions]
        vectors, name_vectors = models.encoder().encode_query(texts, unknown)
        targets: dict[str, int | Floats] = {n: e for n, e in entities.items() if e is not None}
        targets.update(zip(unknown, name_vectors, strict=True))
        return [
            Question(q.text, vector, tuple(Mention(name, targets[name]) for name in q.names))
            for q, vector in zip(questions, vectors, strict=True)
        ]

    def _answer(self, questions: Sequence[Question], k: int) -> list[Ranked]:
        answers = self._search.retrieve_batch(questions, k, self.config, self.scope.allowed)
        return [Ranked(hits) for hits in answers]

    def _compared(self, question: Question) -> QuestionScores:
        return compared_with(self.snapshot, self.scope, question.text, question.vector)

    def _closest(self, question: Question, rows: Rows, passages: Sequence[Passage]) -> list[int]:
        return sentences_by_vector(self.snapshot.corpus, rows, Queries(question.vector[None]))

    @property
    def _search(self) -> LinearRAGSearch:
        snapshot, view = self.snapshot, self.scope.view
        owner = ref(snapshot)  # it keeps the search: a circle would outlive a closed index

        def names() -> NameVectors:
            kept = owner()
            assert kept is not None, "the caller holds the snapshot"
            return kept.names()

        # A kept search holds its view, so that no other view can have the same id meanwhile.
        return snapshot.kept(
            "linearrag",
            str(id(view)),
            lambda: LinearRAGSearch(snapshot.corpus, view, snapshot.dense, names),
        )
