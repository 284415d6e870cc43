"""Nearest vertices."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graphagg.serve.limits import MOST_BATCH
from graphagg.serve.models.values import Hits, Request, Result, ShownVertex, Timed, Vertex


class NearestRequest(Request):
    """Whose nearest vertices are wanted."""

    vertex: Vertex
    top_k: Hits = 10


class NearestBatchRequest(Request):
    """Several vertices."""

    vertices: Annotated[list[Vertex], Field(min_length=1, max_length=MOST_BATCH)]
    top_k: Hits = 10


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
