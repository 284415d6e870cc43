"""Scores of a question over the visible passages: by its vector, its words and its names."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from graphagg.arrays import Array, top_k
from graphagg.nearest.vectors import Queries
from graphagg.rag.question.reading import QuestionReading
from graphagg.rag.snapshot.search import DenseIndex, Lexical
from graphagg.rag.tables.lexicon import HEADING, NAME
from graphagg.rag.tables.vectors import Rows, Vectors
from graphagg.rag.tables.view import View

_ALIKE = 0.79
"""Share of the largest r; near .8, which rounding could decide with five equal names."""


class QuestionScores:
    """Scores of a question over a view; each is computed once.

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
    ) -> None:
        self.reading, self.words, self.query = reading, words, query
        self.lexical = Lexical(view, reading.terms)
        self.named = np.asarray(reading.entities, dtype=np.int64)
        self.rarity = view.idf(self.named)
        self._view, self._dense = view, dense
        self._nearest: tuple[Rows, Array] | None = None

    @property
    def vector(self) -> Vectors:
        """`[d]` of the question."""
        vector: Vectors = self.query.vectors[0]
        return vector

    @cached_property
    def has_vector(self) -> bool:
        """Whether the encoder reads the question; else its vector is 0."""
        return bool(self.vector.any())

    @cached_property
    def titled(self) -> list[Rows]:
        """The visible passages titled by each named entity, ascending."""
        return [self._view.titled_by(entity) for entity in self.reading.entities]

    @cached_property
    def names(self) -> dict[int, Rows]:
        """The terms that name documents, each with the visible passages of these."""
        visible, names = self._view.visible, dict[int, Rows]()
        capitals = self.reading.capitals if self._view.lexicon.has_context else ()
        for term in np.flatnonzero(capitals).tolist():
            postings = self.lexical.postings[term]
            held = [p.rows[(p.context >= NAME) & visible[p.rows]] for p in postings]
            if any(map(len, held)):
                names[term] = np.concatenate(held)
        return names

    def documents_at(self, rows: Rows) -> Array:
        """How much the question names the documents of some visible rows, `[m]`."""
        return self._documents[rows] if self.names else np.zeros(len(rows))

    @cached_property
    def _documents(self) -> Array:
        """`[R]` how much the question names the document of each visible passage.

        min(1, D^(2R - 2)) / n (r + 2 min(r, 1) h). r is the sum of ln(D / df) / ln D of the names
        in title or path of df of the D visible documents; R is the largest. So D^(1 - R) documents
        would have these names by chance; n have .79 R at least. h = s / (1 + s), where s is the sum
        of 1 / (1 + words of the shortest heading with it) of the other terms in headings above.
        """
        visible, firsts = self._view.visible, self._dense.corpus.firsts
        rarity = np.zeros(len(visible))
        count = max(int(np.count_nonzero(firsts & visible)), 2)
        for held in self.names.values():
            df = max(int(np.count_nonzero(firsts[held])), 1)
            rarity[held] += math.log(count / df) / math.log(count)
        terms = enumerate(self.lexical.postings)
        others = [p for term, of_term in terms if term not in self.names for p in of_term]
        sizes = np.concatenate([np.zeros(0, np.uint8), *(p.context for p in others)]) & HEADING
        below, rows = np.flatnonzero(sizes > 0), np.flatnonzero(rarity > 0)
        under = np.concatenate([rows[:0], *(p.rows for p in others)])[below]
        headings = np.bincount(under, 1.0 / (1.0 + sizes[below]), len(visible))
        r, s = rarity[rows], headings[rows]
        largest = float(r.max(initial=0.0))
        alike = np.count_nonzero(firsts[rows] & (r >= _ALIKE * largest))
        sure = min(count ** (2.0 * largest - 2.0), 1.0) / max(alike, 1)
        rarity[rows] = sure * (r + 2.0 * np.minimum(r, 1.0) * s / (1.0 + s))
        return rarity

    @property
    def is_exact(self) -> bool:
        """Whether the question is compared with every visible passage."""
        return self._dense.is_exact(self._view.row_set)

    @cached_property
    def similarities(self) -> Array:
        """Similarity to each visible row; all are compared."""
        return self._dense.similarities(self.query, self._view.row_set)

    @property
    def largest_similarity(self) -> float:
        """The largest similarity to a visible passage, or to one that FAISS finds."""
        if self.is_exact:
            return float(self.similarities.max())
        _, similarities = self.nearest(1)
        return float(similarities[0]) if len(similarities) else 0.0

    def nearest(self, k: int) -> tuple[Rows, Array]:
        """The `k` most similar visible passages, best first."""
        if self.is_exact:
            rows = self._view.rows
            best = top_k(self.similarities, k, self._dense.ranks[rows])
            return rows[best], self.similarities[best]
        if self._nearest is None or len(self._nearest[0]) < k:
            self._nearest = self._dense.search(self.query, k, self._view.row_set)
        rows, similarities = self._nearest
        return rows[:k], similarities[:k]

    def similarity_at(self, rows: Rows) -> Array:
        """Similarity to some rows, `[m]`."""
        if self.is_exact and self._view.row_set.is_all:
            return self.similarities[rows]
        return self._dense.corpus.similarity_at(rows, self.query)[:, 0]
