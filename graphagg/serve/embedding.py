"""Nearest vertices by an embedding, for the service and the MCP server."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from graphagg.embedding import NodeEmbedding
from graphagg.graph.ids import VertexId
from graphagg.serve.models.values import shown_id
from graphagg.serve.observe.stages import current_trace
from graphagg.serve.reload import Slot
from graphagg.serve.timing import Watch
from graphagg.serve.workers import Lane

if TYPE_CHECKING:
    from graphagg.serve.remote import Remote

Answer = dict[str, Any]


class Embedding:
    """An embedding that many ask at once.

    Args:
        directory: the index.
        lane: threads that answer.
        pool: worker processes that answer; None: this process does.
    """

    def __init__(self, directory: PathLike[str], lane: Lane, pool: Remote | None = None) -> None:
        self._lane, self._pool = lane, pool
        self.slot: Slot[NodeEmbedding] = Slot(directory, NodeEmbedding.open)

    def info(self) -> Answer:
        """Counts, kind of graph and dimension."""
        with self.slot.lease() as index:
            return {
                "version": index.manifest.data,
                "counts": dict(index.manifest.counts),
                "kind": index.config.kind,
                "dimension": int(index.vectors.shape[1]),
            }

    async def nearest(self, vertex: VertexId, k: int) -> Answer:
        """The vertices nearest to one, by cosine."""
        results, timed = await self.neighbors([vertex], k)
        return results[0] | timed

    async def nearest_batch(self, vertices: Sequence[VertexId], k: int) -> Answer:
        """The vertices nearest to each of several."""
        results, timed = await self.neighbors(vertices, k)
        return {"results": results, **timed}

    async def neighbors(self, vertices: Sequence[VertexId], k: int) -> tuple[list[Answer], Answer]:
        """The nearest vertices of each vertex, and the time it took."""
        watch = Watch()
        if self._pool is not None:
            results, timed = await self._pool.ask(
                "embedding.neighbors", vertices=list(vertices), k=k
            )
            return results, timed | {"latency_ms": watch.latency_ms}
        with self.slot.lease() as index, current_trace().stage("query"):
            results, cpu_ms = await self._lane.run(_neighbors, index, vertices, k)
        return results, {"latency_ms": watch.latency_ms, "cpu_ms": round(cpu_ms, 3)}


def _neighbors(
    index: NodeEmbedding, vertices: Sequence[VertexId], k: int
) -> tuple[list[Answer], float]:
    watch = Watch()
    results = []
    for vertex in map(str, vertices):
        near = index.neighbors(vertex, k)
        results.append(
            {
                "vertex": shown_id(index.vertices[index.find(vertex)]),
                "neighbors": [{"id": shown_id(each.id), "score": each.score} for each in near],
            }
        )
    return results, watch.cpu_ms
