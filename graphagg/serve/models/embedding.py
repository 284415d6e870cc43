"""Nearest vertices."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graphagg.serve.limits import MOST_BATCH
from graphagg.serve.models.values import Hits, K, Request, Result, ShownVertex, Timed, Vertex


class NearestRequest(Request):
    """Whose nearest vertices are wanted."""

    vertex: Vertex
    k: Hits = Field(default=10, validation_alias=K, description="Number of neighbors.")


class NearestBatchRequest(Request):
    """Several vertices."""

    vertices: Annotated[list[Vertex], Field(min_length=1, max_length=MOST_BATCH)]
    k: Hits = Field(default=10, validation_alias=K, description="Number of neighbors.")


class Nearest(Result):
    """A near vertex, with the cosine of the two vectors."""

    id: ShownVertex
    score: float


class NearestItem(Result):
    """The vertices nearest to one."""

    vertex: ShownVertex
    neighbors: list[Nearest]


class NearestAnswer(NearestItem, Timed):
    """The nearest vertices, and what it took."""


class NearestBatchAnswer(Timed):
    """The nearest vertices of each, in their order."""

    results: list[NearestItem]
