"""Scores of the visible passages for a question: by its vector, its words and its names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, distinct, top_k
from graphagg.nearest.vectors import Queries, Rows, Vectors
from graphagg.rag.question.reading import QuestionReading
from graphagg.rag.snapshot.search import DenseIndex, Lexical
from graphagg.rag.tables.lexicon import HEADING, NAME
from graphagg.rag.tables.view import View

_ALIKE = 0.79
"""Share of the largest r; not .8, where rounding could matter with five equal names."""


class NamedDocuments:
    """Statistics of the documents that a question names.

    The score of a document is min(1, D^(2R - 2)) / n (r + 2 min(r, 1) h). r is the sum of
    ln(D / df) / ln D over the names that are in its title or path, and in those of df of the D
    visible documents; R is the largest r. So D^(1 - R) documents would have these names by
    chance; n documents have r >= .79 R. h = s / (1 + s); s is the sum over the other terms in the
    headings above a passage of 1 / (1 + words of the shortest heading with the term).

    Attributes:
        rarity: ln(D / df) / ln D by term.
    """

    def __init__(self, documents: int, df: Mapping[int, int]) -> None:
        self._count = max(documents, 2)
        self.rarity = {
            term: math.log(self._count / max(n, 1)) / math.log(self._count)
            for term, n in sorted(df.items())
        }

    def certainty(self, largest: float, documents_from: Callable[[float], int]) -> float:
        """Return min(1, D^(2R - 2)) / n; `documents_from(x)` counts documents with r >= x."""
        if largest <= 0.0:
            return 0.0
        alike = documents_from(_ALIKE * largest)
        return min(math.pow(self._count, 2.0 * largest - 2.0), 1.0) / max(alike, 1)


def closeness(similarity: Array, lexical: Array) -> Array:
    """Return similarity + lexical, without weights; orders passages with the same title."""
    near: Array = similarity.astype(np.float64) + lexical
    return near


class Strongest(NamedTuple):
    """The best passages of a question.

    Attributes:
        similarity: the largest similarity to a visible passage, or to one that FAISS finds.
        words: the largest score by words; 0 if no passage has one.
        of_words: the largest similarity to the passages with that score.
    """

    similarity: float
    words: float
    of_words: float


class QuestionScores:
    """Scores of the passages of a view for a question; each is computed once.

    `words` `[t, d]` are the vectors of its terms; None if the encoder has none.

    Attributes:
        lexical: the scores of its terms.
        named: `[e]` the entities that it names.
        rarity: `[e]` their idf.
    """

    def __init__(
        self,
        reading: QuestionReading,
        query: Queries,
        words: Vectors | None,
        view: View,
        dense: DenseIndex,
        rarity: Array | None = None,
        df: Sequence[int] | None = None,
    ) -> None:
        self.reading, self.words, self.query = reading, words, query
        self.lexical = Lexical(view, reading.terms, df)
        self.named = np.asarray(reading.entities, dtype=np.int64)
        self.rarity: Array = view.idf(self.named) if rarity is None else rarity
        self._view, self._dense = view, dense
        self._nearest: tuple[Rows, Array] | None = None
        self.levels: dict[int, Array] = {}

    @property
    def vector(self) -> Vectors:
        """The vector `[d]` of the question."""
        vector: Vectors = self.query.vectors[0]
        return vector

    @cached_property
    def has_vector(self) -> bool:
        """Whether the encoder reads the question; else its vector is 0."""
        return bool(self.vector.any())

    @cached_property
    def titled(self) -> list[Rows]:
        """The visible passages titled by each named entity, ascending."""
        view = self._view
        ranges = view.titled_range(np.array(self.reading.entities, np.int64))
        rows = (view.gazetteer.row[view.titled[i:j]] for i, j in zip(*ranges, strict=True))
        return [each.astype(np.int64) for each in rows]

    @cached_property
    def names(self) -> dict[int, Rows]:
        """The terms that name documents, each with the visible passages of these documents."""
        visible, names = self._view.visible, dict[int, Rows]()
        capitals = self.reading.capitals if self._view.lexicon.has_context else ()
        for term in np.flatnonzero(capitals).tolist():
            postings = self.lexical.postings[term]
            held = [p.rows[(p.context >= NAME) & visible[p.rows]] for p in postings]
            if any(map(len, held)):
                names[term] = np.concatenate(held)
        return names

    def documents_at(self, rows: Rows) -> Array:
        """Return how strongly the question names the documents of some visible rows, `[m]`."""
        return self._documents[rows] if self.documents.rarity else np.zeros(len(rows))

    def document_df(self) -> dict[int, int]:
        """Count the visible documents with each of `names` in title or path."""
        firsts = self._dense.corpus.firsts
        return {t: int(np.count_nonzero(firsts[held])) for t, held in self.names.items()}

    @cached_property
    def documents(self) -> NamedDocuments:
        """The statistics of the documents that the question names."""
        if not self.names:
            return NamedDocuments(0, {})
        firsts = self._dense.corpus.firsts & self._view.visible
        return NamedDocuments(int(np.count_nonzero(firsts)), self.document_df())

    @cached_property
    def document_rarity(self) -> Array:
        """The r of the document of each visible passage, `[R]`; see `NamedDocuments`."""
        rarity = np.zeros(len(self._view.visible))
        for term, of_term in self.documents.rarity.items():
            if term in self.names:
                rarity[self.names[term]] += of_term
        return rarity

    @property
    def largest_rarity(self) -> float:
        """The largest r of a visible document."""
        return float(self.document_rarity.max(initial=0.0))

    def documents_from(self, least: float) -> int:
        """Count the visible documents with r >= `least`, which is above 0."""
        rows = np.flatnonzero(self.document_rarity >= least)
        return int(np.count_nonzero(self._dense.corpus.firsts[rows]))

    @cached_property
    def certainty(self) -> float:
        """The factor common to all documents in the formula of `NamedDocuments`."""
        return self.documents.certainty(self.largest_rarity, self.documents_from)

    @cached_property
    def _documents(self) -> Array:
        """How strongly the question names the document of each visible passage, `[R]`."""
        score, names = self.document_rarity.copy(), self.documents.rarity
        terms = enumerate(self.lexical.postings)
        others = [p for term, of_term in terms if term not in names for p in of_term]
        sizes = np.concatenate([np.zeros(0, np.uint8), *(p.context for p in others)]) & HEADING
        below, rows = np.flatnonzero(sizes > 0), np.flatnonzero(score > 0)
        under = np.concatenate([rows[:0], *(p.rows for p in others)])[below]
        headings = np.bincount(under, 1.0 / (1.0 + sizes[below]), len(score))
        r, s = score[rows], headings[rows]
        score[rows] = self.certainty * (r + 2.0 * np.minimum(r, 1.0) * s / (1.0 + s))
        return score

    def title_levels(self, name: int) -> Array:
        """Return the distinct closeness of visible passages titled by a named entity, ascending."""
        if name not in self.levels:
            rows = self.titled[name]
            one = len(rows) < 2  # then it is the closest one
            self.levels[name] = np.zeros(0) if one else distinct(self.closeness(rows))
        return self.levels[name]

    def closeness(self, rows: Rows) -> Array:
        """Return the `closeness` of some rows to the question."""
        return closeness(self.similarity_at(rows), self.lexical.at(rows))

    @property
    def is_exact(self) -> bool:
        """Whether the question is compared with every visible passage."""
        return self._dense.is_exact(self._view.row_set)

    @cached_property
    def similarities(self) -> Array:
        """Similarity to each visible row; compares all of them."""
        return self._dense.similarities(self.query, self._view.row_set)

    @property
    def strongest(self) -> Strongest:
        """The best by similarity, and by words."""
        similarity, words, of_words = 0.0, 0.0, 0.0
        if self.is_exact:
            similarity = float(self.similarities.max())
        elif len(found := self.nearest(1)[1]):
            similarity = float(found[0])
        rows, scores = self.lexical.best(1)
        if len(rows):  # ties: the most similar, so that the order of rows does not matter
            words = float(scores.max())
            of_words = float(self.similarity_at(rows[scores == words]).max())
        return Strongest(similarity, words, of_words)

    def nearest(self, k: int) -> tuple[Rows, Array]:
        """Return the `k` most similar visible passages, best first."""
        if self.is_exact:
            rows = self._view.rows
            best = top_k(self.similarities, k, self._dense.ranks[rows])
            return rows[best], self.similarities[best]
        if self._nearest is None or len(self._nearest[0]) < k:
            self._nearest = self._dense.search(self.query, k, self._view.row_set)
        rows, similarities = self._nearest
        return rows[:k], similarities[:k]

    def similarity_at(self, rows: Rows) -> Array:
        """Return the similarity to some rows, `[m]`."""
        if self.is_exact and self._view.row_set.is_all:
            return self.similarities[rows]
        return self._dense.corpus.similarity_at(rows, self.query)[:, 0]
