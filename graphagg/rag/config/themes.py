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
        near: number of nearest passages, by text vectors, that a passage is tied to.
        text_weight: weight of these ties; the entities that it names weigh 1; 0: names alone.
        runs: partitions of passages and entities that have to agree on the grains that make up
            themes; more is steadier and costs more.
        theme_runs: partitions of the grains that have to agree on each level.
        when: the key of the metadata that dates passages. None: the first of when, date,
            published, created, year and modified that a passage has.
        shown: number of entities, words, passages and neighbors that a theme shows.
        graph: ties of entities.

    Raises:
        InvalidParameter: a value is out of range.

    Examples:
        >>> MapConfig(resolutions=(1.0, 4.0)).near
        10
    """

    resolutions: tuple[float, ...] = (2.0, 8.0, 24.0)
    near: int = 10
    text_weight: float = 3.0
    runs: int = 20
    theme_runs: int = 50
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
        integer("near", self.near, 0)
        number("text_weight", self.text_weight, least=0)
        integer("runs", self.runs, 1)
        integer("theme_runs", self.theme_runs, 1)
        integer("shown", self.shown, 1)
