"""Memory limits of a build."""

from __future__ import annotations

from dataclasses import dataclass

from graphagg.checks import integer


@dataclass(frozen=True)
class BuildLimits:
    """How much data a build of a passage index holds in memory; the result does not depend on it.

    Attributes:
        passages: maximum passages per block; a block is annotated and encoded together.
        characters: maximum characters of text per block, except for a single longer passage.
        entries: maximum entries of the name and word tables that are sorted together, about 50
            bytes each.

    Examples:
        >>> BuildLimits(passages=500).entries
        4000000
    """

    passages: int = 4_000
    characters: int = 25_000_000
    entries: int = 4_000_000

    def __post_init__(self) -> None:
        for name in ("passages", "characters", "entries"):
            integer(name, getattr(self, name), 1)


DEFAULT_LIMITS = BuildLimits()
