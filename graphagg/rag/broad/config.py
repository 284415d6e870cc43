"""The settings of mode `broad`."""

from __future__ import annotations

from dataclasses import dataclass

from graphagg.checks import integer, number


@dataclass(frozen=True)
class BroadConfig:
    """How passages are chosen that cover several themes.

    Attributes:
        pool: candidates, the best of mode `best`.
        level: of the map whose themes are covered; 0 is the coarsest.
        spread: what covering a theme weighs, beside 1 less it for the relevance of the passage.
        repeat: what chunks of its document that were chosen before take away.
        overlap: what likeness to a passage that was chosen before takes away.

    Raises:
        InvalidParameter: a value lies outside what is allowed.
    """

    pool: int = 100
    level: int = 2
    spread: float = 0.3
    repeat: float = 0.0
    overlap: float = 0.0

    def __post_init__(self) -> None:
        integer("pool", self.pool, 1)
        integer("level", self.level, 0)
        number("spread", self.spread, least=0, most=1)
        number("repeat", self.repeat, least=0)
        number("overlap", self.overlap, least=0)
