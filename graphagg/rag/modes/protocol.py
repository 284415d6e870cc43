"""The interface of retrieval modes, and what they need from an index.

A `Retriever` reads a question, encodes it, ranks the passages of a view, and finds the sentence of
a passage that is closest to the question; `graphagg.rag.operations.answering` builds the answers.
A retriever gets statistics, candidates and links of the visible passages from a `PassageSource`.
`graphagg.rag.parts.source` has the same methods for several indices, so the modes use the same
code for one and for many.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar, Protocol

import numpy as np

from graphagg.arrays import Doubles, Floats, members
from graphagg.nearest.vectors import Queries, Rows
from graphagg.rag.config.modes import Mode
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.passages import TRAIL, Passage
from graphagg.rag.documents.tokens import (
    TextTokens,
    code_blocks,
    inner_words,
    prose,
    scan,
    tokenize,
)
from graphagg.rag.models.encoder import Encoder, checked
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.modes.multihop.links import MultihopSource
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.question.excerpts import Span, marks_of
from graphagg.rag.question.reading import (
    NameFound,
    QuestionReading,
    names_in,
    read_question,
    read_terms,
    words_written_as_one,
)
from graphagg.rag.question.results import Hit
from graphagg.rag.snapshot.search import Lexical
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.view import View
from graphagg.store import Artifact

_LINE_END = re.compile(r"\n")
_YEAR = re.compile(r"(?:19|20)\d\d")


def sentence_cosines(corpus: StoredCorpus, rows: Rows, query: Queries) -> list[Floats]:
    """Return the cosine of each sentence of each row with one vector."""
    sentences, lengths = members(corpus.sentence_bounds, rows)
    cosines = corpus.sentence_vectors.dots_at(sentences, query)[:, 0]
    return np.split(cosines, np.cumsum(lengths)[:-1])


def term_shares(
    snapshot: PassageSnapshot, rows: Rows, passages: Sequence[Passage], terms: Sequence[Term]
) -> Iterator[Doubles]:
    """Yield, for each row, the share of a question's terms in each sentence, without the title.

    Terms of the title, and years, count only if the question has no other terms. A heading, or
    a first sentence that only repeats the title, has -inf if there are other sentences.
    """
    language_of = snapshot.language_of
    without_years = [term for term in terms if not _YEAR.fullmatch(term[0])]
    for row, passage in zip(rows.tolist(), passages, strict=True):
        stem = snapshot.analyzers.for_language(language_of(row)).stem
        text, begin = passage.full_text, len(passage.title)
        spans = snapshot.corpus.sentence_spans(row)
        words = [tokenize(text[max(start, begin) : end]) for start, end in spans]
        titled = set(map(stem, tokenize(passage.title)))
        asked = [term for term in without_years if titled.isdisjoint(term)] or terms
        stems = set(chain.from_iterable(asked))
        shares = np.array([len(stems.intersection(map(stem, each))) for each in words], float)
        heading = tokenize(passage.title.rpartition(TRAIL)[2])
        if heading and len(words) > 1 and words[0] in ([], heading):
            shares[0] = -np.inf
        headings = [tokenize(str(names[-1])) for _, names, _ in marks_of(passage.metadata) if names]
        if headings and not all(each in headings for each in words):
            shares[[each in headings for each in words]] = -np.inf
        yield shares / max(len(asked), 1)


def closest_lines(snapshot: PassageSnapshot, row: int, hit: Hit, question: str) -> Span:
    """Return the line of code with the most words of a question, with the lines around it.

    Returns the sentence that matched if no line has more words than it.
    """
    text = hit.passage.text
    analyzer = snapshot.analyzers.for_language(snapshot.language_of(row))
    terms = {analyzer.stem(word) for word in tokenize(question) if word not in analyzer.stop_words}

    def shared(piece: str) -> int:
        return len(terms.intersection(map(analyzer.stem, [*tokenize(piece), *inner_words(piece)])))

    best, most = hit.match, shared(hit.sentence) if hit.sentence else -1
    for start, end in code_blocks(text):
        edges = [start, *(m.end() for m in _LINE_END.finditer(text, start, end)), end]
        for i in range(len(edges) - 1):
            if (count := shared(text[edges[i] : edges[i + 1]])) > most:
                most = count
                best = Span(edges[max(i - 1, 0)], edges[min(i + 2, len(edges) - 1)])
    return _stripped(text, *best)


def sentence_span(corpus: StoredCorpus, row: int, sentence: int, passage: Passage) -> Span:
    """Return the span of a sentence in the text of its passage, without title and code."""
    shift = len(passage.full_text) - len(passage.text)
    start, end = (max(edge - shift, 0) for edge in corpus.sentence_spans(row)[sentence])
    *_, (first, last) = ((0, end - start), *prose(passage.text[start:end]))
    start, end = start + first, start + last
    return _stripped(passage.text, start, end)


def _stripped(text: str, start: int, end: int) -> Span:
    """Return a span without the whitespace at its ends."""
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return Span(start, start + len(piece.strip()))


@dataclass(frozen=True)
class EncodedQuestion:
    """A question with its vectors.

    Attributes:
        reading: its terms and entities.
        vector: `[d]` vector of the text; empty in mode `bm25`.
        words: `[t, d]` vectors of its terms; None if not needed or not available.
    """

    reading: QuestionReading
    vector: Floats
    words: Floats | None = None

    @property
    def text(self) -> str:
        """The question, with aliases from a user's list replaced by their names."""
        return self.reading.text

    @property
    def terms(self) -> tuple[Term, ...]:
        """Its distinct words without stop words."""
        return self.reading.terms

    @cached_property
    def query(self) -> Queries:
        """The vector of the question, as a query."""
        return Queries(self.vector[None])


