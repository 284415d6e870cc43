"""The interface of retrieval modes, and what they ask of an index.

A `Retriever` reads a question, encodes it, ranks the passages of a view, and finds the sentence of
a passage that is closest to the question; `graphagg.rag.operations.answering` makes answers of
these. It asks a `PassageSource` for statistics, candidates and links of the visible passages.
`graphagg.rag.parts.source` has the same methods for several indices, so the modes rank over both
by the same code.
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
    """The cosine of each sentence of each row with one vector."""
    sentences, lengths = members(corpus.sentence_bounds, rows)
    cosines = corpus.sentence_vectors.dots_at(sentences, query)[:, 0]
    return np.split(cosines, np.cumsum(lengths)[:-1])


def term_shares(
    snapshot: PassageSnapshot, rows: Rows, passages: Sequence[Passage], terms: Sequence[Term]
) -> Iterator[Doubles]:
    """The share of a question's terms in each sentence of each row, without the title before it.

    Terms of the title, and years, count only if the question has no others. A heading, or a
    first sentence that only repeats the title, has -inf, if there are others.
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
    """The line of code that holds the most words of a question, with the lines beside it.

    The sentence that matched, if no line holds more of them.
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
    """The span of a sentence in the text of its passage, without title and code."""
    shift = len(passage.full_text) - len(passage.text)
    start, end = (max(edge - shift, 0) for edge in corpus.sentence_spans(row)[sentence])
    *_, (first, last) = ((0, end - start), *prose(passage.text[start:end]))
    start, end = start + first, start + last
    return _stripped(passage.text, start, end)


def _stripped(text: str, start: int, end: int) -> Span:
    """A span without the white space at its ends."""
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return Span(start, start + len(piece.strip()))


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
        """The vector of the question, as a query."""
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
        cosines = self.source.cosines(rows, question.query)
        shares = term_shares(self.snapshot, rows, passages, question.terms)
        return [int((a + b).argmax()) for a, b in zip(cosines, shares, strict=True)]


def resolve_aliases(snapshot: PassageSnapshot, questions: Sequence[str]) -> Sequence[str]:
    """Questions with the names of a user's list in place of their aliases."""
    listed = snapshot.listed
    return [listed.resolve_aliases(text) for text in questions] if listed else questions
