"""The ranking of a question by `multihop`: candidates, paths to them, and the choice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphagg.arrays import Array, Mask
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.multihop.candidates import Candidates, QuestionScores, weighted
from graphagg.rag.modes.multihop.links import Bridges, Edges
from graphagg.rag.tables.vectors import Rows


@dataclass(frozen=True)
class Round:
    """One round of following links; m edges.

    Attributes:
        bridges, edges: the links that were followed.
        parent: `[m]` row of the passage that each edge comes from.
        passed_on: `[m]` the score that the parent passes on.
        joint_coverage: `[m]` the share of terms that both ends hold beyond the better one.
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
    """The last hop of the best path to a passage.

    Attributes:
        round: the round that made it, and `index`, the position of that round.
        edge: position among the round's edges.
    """

    round: Round
    index: int
    edge: int


@dataclass(frozen=True)
class Gain:
    """Terms and pages that a passage is the first to hold when it is chosen.

    Attributes:
        terms: share of the question's terms.
        pages: number of named entities whose page it is.
    """

    terms: float
    pages: float

    def score(self, config: MultihopConfig) -> float:
        """The part of the passage's score that comes from the choice."""
        return config.coverage * self.terms + config.named_page * self.pages


@dataclass(frozen=True)
class Ranking:
    """All that was computed for a question.

    Attributes:
        question: the question.
        candidates: the passages.
        score: `[n]` f, the best of F and the paths.
        rounds: of following links.
        eligible: `[n]` which candidates may be chosen.
    """

    question: QuestionScores
    candidates: Candidates
    score: Array
    rounds: list[Round]
    eligible: Mask

    def choose(self, config: MultihopConfig, k: int) -> list[tuple[int, Gain]]:
        """Choose up to `k` candidates, one after another; a smaller `k` gives the first of them.

        Returns:
            The position of each chosen candidate, in the order of choice, and its gain.
        """
        covers, pages = self.candidates.covers, self.candidates.pages
        held_terms, held_pages = np.zeros(covers.shape[1]), np.zeros(pages.shape[1])
        remaining = np.where(self.eligible, self.score, -np.inf)
        chosen: list[tuple[int, Gain]] = []
        for _ in range(min(k, int(self.eligible.sum()))):
            terms, new_pages = self._gains(held_terms, held_pages)
            # argmax takes the first of equals: the lower id
            total = remaining + config.coverage * terms + config.named_page * new_pages
            best = int(total.argmax())
            chosen.append((best, Gain(float(terms[best]), float(new_pages[best]))))
            remaining[best] = -np.inf
            held_terms = np.maximum(held_terms, covers[best])
            held_pages = np.maximum(held_pages, pages[best])
        return chosen

    def gain_after(self, chosen: list[tuple[int, Gain]], position: int) -> Gain:
        """The gain of a candidate if it were chosen next."""
        positions = [position for position, _ in chosen]
        held_terms = self.candidates.covers[positions].max(axis=0, initial=0.0)
        held_pages = self.candidates.pages[positions].max(axis=0, initial=0.0)
        terms, pages = self._gains(held_terms, held_pages)
        return Gain(float(terms[position]), float(pages[position]))

    def _gains(self, held_terms: Array, held_pages: Array) -> tuple[Array, Array]:
        """New terms and pages of each candidate beside the held ones, `[n]` each."""
        new_terms = np.maximum(self.candidates.covers - held_terms, 0.0)
        new_pages = np.maximum(self.candidates.pages - held_pages, 0.0)
        return weighted(new_terms, self.question.lexical.weights), new_pages.sum(axis=1)

    def step(self, row: int, before: int | None = None) -> Step | None:
        """The last hop to a row; None where its best path begins with it.

        Args:
            row: of a candidate.
            before: as it was before the round at this position.
        """
        for index in reversed(range(len(self.rounds[:before]))):
            edge = self.rounds[index].best.get(row)
            if edge is not None:
                return Step(self.rounds[index], index, edge)
        return None

    def position(self, row: int) -> int | None:
        """The position of a row among the candidates; None if it is none."""
        return self._positions.get(row)

    @cached_property
    def _positions(self) -> dict[int, int]:
        return {row: i for i, row in enumerate(self.candidates.rows.tolist())}