class PassageSource:
    """Gives modes access to the visible passages of one index."""

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
        """Return the entities whose words are in a question."""
        return list(names_in(text, tokens, self.view, self.snapshot.listed))

    def words(self, text: str, tokens: TextTokens) -> list[str]:
        """Return names of a question that a document's title or path writes as one word."""
        view, analyzers = self.view, self.snapshot.analyzers
        found = words_written_as_one(text, tokens, view, analyzers, view.languages)
        return [word for *_, word in found]

    def cosines(self, rows: Rows, query: Queries) -> list[Floats]:
        """Return the cosine of each sentence of each row with one vector."""
        return sentence_cosines(self.snapshot.corpus, rows, query)

    def lexical(self, terms: Sequence[Term]) -> Lexical:
        """Return the scores of some terms."""
        return Lexical(self.view, terms)

    def scores(self, question: EncodedQuestion) -> QuestionScores:
        """Return the scores of a question."""
        dense = self.snapshot.dense
        return QuestionScores(question.reading, question.query, question.words, self.view, dense)

    def multihop(self, config: MultihopConfig) -> MultihopSource:
        """Return the source of candidates and links for mode `multihop`."""
        return MultihopSource(self.snapshot.corpus, self.snapshot.ranks, self.view, config)


class QuestionModels(Protocol):
    """The models of an index; each is loaded on first use."""

    def encoder(self) -> Encoder:
        """Return the encoder."""

    def extractor(self) -> EntityExtractor:
        """Return the extractor."""


class Ranking(ABC):
    """The passages of a view ranked for a question; hits are built only when needed.

    Attributes:
        scores: the question's scores; None in a mode without vectors.
        spread: standard deviation of the first scores; None in modes without this feature.
    """

    scores: QuestionScores | None = None
    spread: float | None = None

    @abstractmethod
    def take(self, n: int) -> Sequence[Hit]:
        """Return the first `n` hits, including copies; fewer if there are not so many."""

    def reason(self, row: int) -> str | None:
        """Explain how a ranked passage was reached; None if there is no explanation."""
        return None

    def missed(self, row: int, taken: int) -> tuple[Hit, str] | None:
        """Return the hit that a row would be after the first `taken`, and why it is not a hit.

        Returns None if the ranking contains every passage.
        """
        return None


class Retriever(ABC):
    """Answers questions from one view of an opened version, in one mode.

    `config_type` is the class of the settings, or None if the mode has none.
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
        """Find the terms and entities of each question, without a model."""
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
        """Return the index of the sentence closest to the question, per row; ties: the first.

        Compares the sum of similarity and share of the question's terms, each from 0 to 1.
        """
        cosines = self.source.cosines(rows, question.query)
        shares = term_shares(self.snapshot, rows, passages, question.terms)
        return [int((a + b).argmax()) for a, b in zip(cosines, shares, strict=True)]


def resolve_aliases(snapshot: PassageSnapshot, questions: Sequence[str]) -> Sequence[str]:
    """Replace aliases from a user's list by their names in each question."""
    listed = snapshot.listed
    return [listed.resolve_aliases(text) for text in questions] if listed else questions
