"""Limits of memory of a build."""

from __future__ import annotations

from dataclasses import dataclass

from graphagg.checks import integer


@dataclass(frozen=True)
class BuildLimits:
    """How much a build of a passage index holds in memory; the index does not depend on it.

    Attributes:
        passages: passages of a block, which are annotated and encoded together.
        characters: characters of text at which a block ends before it has all its passages.
        entries: entries of the tables of names and words that are sorted together, about 50 bytes
            each.

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
