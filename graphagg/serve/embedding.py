"""Nearest vertices in an embedding, for HTTP and MCP."""

from __future__ import annotations

from os import PathLike

from graphagg.embedding import NodeEmbedding
from graphagg.graph.ids import VertexId
from graphagg.serve.models.values import JsonAnswer, shown_id
from graphagg.serve.reload import ReloadingIndex
from graphagg.serve.shared import BoundedThreadPool


class Embedding(ReloadingIndex[NodeEmbedding]):
    """An embedding that answers many requests at once."""

    def __init__(self, directory: PathLike[str], pool: BoundedThreadPool) -> None:
        self._pool = pool
        super().__init__(directory, NodeEmbedding.open)

    async def info(self) -> JsonAnswer:
        """Return counts, kind of graph and dimension."""
        with self._lease() as index:
            return {
                "version": index.manifest.data,
                "counts": dict(index.manifest.counts),
                "kind": index.config.kind,
                "dimension": int(index.vectors.shape[1]),
            }

    async def nearest(self, vertex: VertexId, k: int) -> JsonAnswer:
        """Return the vertices nearest to a vertex, by cosine."""
        with self._lease() as index:
            return await self._pool.run(_neighbors, index, str(vertex), k)


def _neighbors(index: NodeEmbedding, vertex: str, k: int) -> JsonAnswer:
    neighbors = index.neighbors(vertex, k)
    return {
        "vertex": shown_id(index.vertices[index.find(vertex)]),
        "neighbors": [{"id": shown_id(each.id), "score": each.score} for each in neighbors],
    }
