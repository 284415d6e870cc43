"""The sentence of a hit that is closest to the question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from graphagg.arrays import Doubles, Floats
from graphagg.nearest.vectors import Queries
from graphagg.rag.documents.analyzer import Term
from graphagg.rag.documents.code import prose
from graphagg.rag.documents.passages import TRAIL, Passage
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.question.excerpts import Span
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.vectors import Rows, members


def sentence_cosines(corpus: StoredCorpus, rows: Rows, query: Queries) -> list[Floats]:
    """The cosine of each sentence of each row with one vector."""
    sentences, lengths = members(corpus.sentence_bounds, rows)
    cosines = corpus.sentence_vectors.dots_at(sentences, query)[:, 0]
    return np.split(cosines, np.cumsum(lengths)[:-1])


def term_shares(
    snapshot: PassageSnapshot, rows: Rows, passages: Sequence[Passage], terms: Sequence[Term]
) -> Iterator[Doubles]:
    """The share of a question's terms in each sentence of each row, without the title before it.

    A first sentence that only repeats the title or the heading has -inf, if there are others.
    """
    stems, language_of = set(chain.from_iterable(terms)), snapshot.lexicon.language_of
    for row, passage in zip(rows.tolist(), passages, strict=True):
        stem = snapshot.analyzers.for_language(language_of(row)).stem
        text, begin = passage.full_text, len(passage.title)
        spans = snapshot.corpus.sentence_spans(row)
        words = [tokenize(text[max(start, begin) : end]) for start, end in spans]
        shares = np.array([len(stems.intersection(map(stem, each))) for each in words], float)
        heading = tokenize(passage.title.rpartition(TRAIL)[2])
        if heading and len(words) > 1 and words[0] in ([], heading):
            shares[0] = -np.inf
        yield shares / max(len(terms), 1)


def sentence_span(corpus: StoredCorpus, row: int, sentence: int, passage: Passage) -> Span:
    """The span of a sentence in the text of its passage, without title and code."""
    shift = len(passage.full_text) - len(passage.text)
    start, end = (max(edge - shift, 0) for edge in corpus.sentence_spans(row)[sentence])
    *_, (first, last) = ((0, end - start), *prose(passage.text[start:end]))
    start, end = start + first, start + last
    piece = passage.text[start:end]
    start += len(piece) - len(piece.lstrip())
    return Span(start, max(start, end - (len(piece) - len(piece.rstrip()))))
