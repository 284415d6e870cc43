"""Results of an embedding: neighbors of a vertex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphagg.fields import short
from graphagg.graph.ids import VertexId
from graphagg.tables import Tabular, ids_column, ranks_column

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Neighbor:
    """A vertex near another one.

    Attributes:
        id: the vertex.
        score: cosine or dot product of the two vectors.
    """

    id: VertexId
    score: float


class Neighbors(tuple[Neighbor, ...], Tabular):
    """The vertices near another one, nearest first: a tuple, and a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Neighbors({len(self)}: {short([neighbor.id for neighbor in self])})"

    def to_arrow(self) -> pyarrow.Table:
        """A table with one row per neighbor: `rank` (from 1), `vertex`, `score`."""
        import pyarrow as pa

        return pa.table(
            {
                "rank": ranks_column(len(self)),
                "vertex": ids_column([neighbor.id for neighbor in self]),
                "score": pa.array([neighbor.score for neighbor in self], pa.float64()),
            }
        )
