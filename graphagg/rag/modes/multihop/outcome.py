"""What `mode="multihop"` computes for a question, and keeps for explanations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from graphagg.arrays import Array, Mask
from graphagg.rag.modes.multihop.asked import Asked
from graphagg.rag.modes.multihop.links import Bridges, Edges
from graphagg.rag.tables.vectors import Rows

FEATURES = ("similarity", "sentence", "lexical", "title", "entities")


@dataclass(frozen=True)
class Candidates:
    """The passages that a question is compared with; n of them, by their ids.

    Attributes:
        rows: `[n]` ascending by the ranks of their ids.
        features: `[n, 5]` what F weighs, in the order of `FEATURES`.
        covers: `[n, t]` which of the question's terms each holds, 0 or 1.
        pages: `[n, e]` of which of the question's entities each is the page: its title is the
            entity, or its text begins with it; 0 or 1.
        direct: `[n]` F.
    """

    rows: Rows
    features: Array
    covers: Array
    pages: Array
    direct: Array


@dataclass(frozen=True)
class Round:
    """One round of following links; m edges.

    Attributes:
        bridges, edges: what was followed.
        parent: `[m]` row of the passage that each edge comes from.
        handed: `[m]` the score that passage hands on.
        joint: `[m]` what the edge's passage adds to the terms that the parent holds.
        rest: `[m]` how close the edge's passage is to what the parent leaves open.
        best: the edge of the best path to each row whose score this round raised.
    """

    bridges: Bridges
    edges: Edges
    parent: Rows
    handed: Array
    joint: Array
    rest: Array
    best: dict[int, int]


@dataclass(frozen=True)
class Step:
    """The last hop of the best path to a passage.

    Attributes:
        round: in which it was made, and `number`, which of the rounds that is.
        edge: which of the round's edges it is.
    """

    round: Round
    number: int
    edge: int


@dataclass(frozen=True)
class Outcome:
    """All that is known of a question's candidates.

    Attributes:
        asked: the question.
        candidates: the passages.
        score: `[n]` f, the best of F and the paths.
        rounds: of following links.
        chosen: positions in the order of choice.
        gains: `[len(chosen)]` what each was the first to hold: its share of the terms, and how many
            of the named entities' pages.
    """

    asked: Asked
    candidates: Candidates
    score: Array
    rounds: list[Round]
    eligible: Mask
    chosen: list[int]
    gains: list[tuple[float, float]]

    @property
    def weights(self) -> Array:
        """`[t]` of the terms, sum 1."""
        return self.asked.lexical.weights

    def step(self, row: int, before: int | None = None) -> Step | None:
        """The last hop to a row; None where its best path begins with it.

        Args:
            row: of a candidate.
            before: as it was before the round of this number.
        """
        for number in reversed(range(len(self.rounds[:before]))):
            edge = self.rounds[number].best.get(row)
            if edge is not None:
                return Step(self.rounds[number], number, edge)
        return None

    def position(self, row: int) -> int | None:
        """Where a row is among the candidates; None if it is not."""
        return self._positions.get(row)

    @cached_property
    def _positions(self) -> dict[int, int]:
        return {row: i for i, row in enumerate(self.candidates.rows.tolist())}
