"""`mode="multihop"`: direct scores, paths over links, and a selection that covers the question.

The formula and its constants are at the head of `graphagg.rag.config.multihop`. A `View` provides
all statistics, so hidden passages change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Mask, top_k
from graphagg.nearest.vectors import Rows
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.multihop.candidates import FEATURES, Candidates, weighted
from graphagg.rag.modes.multihop.links import Bridges, Edges, MultihopSource, above_mean
from graphagg.rag.modes.question_scores import QuestionScores, closeness
from graphagg.rag.snapshot.search import lookup

CHAIN_HELD = 0.7  # a question with a clause describes a chain if no candidate holds this share
NEARLY = 0.9  # share of the question's words that one passage holds
MOST_CHUNKS = 8  # other chunks of the frontier's documents whose links are followed too


class MultihopSearch:
    """Ranks passages for a question: scores candidates directly, and follows links between them."""

    def __init__(self, source: MultihopSource) -> None:
        self.source, self.config = source, source.config

    def rank(self, question: QuestionScores, k: int, extra: Sequence[int] = ()) -> MultihopRanking:
        """Compute the ranking from which the `k` best passages of a question are chosen.

        The ranking is the same for every `k` up to the pool's size; `extra` rows are scored for
        `explain`, never chosen.
        """
        # 1. The pool: the passages that F is computed for.
        pool = self.source.pool(question, max(k, self.config.pool))
        others = np.setdiff1d(np.asarray(extra, dtype=np.int64), pool) if extra else pool[:0]
        candidates = self.source.candidates(np.concatenate([pool, others]), question)
        pooled = ~self._are_in(candidates.rows, others)
        score, rounds, weight = candidates.direct.copy(), list[Round](), self.config.document
        # 2. Two rounds of links: from the best by F, then from the best passages whose score a path
        # raised. `extra` rows are scored, but their links are not followed: no other score changes.
        frontier = _best(score + weight * candidates.documents, pooled, self.config.beam)
        frontier = self._with_chunks(candidates, frontier, pooled)
        most_held = float(weighted(candidates.covers[pooled], question.lexical.weights).max())
        walked: set[int] = set()
        for _ in range(2):
            if not len(frontier):
                break
            walked |= set(candidates.rows[frontier].tolist())
            # Passages that a link leads to become candidates before their paths are compared.
            near = None if rounds else pool
            bridges, edges, more = self.source.follow(candidates, frontier, question, near)
            if not len(edges.row):
                break
            candidates, score, position = self._grown(candidates, score, more)
            frontier = position[frontier]
            if self._is_chain(candidates, question, others):
                bridges = bridges.of_chain(self.source.view, self.config)
                edges = edges.through(bridges)
            # In the first round, named pages pass on equal scores; in the second, path scores.
            passed_on = score if rounds else self._passed_on(candidates, frontier, most_held)
            edges = self._of_titles(candidates, bridges, edges)
            followed, score = self._follow(
                question, candidates, score, passed_on, frontier, bridges, edges
            )
            rounds.append(followed)
            # Links of a passage are followed once, with the score that it had then.
            fresh = np.fromiter(followed.best.keys() - walked, np.int64)
            is_fresh = self._are_in(candidates.rows, fresh)
            named = score + weight * candidates.documents  # no path passes it on
            frontier = _best(named, is_fresh, self.config.second_beam)
        eligible = ~self._are_in(candidates.rows, np.asarray(extra, dtype=np.int64))
        config = self.config
        if not len(question.named) and most_held < NEARLY:
            config = replace(config, coverage=config.unnamed * config.coverage)
        return MultihopRanking(question, candidates, score, rounds, eligible, config)

    def _is_chain(self, candidates: Candidates, question: QuestionScores, others: Rows) -> bool:
        """Return whether a question describes a chain; `others` are rows scored for `explain`."""
        covers = candidates.covers[~self._are_in(candidates.rows, others)]
        most_held = float(weighted(covers, question.lexical.weights).max())
        return question.reading.has_clause and most_held < CHAIN_HELD

    def _are_in(self, rows: Rows, others: Rows) -> Mask:
        """Return a mask of the rows that are in `others`; both may be the whole corpus."""
        return lookup(np.sort(others), rows)[0]

    def _grown(
        self, candidates: Candidates, score: Array, more: Candidates
    ) -> tuple[Candidates, Array, Array]:
        """Add candidates; also returns the scores, and the new positions of the old candidates."""
        if not len(more.rows):
            return candidates, score, np.arange(len(score))
        grown, position = candidates.joined(more, self.source.ranks)
        scores = np.empty(len(position))
        scores[position] = np.concatenate([score, more.direct])
        return grown, scores, position[: len(score)]

    def _of_titles(self, candidates: Candidates, bridges: Bridges, edges: Edges) -> Edges:
        """Lower the strength of links to passages that share a title; see `Edges.of_titles`."""
        _, target = lookup(candidates.rows, edges.row, self.source.ranks)
        similarity, lexical = (FEATURES.index(name) for name in ("similarity", "lexical"))
        features = candidates.features[target]
        return edges.of_titles(bridges, closeness(features[:, similarity], features[:, lexical]))

    def _with_chunks(self, candidates: Candidates, frontier: Array, pooled: Mask) -> Array:
        """Add other chunks of the frontier's documents that are in the pool, the best by F first.

        The links of a document count together: the name may be in one chunk, and the text that
        the question matches in another.
        """
        rows, others = candidates.rows, pooled.copy()
        others[frontier] = False
        same_document = self.source.corpus.same_document
        others[others] = same_document(rows[others, None], rows[frontier]).any(axis=1)
        return np.concatenate([frontier, _best(candidates.direct, others, MOST_CHUNKS)])

    def _passed_on(self, candidates: Candidates, frontier: Array, most_held: float) -> Array:
        """Return the score that each candidate passes on: F, or a larger F from the frontier.

        A named page passes on the F of the best such page, so that both sides of a
        comparison have equal weight; a chunk passes on the F of its document's best chunk.
        If one passage contains almost all words of the question, all pass on less.
        """
        passed_on = candidates.direct.copy()
        pages = frontier[candidates.pages[frontier].any(axis=1)]
        if self.config.equal_pages and len(pages):
            passed_on[pages] = passed_on[pages].max()
        rows = candidates.rows[frontier]
        same = self.source.corpus.same_document(rows[:, None], rows)
        same |= np.eye(len(rows), dtype=np.bool_)
        passed_on[frontier] = np.where(same, passed_on[frontier], -np.inf).max(
            axis=1, initial=-np.inf
        )
        return passed_on * (1.0 - self.config.answered * max(most_held - NEARLY, 0.0))

    def _follow(
        self,
        question: QuestionScores,
        candidates: Candidates,
        score: Array,
        passed_on: Array,
        frontier: Array,
        bridges: Bridges,
        edges: Edges,
    ) -> tuple[Round, Array]:
        """Raise scores to those of the best paths over the m edges, if these are larger.

        `passed_on` `[n]` is the score that each candidate passes on; `frontier` are positions
        of candidates. Edges lead to candidates only.
        """
        c = self.config
        parent = frontier[edges.parent]
        _, target = lookup(candidates.rows, edges.row, self.source.ranks)
        weights, covers = question.lexical.weights, candidates.covers
        held = weighted(covers, weights)
        together = weighted(np.maximum(covers[parent], covers[target]), weights)
        joint_coverage = together - np.maximum(held[parent], held[target])
        open_terms = above_mean(edges.near, edges, len(frontier))
        value = (
            passed_on[parent] * (c.inherited + edges.link)
            + c.target * candidates.direct[target]
            + c.joint_coverage * joint_coverage
            + c.open_terms * open_terms
        )
        # Keep the best path to each passage; break ties by the lower parent id.
        order = np.lexsort((parent, -value, target))
        is_first = np.ones(len(order), bool)
        is_first[1:] = target[order][1:] != target[order][:-1]
        top = order[is_first]
        top = top[value[top] > score[target[top]]]
        raised = score.copy()
        raised[target[top]] = value[top]
        best = dict(zip(edges.row[top].tolist(), top.tolist(), strict=True))
        rows = candidates.rows[parent]
        followed = Round(bridges, edges, rows, passed_on[parent], joint_coverage, open_terms, best)
        return followed, raised


def _best(score: Array, among: Mask, count: int) -> Array:
    """Return the positions of the `count` largest scores in a mask, largest first."""
    positions = np.flatnonzero(among)
    return positions[top_k(score[positions], count)]


@dataclass(frozen=True)
class Round:
    """One round of following links, with m edges.

    Attributes:
        bridges, edges: the links that were followed.
        parent: `[m]` row of the passage that each edge comes from.
        passed_on: `[m]` the score that the parent passes on.
        joint_coverage: `[m]` share of terms in both ends together, minus that of the better end.
        open_terms: `[m]` closeness of the edge's passage to the terms that the parent leaves open.
        best: the edge of the best path to each row whose score this round raised.
    """

    bridges: Bridges
    edges: Edges
    parent: Rows
    passed_on: Array
    joint_coverage: Array
    open_terms: Array
    best: dict[int, int]


@dataclass(frozen=True)
class Step:
    """Last hop of the best path to a passage: its round, the round's index, and the edge in it."""

    round: Round
    index: int
    edge: int


