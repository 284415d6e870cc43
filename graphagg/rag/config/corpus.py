"""Settings of the entity graph and the theme map of a corpus."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphagg.checks import integer, number


@dataclass(frozen=True)
class GraphConfig:
    """Settings of the graph of entities that share sentences.

    Attributes:
        floor: minimum weight of an edge between two entities (normalized pointwise mutual
            information); lighter edges are left out.
        neighbors: number of strongest edges kept per entity; an edge stays if either end keeps it.
        max_names: maximum number of names in a sentence; a sentence with more names is treated as a
            list and adds no edges.
        dates: also use names that consist of numbers and months only, such as "May 1999".

    Raises:
        InvalidParameter: a value is out of range.

    Examples:
        >>> GraphConfig(floor=0.2).neighbors
        20
    """

    floor: float = 0.1
    neighbors: int = 20
    max_names: int = 30
    dates: bool = False

    def __post_init__(self) -> None:
        number("floor", self.floor, least=0, most=1)
        integer("neighbors", self.neighbors, 1)
        integer("max_names", self.max_names, 2)


@dataclass(frozen=True)
class MapConfig:
    """Settings of the themes of a corpus.

    Attributes:
        resolution: larger values give more and smaller themes.
        nearest_passages: number of most similar passages that each passage is linked to; with 0,
            themes depend on names alone.
        when: metadata key with the date of a passage. None: the first of when, date, published,
            created, year and modified that a passage has.
        shown: number of entities, words and passages shown per theme.
        graph: settings of the entity graph.

    Raises:
        InvalidParameter: a value is out of range.

    Examples:
        >>> MapConfig(resolution=8.0).nearest_passages
        10
    """

    resolution: float = 2.0
    nearest_passages: int = 10
    when: str | None = None
    shown: int = 8
    graph: GraphConfig = field(default_factory=GraphConfig)

    def __post_init__(self) -> None:
        number("resolution", self.resolution, above=0)
        integer("nearest_passages", self.nearest_passages, 0)
        integer("shown", self.shown, 1)
