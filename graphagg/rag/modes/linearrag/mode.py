"""The mode `linearrag`: LinearRAG as described in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphagg.rag.config.modes import LinearRAGConfig
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.models.encoder import checked
from graphagg.rag.modes.linearrag.activation import Seed
from graphagg.rag.modes.linearrag.names import NameVectors
from graphagg.rag.modes.linearrag.search import LinearRAGSearch, SeededQuestion, WalkRanking
from graphagg.rag.modes.plain import Dense, SimilarityRanking
from graphagg.rag.modes.protocol import EncodedQuestion, QuestionModels, Ranking, resolve_aliases
from graphagg.rag.question.reading import QuestionReading


class LinearRAG(Dense):
    """LinearRAG: entity activation, then personalized PageRank."""

    mode = "linearrag"
    config_type = LinearRAGConfig

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[QuestionReading]:
        """Find the terms, and let the extractor find the names."""
        read, questions = [], resolve_aliases(self.snapshot, questions)
        for text, note in zip(questions, models.extractor().annotate(questions), strict=True):
            names = (text[start:end] for start, end in note.mentions)
            reading = self.source.read_terms(text)
            read.append(replace(reading, names=tuple(filter(entity_key, names))))
        return read

    def encode(
        self, questions: Sequence[QuestionReading], models: QuestionModels
    ) -> list[EncodedQuestion]:
        """Encode the questions, and find the entities that they name."""
        search = self._search
        names = dict.fromkeys(name for question in questions for name in question.names)
        entities = {name: search.entity_named(name) for name in names}
        unknown = [name for name, entity in entities.items() if entity is None]
        texts = [question.text for question in questions]
        encoder = models.encoder()
        vectors, name_vectors = encoder.encode_query(texts, unknown)
        vectors = checked(encoder, vectors, len(texts))
        seeds = {name: (e, 1.0) for name, e in entities.items() if e is not None}
        if unknown and len(search.graph.entities):
            names_of_index = self.snapshot.cached(
                "names", "", lambda: NameVectors.of_index(self.snapshot, encoder)
            )
            name_vectors = checked(encoder, name_vectors, len(unknown))
            nearest = names_of_index.nearest(search.graph.entities, list(name_vectors))
            seeds.update(zip(unknown, nearest, strict=True))
        return [
            SeededQuestion(
                q, vector, seeds=tuple(Seed(n, *seeds[n]) for n in q.names if n in seeds)
            )
            for q, vector in zip(questions, vectors, strict=True)
        ]

    def rank(self, question: EncodedQuestion, k: int) -> Ranking:
        """Rank by PageRank; use similarity only if the question names no entity."""
        if not isinstance(question, SeededQuestion) or not question.seeds:
            return SimilarityRanking(self.source, question)
        return WalkRanking(self._search, question, self.source.scores(question), self.config)

    @property
    def _search(self) -> LinearRAGSearch:
        snapshot, view = self.snapshot, self.view

        def make() -> LinearRAGSearch:
            snapshot.artifact.check_values()  # SciPy does not check indices of matrices
            return LinearRAGSearch(snapshot.corpus, view, snapshot.ranks)

        # The cached search keeps a reference to its view, so no other view gets the same id.
        return snapshot.cached("linearrag", str(id(view)), make)
