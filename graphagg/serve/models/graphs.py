"""Queries of communities, structures, vertices and nearest vertices, and their answers."""

from __future__ import annotations

from pydantic import Field

from graphagg.communities.config import Method
from graphagg.embedding.results import Neighbor
from graphagg.serve.models.values import (
    AnswerModel,
    Hits,
    Members,
    RequestModel,
    Seeds,
    ShownVertex,
    Vertex,
)


class CommunityRequest(RequestModel):
    """A query for the community of some seeds."""

    seeds: Seeds
    k: Members = Field(default=50, description="Number of members.")
    method: Method = "fused"


class SharedNeighbors(AnswerModel):
    """Neighbors shared with one seed; `shared_neighbors` is null if counting costs too much."""

    seed: ShownVertex
    shared_neighbors: int | None
    examples: list[ShownVertex]
    adjacent: bool


class CommunityMember(AnswerModel):
    """A vertex of a community."""

    id: ShownVertex
    score: float
    scores: dict[str, float]
    reason: list[SharedNeighbors]


class CommunityAnswer(AnswerModel):
    """Members, best first, without the seeds."""

    seeds: list[ShownVertex]
    members: list[CommunityMember]
    method: Method
    plan: str
    notes: list[str]


class StructureVertex(AnswerModel):
    """A vertex of the drawing.

    `score` is null for a seed; community 0 is the largest; `x` and `y` are in [-1, 1].
    """

    id: ShownVertex
    score: float | None
    community: int
    seed: bool
    x: float
    y: float


class StructureEdge(AnswerModel):
    """Two similar vertices; the weight is their Jaccard similarity."""

    source: ShownVertex
    target: ShownVertex
    weight: float
    in_graph: bool = Field(description="Whether the graph has this edge.")


class StructureAnswer(AnswerModel):
    """The weighted similarity graph of seeds and members, and its sub-communities."""

    vertices: list[StructureVertex]
    edges: list[StructureEdge]
    method: Method
    plan: str


class VertexItem(AnswerModel):
    """A vertex and its number of edges."""

    id: ShownVertex
    degree: int


class VertexList(AnswerModel):
    """The vertices whose ids begin with a prefix: the exact match first, then by degree."""

    vertices: list[VertexItem]
    more: bool


class NeighborList(AnswerModel):
    """The neighbors of a vertex, those with most edges first."""

    vertex: ShownVertex
    degree: int
    neighbors: list[VertexItem]
    more: bool


class NearestRequest(RequestModel):
    """A query for the vertices nearest to a vertex."""

    vertex: Vertex
    k: Hits = Field(default=10, description="Number of neighbors.")


class NearestAnswer(AnswerModel):
    """The vertices nearest to a vertex."""

    vertex: ShownVertex
    neighbors: list[Neighbor]