class Gain(NamedTuple):
    """Parts of a score: new terms and named pages beyond the chosen passages, and the document."""

    coverage: float
    named_page: float
    document: float


@dataclass(frozen=True)
class Choice:
    """Chooses passages one after another from n candidates.

    Attributes:
        score: `[n]` f.
        eligible: `[n]` which candidates may be chosen.
        terms: `[n, t]` gain of a candidate for each term that it contains.
        pages: `[n, e]` gain of a candidate for each named entity that it is a page of.
        document: `[n]` gain of a candidate whose document and headings the question names.
    """

    score: Array
    eligible: Mask
    terms: Array
    pages: Array
    document: Array

    def take(self, k: int) -> list[tuple[int, Gain]]:
        """Choose up to `k` candidates, one after another; returns positions and gains in order.

        A smaller `k` returns the first of them.
        """
        held = np.zeros(self.terms.shape[1]), np.zeros(self.pages.shape[1])
        parts = *self._gains(*held), self.document
        totals = np.where(self.eligible, sum(parts, self.score), -np.inf)
        chosen: list[tuple[int, Gain]] = []
        for _ in range(min(k, int(self.eligible.sum()))):
            best = int(totals.argmax())  # ties go to the lower id
            chosen.append((best, Gain(*(float(part[best]) for part in parts))))
            totals[best] = -np.inf
            own = self.terms[best], self.pages[best]
            if any((new > old).any() for new, old in zip(own, held, strict=True)):
                held = np.maximum(held[0], own[0]), np.maximum(held[1], own[1])
                parts = *self._gains(*held), self.document
                totals = np.where(np.isneginf(totals), -np.inf, sum(parts, self.score))
        return chosen

    def gain_after(self, chosen: Sequence[tuple[int, Gain]], position: int) -> Gain:
        """Return the gain of a candidate if it were chosen next."""
        rows = [row for row, _ in chosen]
        held = (part[rows].max(axis=0, initial=0.0) for part in (self.terms, self.pages))
        gains = *self._gains(*held), self.document
        return Gain(*(float(part[position]) for part in gains))

    def _gains(self, held_terms: Array, held_pages: Array) -> tuple[Array, Array]:
        """Return the gains `[n]` for terms and pages that the chosen candidates do not have."""
        new_terms, new_pages = self.terms - held_terms, self.pages - held_pages
        return np.maximum(new_terms, 0.0).sum(axis=1), np.maximum(new_pages, 0.0).sum(axis=1)


