"""The settings of mode `broad`."""

from __future__ import annotations

from dataclasses import dataclass

from graphagg.checks import integer, number


@dataclass(frozen=True)
class BroadConfig:
    """Choice of passages that cover several themes and documents.

    Attributes:
        pool: candidates of each of `multihop`, `dense` and `bm25`.
        level: level of the map whose themes are covered; 0 is the coarsest, and a number beyond the
            finest level means the finest.
        spread: weight of covering a theme; the relevance of the passage weighs 1 - spread.
        head: number of passages chosen by relevance and themes; later ones are chosen by all three
            rankings, each document once.
        weight: weight of the ranking of `multihop` among the three; the others weigh 1 each.
        rank_constant: number added to ranks before they are fused.

    Raises:
        InvalidParameter: a value is out of range.

    Examples:
        >>> BroadConfig(spread=0.5).head
        10
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
