"""The settings of mode `broad`."""

from __future__ import annotations

from dataclasses import dataclass

from graphagg.checks import integer, number


@dataclass(frozen=True)
class BroadConfig:
    """How passages are chosen that cover several themes and documents.

    Attributes:
        pool: candidates, the best of each of `multihop`, `dense` and `bm25`.
        level: of the map whose themes are covered; 0 is the coarsest, and what is beyond the finest
            is the finest.
        spread: what covering a theme weighs, beside 1 less it for the relevance of the passage.
        head: passages that are chosen by relevance and themes; those after them by all three
            rankings, each document once.
        weight: of the ranking of `multihop` among the three, beside 1 for each of the others.
        rank_constant: that ranks are raised by before they are fused.

    Raises:
        InvalidParameter: a value lies outside what is allowed.
    """

    pool: int = 100
    level: int = 2
    spread: float = 0.3
    head: int = 10
    weight: float = 4.0
    rank_constant: int = 10

    def __post_init__(self) -> None:
        integer("pool", self.pool, 1)
        integer("level", self.level, 0)
        number("spread", self.spread, least=0, most=1)
        integer("head", self.head, 1)
        number("weight", self.weight, least=0)
        integer("rank_constant", self.rank_constant, 0)
