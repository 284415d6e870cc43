"""The sentence of a hit that is closest to the question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from graphagg.arrays import Doubles, Floats, members
from graphagg.nearest.vectors import Queries
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.passages import TRAIL, Passage
from graphagg.rag.documents.tokens import code_blocks, inner_words, prose, tokenize
from graphagg.rag.question.excerpts import Span, marks_of
from graphagg.rag.question.results import Hit
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.vectors import Rows

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