@dataclass(frozen=True)
class MultihopRanking:
    """The ranking of a question.

    Attributes:
        candidates: n passages.
        score: `[n]` f, the best of F and the paths.
        rounds: the rounds of following links.
        eligible: `[n]` which candidates may be chosen.
        config: the weights.
    """

    question: QuestionScores
    candidates: Candidates
    score: Array
    rounds: list[Round]
    eligible: Mask
    config: MultihopConfig

    @cached_property
    def choice(self) -> Choice:
        """The object that chooses passages."""
        terms = self.candidates.covers * (self.config.coverage * self.question.lexical.weights)
        pages = self.config.named_page * self.candidates.pages
        document = self.config.document * self.candidates.documents
        return Choice(self.score, self.eligible, terms, pages, document)

    def step(self, row: int, before: int | None = None) -> Step | None:
        """Return the last hop of the best path to a row before round `before`, None if no hop."""
        for index in reversed(range(len(self.rounds[:before]))):
            edge = self.rounds[index].best.get(row)
            if edge is not None:
                return Step(self.rounds[index], index, edge)
        return None

    def position(self, row: int) -> int | None:
        """Return the position of a row among the candidates, or None if it is not a candidate."""
        return self._positions.get(row)

    @cached_property
    def _positions(self) -> dict[int, int]:
        return {row: i for i, row in enumerate(self.candidates.rows.tolist())}
