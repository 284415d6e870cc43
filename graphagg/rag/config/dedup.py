"""What counts as a near duplicate."""

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
    """When two texts are near duplicates.

    Attributes:
        threshold: the share of their shingles that both have, at least: Jaccard similarity.
        shingles: what a shingle is made of: words or characters.
        length: words or characters of a shingle. None: 3 words, or 9 characters.
        permutations: slots of a signature; more find pairs near the threshold more surely.
        bucket: texts of a bucket that each of its texts is compared with at most.
    """

    threshold: float = 0.8
    shingles: Unit = "words"
    length: int | None = None
    permutations: int = 128
    bucket: int = 64

    def __post_init__(self) -> None:
        number("threshold", self.threshold, above=0, most=1)
        one_of("shingles", self.shingles, UNITS)
        if self.length is None:
            object.__setattr__(self, "length", _LENGTHS[self.shingles])
        integer("length", self.length, 1, 64)
        integer("permutations", self.permutations, 1, 4096)
        integer("bucket", self.bucket, 1, 2**20)
        if self.found(1) < _SURE:
            raise InvalidParameter(
                f"threshold is {self.threshold:g}: {self.permutations} permutations find only "
                f"{self.found(1):.0%} of the pairs at it; take more permutations"
            )

    @property
    def rows(self) -> int:
        """Slots of a band: as many as still find 98 in 100 pairs at the threshold."""
        return max(rows for rows in range(1, self.permutations + 1) if self.found(rows) >= _SURE)

    @property
    def bands(self) -> int:
        """Bands of a signature."""
        return self.permutations // self.rows

    def found(self, rows: int) -> float:
        """The probability that a pair at the threshold shares one of the bands of so many rows."""
        return 1.0 - (1.0 - self.threshold**rows) ** (self.permutations // rows)
