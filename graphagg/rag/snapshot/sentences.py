"""The sentence of a passage that is closest to a question, and its span."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from graphagg.arrays import Floats
from graphagg.rag.documents.analyzer import Analyzer, Term
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.question.excerpts import Span
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Rows, ranges


def sentences_by_vector(corpus: Corpus, rows: Rows, vector: Floats) -> list[int]:
    """The sentence of each row that is closest to a vector `[d]`; the first of equals."""
    begins = corpus.sentence_bounds[rows]
    lengths = corpus.sentence_bounds[rows + 1] - begins
    similar = corpus.sentence_vectors.dots_at(ranges(begins, lengths), vector[None])[:, 0]
    return [int(of_row.argmax()) for of_row in np.split(similar, np.cumsum(lengths)[:-1])]


def sentence_by_words(corpus: Corpus, row: int, terms: Sequence[Term], analyzer: Analyzer) -> int:
    """The sentence of a row that holds most of a question's terms; the first of equals."""
    stems = set(chain.from_iterable(terms))
    count = int(np.diff(corpus.sentence_bounds[row : row + 2])[0])
    held = [
        len(stems.intersection(analyzer.content(tokenize(corpus.sentence(row, i)))))
        for i in range(count)
    ]
    return held.index(max(held))


def sentence_span(corpus: Corpus, row: int, sentence: int, passage: Passage) -> Span:
    """The span of a sentence of a row in its passage's text; of the first without the title."""
    segment, inside = corpus.locate(row)
    shift = len(passage.full_text) - len(passage.text)
    span = segment.sentences.row(inside)[sentence].tolist()
    start, end = (max(edge - shift, 0) for edge in span)
    piece = passage.text[start:end]
    start += len(piece) - len(piece.lstrip())
    return Span(start, max(start, end - (len(piece) - len(piece.rstrip()))))
