"""Settings of the graph of a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from graphagg.checks import integer, number, one_of

TieWeight = Literal["npmi", "jaccard"]


@dataclass(frozen=True)
class GraphConfig:
    """Ties of entities that share sentences.

    Attributes:
        weight: weight of a tie: npmi (normalized pointwise mutual information; values above 0
            count) or jaccard.
        floor: ties that weigh less are left out.
        neighbors: number of strongest ties that an entity keeps; a tie stays if either end keeps
            it.
        names: a sentence that names more entities is a list, and ties none.
        dates: take names of numbers and months alone, such as "May 1999", too.

    Raises:
        InvalidParameter: a value is out of range.

    Examples:
        >>> GraphConfig(weight="jaccard", floor=0.2).neighbors
        20
    """

    weight: TieWeight = "npmi"
    floor: float = 0.1
    neighbors: int = 20
    names: int = 30
    dates: bool = False

    def __post_init__(self) -> None:
        one_of("weight", self.weight, get_args(TieWeight))
        number("floor", self.floor, least=0, most=1)
        integer("neighbors", self.neighbors, 1)
        integer("names", self.names, 2)
