"""The candidates of a question: the pool, and the direct score F of each passage.

The formula is at the head of `graphagg.rag.config.multihop`. A `View` provides all statistics, so
hidden passages change nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, distinct, top_k
from graphagg.nearest.vectors import Rows
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.snapshot.search import best_rows, lookup
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.view import IS_TITLE, STARTS_TEXT, View

FEATURES = ("similarity", "sentence", "lexical", "title", "entities")
MOST_TITLED = 20
"""Largest number of passages that join the pool because their title is a named entity."""


class Candidates(NamedTuple):
    """The passages that a question is compared with; n of them.

    Attributes:
        rows: `[n]` ascending by the ranks of their ids.
        features: `[n, 5]` the terms of F, in the order of `FEATURES`.
        covers: `[n, t]` which of the question's terms each passage contains, 0 or 1.
        ties: `[n, e]` how each passage is tied to the named entities (bits), uint8.
        pages: `[n, e]` idf of the named entities that each passage is a page of (its title is the
            entity, or its text begins with it), else 0.
        documents: `[n]` how clearly the question names the passage's document and headings.
        direct: `[n]` F.
    """

    rows: Rows
    features: Array
    covers: Array
    ties: Array
    pages: Array
    documents: Array
    direct: Array

    def joined(self, more: Candidates, ranks: Array) -> tuple[Candidates, Array]:
        """Add candidates; also returns their new positions, first the old ones, then the added."""
        order = np.argsort(ranks[np.concatenate([self.rows, more.rows])])
        position = np.empty(len(order), np.int64)
        position[order] = np.arange(len(order))
        pairs = zip(self, more, strict=True)
        return Candidates(*(np.concatenate(pair)[order] for pair in pairs)), position


class CandidateScorer:
    """Computes the direct scores of passages in one view of a corpus.

    `ranks` `[R]` are the ranks of the passages' ids.
    """

    def __init__(
        self, corpus: StoredCorpus, ranks: Array, view: View, config: MultihopConfig
    ) -> None:
        self.corpus, self.ranks, self.view, self.config = corpus, ranks, view, config
        self._weights = np.array([getattr(config.passage, name) for name in FEATURES])

    def pool(self, question: QuestionScores, size: int) -> Rows:
        """Return the rows to compute F for: the best by similarity, words and title, and titled."""
        (rows, _), (titled, _) = self.leading(question, size)
        return distinct(np.concatenate([rows, titled]))

    def leading(
        self, question: QuestionScores, size: int
    ) -> tuple[tuple[Rows, Array], tuple[Rows, Array]]:
        """Return the pool in two parts with their values: the `size` best, and the best titled.

        A passage titled by a named entity joins even if it matches nothing else.
        """
        weights, visible, ranks = self.config.passage, self.view.row_set, self.ranks
        titled = distinct(np.concatenate([np.zeros(0, np.int64), *question.titled]))
        # Sentences are not compared yet; the similarity of the passage is used for both terms.
        strength = weights.similarity + weights.sentence
        if question.is_exact:
            rows, similar = visible.rows, question.similarities
        else:
            nearest, _ = question.nearest(2 * size)
            by_words = self._by_words(question, titled, size)
            rows = distinct(np.concatenate([nearest, by_words]))
            similar = question.similarity_at(rows)
        values = self._prior(rows, question, titled) + strength * similar
        priors = self._prior(titled, question, titled)
        best, first = top_k(values, size, ranks[rows]), top_k(priors, MOST_TITLED, ranks[titled])
        return (rows[best], values[best]), (titled[first], priors[first])

    def _prior(self, rows: Rows, question: QuestionScores, titled: Rows) -> Array:
        """Compute what words, titles and names of documents add to F; rows are ascending."""
        weights = self.config.passage
        prior = weights.lexical * question.lexical.at(rows)
        prior += self.config.document * question.documents_at(rows)
        is_among, position = lookup(rows, titled)
        prior[position[is_among]] += weights.title
        return prior

    def _by_words(self, question: QuestionScores, titled: Rows, size: int) -> Rows:
        """Return the visible rows with the largest prior, unordered; skip rows without a term."""
        best, _ = question.lexical.best(size)
        rows = distinct(np.concatenate([best, titled, *question.names.values()]))
        values = self._prior(rows, question, titled)
        largest = best_rows(rows, values, size, self.ranks)
        # Rows without a prior would rank below the nearest rows, and these fill the pool.
        return rows[values > 0.0] if largest is None else largest[0]

    def candidates(self, rows: Rows, question: QuestionScores) -> Candidates:
        """Compute features and F of some rows."""
        rows = rows[np.argsort(self.ranks[rows])]  # so that ties are ordered by id
        title, entities = np.zeros(len(rows)), np.zeros(len(rows))
        pages = np.zeros((len(rows), len(question.named)))
        ties = np.zeros(pages.shape, np.uint8)
        for i, idf in enumerate(question.rarity.tolist()):
            tie = ties[:, i] = self.view.ties_at(question.reading.entities[i], rows)
            is_tied, is_titled = tie > 0, (tie & IS_TITLE) > 0
            shares = _title_shares(i, rows[is_titled], question)
            title[is_titled] = np.maximum(title[is_titled], idf * shares)
            pages[(tie & (IS_TITLE | STARTS_TEXT)) > 0, i] = idf
            entities[is_tied] += idf / len(question.named)
        features = np.empty((len(rows), len(FEATURES)))
        features[:, 0] = question.similarity_at(rows)
        features[:, 1] = self.corpus.sentence_similarity_at(rows, question.query)[:, 0]
        features[:, 2] = question.lexical.at(rows)
        features[:, 3], features[:, 4] = title, entities
        direct = weighted(features, self._weights)
        covers, documents = question.lexical.covers(rows), question.documents_at(rows)
        return Candidates(rows, features, covers, ties, pages, documents, direct)


def _title_shares(name: int, rows: Rows, question: QuestionScores) -> Array:
    """Return 1 / r^2 for passages whose title is a named entity; see `rank_shares`."""
    levels = question.title_levels(name) if len(rows) else rows
    if len(levels) < 2:
        return np.ones(len(rows))
    closer = len(levels) - levels.searchsorted(question.closeness(rows), "right")
    return 1.0 / (1.0 + closer) ** 2


def rank_shares(group: Array, closeness: Array) -> Array:
    """Return 1 / r^2 for the r-th closest of each group; ties have the same r."""
    order = np.lexsort((-closeness, group))
    groups, values = group[order], closeness[order]
    begins = np.ones(len(order), bool)
    begins[1:] = groups[1:] != groups[:-1]
    is_less = begins.copy()
    is_less[1:] |= values[1:] != values[:-1]
    rank = np.cumsum(is_less)
    first = rank[begins][np.cumsum(begins) - 1]  # of the group
    share = np.empty(len(order))
    share[order] = 1.0 / (1.0 + rank - first) ** 2
    return share


def weighted(values: Array, weights: Array) -> Array:
    """Sum weighted rows, `[n]`; unlike with BLAS, a sum does not depend on the number of rows."""
    sums: Array = (values * weights).sum(axis=1)
    return sums
