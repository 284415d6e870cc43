"""Settings of near duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from graphagg.checks import integer, number, one_of
from graphagg.errors import InvalidParameter

Unit = Literal["words", "characters"]
UNITS: tuple[Unit, ...] = get_args(Unit)
_SURE = 0.98
_LENGTHS: dict[Unit, int] = {"words": 3, "characters": 9}


@dataclass(frozen=True)
class DedupConfig:
    """Threshold and signatures of near duplicates.

    Attributes:
        threshold: least Jaccard similarity of the shingles of two texts.
        shingles: unit of a shingle: words or characters.
        length: words or characters of a shingle. None: 3 words, or 9 characters.
        permutations: slots of a signature; more find pairs near the threshold more surely.

    Examples:
        >>> config = DedupConfig(threshold=0.8)
        >>> config.length, config.bands * config.rows <= config.permutations
        (3, True)
    """

    threshold: float = 0.8
    shingles: Unit = "words"
    length: int | None = None
    permutations: int = 128

    def __post_init__(self) -> None:
        number("threshold", self.threshold, above=0, most=1)
        one_of("shingles", self.shingles, UNITS)
        if self.length is None:
            object.__setattr__(self, "length", _LENGTHS[self.shingles])
        integer("length", self.length, 1, 64)
        integer("permutations", self.permutations, 1, 4096)
        if self._recall(1) < _SURE:
            raise InvalidParameter(
                f"threshold is {self.threshold:g}: {self.permutations} permutations find only "
                f"{self._recall(1):.0%} of the pairs at it; take more permutations"
            )

    @property
    def rows(self) -> int:
        """Slots of a band: the most that find 98 of 100 pairs at the threshold."""
        return max(rows for rows in range(1, self.permutations + 1) if self._recall(rows) >= _SURE)

    @property
    def bands(self) -> int:
        """Bands of a signature."""
        return self.permutations // self.rows

    def _recall(self, rows: int) -> float:
        """The probability that a pair at the threshold shares a band of `rows` slots."""
        return 1.0 - (1.0 - self.threshold**rows) ** (self.permutations // rows)
