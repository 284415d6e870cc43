"""What an embedding answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from graphagg.graph.ids import VertexId


@dataclass(frozen=True)
class Neighbour:
    """A vertex near another one.

    Attributes:
        id: the vertex.
        score: cosine or dot product of the two vectors.
    """

    id: VertexId
    score: float


@dataclass(frozen=True)
class AddReport:
    """What `add` did.

    Attributes:
        vertices_added: vertices that were not there.
        vertices_without: those of them with no edge to a vertex that has a vector; they get zeros.
        edges_used: edges of an added vertex.
        edges_ignored: edges between vertices that were there; their vectors stay.
    """

    vertices_added: int
    vertices_without: int
    edges_used: int
    edges_ignored: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)
