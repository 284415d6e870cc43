"""The one object that modes ask for statistics, candidates and links of the visible passages.

`PassageSource` answers from one index. `graphagg.rag.parts.source` has the same methods for many,
so that the modes rank over both by the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from graphagg.arrays import Floats
from graphagg.nearest.vectors import Queries
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.tokens import TextTokens, scan
from graphagg.rag.modes.multihop.links import MultihopSource
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.modes.sentences import sentence_cosines
from graphagg.rag.question.reading import (
    NameFound,
    QuestionReading,
    names_in,
    read_question,
    read_terms,
    words_written_as_one,
)
from graphagg.rag.snapshot.search import Lexical
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View


@dataclass(frozen=True)
class EncodedQuestion:
    """A question that is ready to be answered.

    Attributes:
        reading: its terms and entities.
        vector: `[d]`; empty in mode `bm25`.
        words: `[t, d]` of its terms; None if not needed or not available.
    """

    reading: QuestionReading
    vector: Floats
    words: Floats | None = None

    @property
    def text(self) -> str:
        """The question, with the names of a user's list in place of their aliases."""
        return self.reading.text

    @property
    def terms(self) -> tuple[Term, ...]:
        """Its distinct words without stop words."""
        return self.reading.terms

    @cached_property
    def query(self) -> Queries:
        """Its vector as a query."""
        return Queries(self.vector[None])


class PassageSource:
    """The visible passages of one index, as questions see them."""

    def __init__(self, snapshot: PassageSnapshot, view: View) -> None:
        self.snapshot, self.view = snapshot, view

    def read(self, text: str) -> QuestionReading:
        """Find a question's terms and entities."""
        tokens, analyzers = scan(text), self.snapshot.analyzers
        names, words = self.names(text, tokens), self.words(text, tokens)
        return read_question(text, tokens, names, words, analyzers, self.view.languages)

    def read_terms(self, text: str) -> QuestionReading:
        """Find a question's terms only."""
        tokens, analyzers = scan(text), self.snapshot.analyzers
        words = self.words(text, tokens)
        return read_terms(text, tokens, words, analyzers, self.view.languages)

    def names(self, text: str, tokens: TextTokens) -> Sequence[NameFound]:
        """The entities whose words are in a question."""
        return list(names_in(text, tokens, self.view, self.snapshot.listed))

    def words(self, text: str, tokens: TextTokens) -> list[str]:
        """Names of a question that are one word in the title or path of a document."""
        view, analyzers = self.view, self.snapshot.analyzers
        found = words_written_as_one(text, tokens, view, analyzers, view.languages)
        return [word for *_, word in found]

    def cosines(self, rows: Rows, query: Queries) -> list[Floats]:
        """The cosine of each sentence of each row with one vector."""
        return sentence_cosines(self.snapshot.corpus, rows, query)

    def lexical(self, terms: Sequence[Term]) -> Lexical:
        """The scores of some terms."""
        return Lexical(self.view, terms)

    def scores(self, question: EncodedQuestion) -> QuestionScores:
        """The scores of a question."""
        dense = self.snapshot.dense
        return QuestionScores(question.reading, question.query, question.words, self.view, dense)

    def multihop(self, config: MultihopConfig) -> MultihopSource:
        """The source of candidates and links."""
        return MultihopSource(self.snapshot.corpus, self.snapshot.ranks, self.view, config)
