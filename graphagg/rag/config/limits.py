"""What a build holds in memory at once."""

from __future__ import annotations

from dataclasses import dataclass

from graphagg.checks import integer


@dataclass(frozen=True)
class Limits:
    """What a build of a passage index holds in memory; the index is the same.

    Attributes:
        passages: that are annotated and encoded together: a block.
        characters: of their texts, from which on a block ends before it has so many passages.
        entries: of the tables of names and words that are put in order together; about 50 bytes
            each.
    """

    passages: int = 4_000
    characters: int = 25_000_000
    entries: int = 4_000_000

    def __post_init__(self) -> None:
        for name in ("passages", "characters", "entries"):
            integer(name, getattr(self, name), 1)


DEFAULT_LIMITS = Limits()
