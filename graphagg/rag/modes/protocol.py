"""The interface of retrieval modes.

`read` finds what a question names, `encode` computes its vectors, `rank` ranks the passages of a
view, and `closest` finds the sentence of a passage that is closest to the question.
`graphagg.rag.operations.answering` makes answers of these.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from graphagg.arrays import Floats
from graphagg.rag.config.modes import Mode
from graphagg.rag.documents.passages import Passage
from graphagg.rag.models.encoder import Encoder, checked
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.modes.sentences import term_shares
from graphagg.rag.modes.source import EncodedQuestion, PassageSource
from graphagg.rag.question.reading import QuestionReading
from graphagg.rag.question.results import Hit
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.vectors import Rows
from graphagg.store import Artifact


class QuestionModels(Protocol):
    """The models of an index; each is loaded at its first use."""

    def encoder(self) -> Encoder:
        """The encoder."""

    def extractor(self) -> EntityExtractor:
        """The extractor."""


class Ranking(ABC):
    """The passages of a view ranked for a question, read only as far as needed.

    Attributes:
        scores: the question's scores; None in a mode without vectors.
        spread: of the first scores, in modes whose confidence was fitted with it.
    """

    scores: QuestionScores | None = None
    spread: float | None = None

    @abstractmethod
    def take(self, n: int) -> Sequence[Hit]:
        """The first `n` hits, copies included; fewer if there are not so many."""

    def reason(self, row: int) -> str | None:
        """How a ranked passage was reached; None: there is nothing to say."""
        return None

    def missed(self, row: int, taken: int) -> tuple[Hit, str] | None:
        """The hit that a row would be after the first `taken`, and why it is none.

        None: the ranking holds every passage.
        """
        return None


class Retriever(ABC):
    """Answers questions from one view of an opened version, in one mode.

    `config_type` is the class of the settings; None: the mode has none.
    """

    mode: ClassVar[Mode]
    config_type: ClassVar[type[Any] | None] = None

    def __init__(self, source: PassageSource, config: Any) -> None:
        self.source, self.config = source, config
        self.snapshot, self.view = source.snapshot, source.view

    @property
    def artifact(self) -> Artifact:
        """The opened folder of the version."""
        return self.snapshot.artifact

    def read(self, questions: Sequence[str], models: QuestionModels) -> list[QuestionReading]:
        """Find what each question names: terms and entities, without a model."""
        return [self.source.read(text) for text in resolve_aliases(self.snapshot, questions)]

    def encode(
        self, questions: Sequence[QuestionReading], models: QuestionModels
    ) -> list[EncodedQuestion]:
        """Compute the vectors of the questions in one call of the encoder."""
        encoder = models.encoder()
        encoded, _ = encoder.encode_query([question.text for question in questions], [])
        vectors = checked(encoder, encoded, len(questions))
        return [EncodedQuestion(*pair) for pair in zip(questions, vectors, strict=True)]

    @abstractmethod
    def rank(self, question: EncodedQuestion, k: int) -> Ranking:
        """Rank passages for about `k` hits; at least one passage is visible."""

    def closest(
        self, question: EncodedQuestion, rows: Rows, passages: Sequence[Passage]
    ) -> list[int]:
        """The sentence of each row, from 0, that is closest to the question; ties: the first.

        By similarity and the share of the question's terms, each between 0 and 1.
        """
        cosines = self._cosines(question, rows)
        shares = term_shares(self.snapshot, rows, passages, question.terms)
        return [int((a + b).argmax()) for a, b in zip(cosines, shares, strict=True)]

    def _cosines(self, question: EncodedQuestion, rows: Rows) -> list[Floats]:
        return self.source.cosines(rows, question.query)


def resolve_aliases(snapshot: PassageSnapshot, questions: Sequence[str]) -> Sequence[str]:
    """Questions with the names of a user's list in place of their aliases."""
    listed = snapshot.listed
    return [listed.resolve_aliases(text) for text in questions] if listed else questions
