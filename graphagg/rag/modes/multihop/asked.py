"""A question while it is answered: what everything is compared with, each of it made once."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.question.reading import Reading
from graphagg.rag.snapshot.dense import DenseIndex
from graphagg.rag.snapshot.lexical import Lexical
from graphagg.rag.tables.vectors import Queries, Rows, Vectors
from graphagg.rag.tables.view import OWN, View


class Asked:
    """A question over a view.

    Args:
        reading: the question.
        vector: `[d]` of it.
        words: `[t, d]` of its terms; None where the encoder gives none.
        view: what is visible.
        dense: search by similarity.

    Attributes:
        reading, words: as given.
        query: its vector, to be multiplied with.
        lexical: its terms in the corpus.
        named: `[e]` the entities that it names.
        rarity: `[e]` their idf.
    """

    def __init__(
        self,
        reading: Reading,
        vector: Vectors,
        words: Vectors | None,
        view: View,
        dense: DenseIndex,
    ) -> None:
        self.reading, self.words = reading, words
        self.query = Queries(vector[None])
        self.lexical = Lexical(view, reading.terms)
        self.named = np.asarray(reading.entities, dtype=np.int64)
        self.rarity = view.idf(self.named)
        self._view, self._dense = view, dense

    @property
    def vector(self) -> Vectors:
        """`[d]` of the question."""
        vector: Vectors = self.query.vectors[0]
        return vector

    @cached_property
    def tied(self) -> list[tuple[Array, Array]]:
        """The visible passages tied to each named entity, ascending, and how: `View.tied`."""
        return [self._view.tied(entity) for entity in self.reading.entities]

    @cached_property
    def titled(self) -> list[Rows]:
        """Those of them whose title each entity is, ascending."""
        return [rows[(ties & OWN) > 0].astype(np.int64) for rows, ties in self.tied]

    @property
    def is_compared(self) -> bool:
        """Whether every visible passage is compared with it."""
        return self._dense.is_exact(self._view.row_set)

    @cached_property
    def similarities(self) -> Array:
        """Similarity to each visible row, in their order, every one compared."""
        return self._dense.similarities(self.query, self._view.row_set)

    def similarity_at(self, rows: Rows) -> Array:
        """Similarity to some rows, `[m]`."""
        if self.is_compared and self._view.row_set.is_all:
            return self.similarities[rows]
        return self._dense.corpus.similarity_at(rows, self.query)[:, 0]
