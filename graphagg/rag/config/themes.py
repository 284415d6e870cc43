"""The settings of a map."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphagg.checks import integer, number
from graphagg.errors import InvalidParameter
from graphagg.rag.config.graph import GraphConfig

MOST_LEVELS = 6


@dataclass(frozen=True)
class MapConfig:
    """Resolutions of themes, and the description of a theme.

    Attributes:
        resolutions: one per level, ascending: larger gives more and smaller themes. Themes of a
            level lie inside the themes of the level before.
        nearest_passages: number of nearest passages, by text vectors, that a passage is tied to; 0:
            themes by names alone.
        runs: partitions of passages and entities that have to agree; more is more stable and costs
            more.
        when: the key of the metadata that dates passages. None: the first of when, date,
            published, created, year and modified that a passage has.
        shown: number of entities, words, passages and neighbors that a theme shows.
        graph: ties of entities.

    Raises:
        InvalidParameter: a value is out of range.

    Examples:
        >>> MapConfig(resolutions=(1.0, 4.0)).nearest_passages
        10
    """

    resolutions: tuple[float, ...] = (2.0, 8.0, 24.0)
    nearest_passages: int = 10
    runs: int = 20
    when: str | None = None
    shown: int = 8
    graph: GraphConfig = field(default_factory=GraphConfig)

    def __post_init__(self) -> None:
        if not 0 < len(self.resolutions) <= MOST_LEVELS:
            raise InvalidParameter(
                f"resolutions are {self.resolutions!r}, wanted 1 to {MOST_LEVELS} numbers"
            )
        for resolution in self.resolutions:
            number("resolution", resolution, above=0)
        if list(self.resolutions) != sorted(set(self.resolutions)):
            raise InvalidParameter(f"resolutions are {self.resolutions!r}, wanted ascending ones")
        integer("nearest_passages", self.nearest_passages, 0)
        integer("runs", self.runs, 1)
        integer("shown", self.shown, 1)
