"""Answers queries of a community index, for the HTTP service and the MCP server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

from graphagg.communities import Community, CommunityIndex
from graphagg.communities.config import METHODS
from graphagg.communities.vertices import Listing, Vertices
from graphagg.graph.ids import VertexId
from graphagg.serve.models.graphs import CommunityRequest
from graphagg.serve.models.values import JsonAnswer, shown_id
from graphagg.serve.reload import ReloadingIndex
from graphagg.serve.shared import SharedResources
from graphagg.store.manifest import Manifest


class OpenedCommunities:
    """One version of a community index, with the vertices for type-ahead and neighbors."""

    def __init__(self, index: CommunityIndex) -> None:
        self.index = index
        self.vertices = Vertices(index.snapshot)

    @property
    def manifest(self) -> Manifest:
        """Manifest of the index."""
        return self.index.manifest

    def close(self) -> None:
        """Close the version."""
        self.index.close()


class Communities(ReloadingIndex[OpenedCommunities]):
    """A community index that answers many requests at once."""

    def __init__(self, directory: PathLike[str], shared: SharedResources) -> None:
        self._pool = shared.pool
        super().__init__(directory, lambda folder: OpenedCommunities(CommunityIndex.open(folder)))

    async def info(self) -> JsonAnswer:
        """Return counts, kind of graph and methods."""
        with self._lease() as opened:
            return {
                "version": opened.manifest.data,
                "counts": dict(opened.manifest.counts),
                "kind": opened.index.config.kind,
                "methods": list(METHODS),
            }

    async def query(self, request: CommunityRequest) -> JsonAnswer:
        """Return the community of some seeds."""
        return await self._answer(_community_json, request)

    async def structure(self, request: CommunityRequest) -> JsonAnswer:
        """Return the similarity graph of a community, its sub-communities and positions."""
        return await self._answer(_structure, request)

    async def _answer(
        self, show: Callable[[Community], JsonAnswer], request: CommunityRequest
    ) -> JsonAnswer:
        def answer(index: CommunityIndex) -> JsonAnswer:
            seeds = list(map(str, request.seeds))  # the index converts them to its id type
            return show(index.query(seeds, request.k, method=request.method))

        with self._lease() as opened:
            return await self._pool.run(answer, opened.index)

    async def starting_with(self, prefix: str, limit: int) -> JsonAnswer:
        """Return the vertices whose ids begin with a prefix (type-ahead)."""
        with self._lease() as opened:
            listing = await self._pool.run(opened.vertices.starting_with, prefix, limit)
            return {"vertices": _vertices_json(listing), "more": listing.more}

    async def neighbors(self, vertex: VertexId, limit: int) -> JsonAnswer:
        """Return the neighbors of a vertex, and its degree."""
        with self._lease() as opened:
            center, listing = await self._pool.run(opened.vertices.neighbors, vertex, limit)
            return {
                "vertex": shown_id(center.id),
                "degree": center.degree,
                "neighbors": _vertices_json(listing),
                "more": listing.more,
            }


def _vertices_json(listing: Listing) -> list[JsonAnswer]:
    return [{"id": shown_id(each.id), "degree": each.degree} for each in listing.vertices]


def _community_json(community: Community) -> JsonAnswer:
    answer = community.to_json()
    answer["seeds"] = list(map(shown_id, community.seeds))
    for member in answer["members"]:
        member["id"] = shown_id(member["id"])
        for shared in member["reason"]:
            shared["seed"] = shown_id(shared["seed"])
            shared["examples"] = list(map(shown_id, shared["examples"]))
    return answer


def _structure(community: Community) -> JsonAnswer:
    scores = {member.id: member.score for member in community.members}
    structure = community.structure()
    ids = list(map(shown_id, structure.vertices))
    vertices = _rows(
        id=ids,
        score=[scores.get(vertex) for vertex in structure.vertices],
        community=structure.labels.tolist(),
        seed=[row < structure.seeds for row in range(len(ids))],
        x=structure.positions[:, 0].tolist(),
        y=structure.positions[:, 1].tolist(),
    )
    edges = _rows(
        source=[ids[row] for row in structure.edges[:, 0]],
        target=[ids[row] for row in structure.edges[:, 1]],
        weight=structure.weights.tolist(),
        in_graph=structure.in_graph.tolist(),
    )
    return {
        "vertices": vertices,
        "edges": edges,
        "method": community.method,
        "plan": community.plan,
    }


def _rows(**columns: Sequence[Any]) -> list[JsonAnswer]:
    """Return the rows of a table as JSON objects."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
