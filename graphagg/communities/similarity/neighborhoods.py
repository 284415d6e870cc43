"""The graph in the form that queries read.

It has the set of each vertex, the inverse of the sets, and the raw adjacency.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.communities.config import CommunityConfig
from graphagg.graph import pagerank
from graphagg.graph.csr import Csr
from graphagg.graph.pagerank import DIRECTED, TWO_MODE, UNDIRECTED
from graphagg.kernels import kernel

__all__ = ["DIRECTED", "TWO_MODE", "UNDIRECTED", "Neighborhoods", "QueryScratch"]


class SetArrays(NamedTuple):
    """The sets and their inverse, as arrays for kernels."""

    offsets: Array  # `[n + 1]` int64, the set of vertex v is `elements[offsets[v]:offsets[v + 1]]`
    elements: Array  # `[entries]` int32, ascending within a set, without the vertex itself
    holder_offsets: Array  # `[m + 1]` int64, where the holders of each element begin
    holders: Array  # `[entries]` int32, the vertices whose set contains the element
    closed: bool  # each set also contains its own vertex, which `elements` does not list
    walk: int  # UNDIRECTED, DIRECTED or TWO_MODE, see `Neighborhoods`


@dataclass(frozen=True)
class Neighborhoods:
    """The sets that similarity compares, and their inverse."""

    sets: Csr  # `[n, m]` pattern, the set of each vertex, without the vertex itself
    # `[m, n]` pattern, the vertices whose set contains an element; `sets` itself if the graph
    # is undirected
    holders: Csr
    closed: bool  # each set also contains its own vertex
    # how a walk finds the neighbors of a node: UNDIRECTED, DIRECTED (both ways) or TWO_MODE
    # (nodes 0 to n - 1 are sets, n to n + m - 1 elements)
    walk: int

    @classmethod
    def of(cls, sets: Csr, holders: Csr, config: CommunityConfig) -> Neighborhoods:
        """Return the neighborhoods of a graph of the kind in `config`."""
        walk = {"undirected": UNDIRECTED, "two-mode": TWO_MODE}.get(config.kind, DIRECTED)
        return cls(sets, holders, bool(config.closed), walk)

    @property
    def nodes(self) -> int:
        """Number of nodes of the raw graph that a walk runs on."""
        return self.sets.rows + (self.sets.columns if self.walk == TWO_MODE else 0)

    @property
    def bundle(self) -> SetArrays:
        """Bundle the arrays for kernels."""
        sets, holders = self.sets, self.holders
        return SetArrays(
            sets.indptr, sets.indices, holders.indptr, holders.indices, self.closed, self.walk
        )

    def degrees(self, vertices: Array) -> Ints:
        """Return the number of elements of each vertex's set, without the vertex itself."""
        degrees: Ints = self.sets.indptr[vertices + 1] - self.sets.indptr[vertices]
        return degrees

    @cached_property
    def raw(self) -> pagerank.PushGraph:
        """The raw graph that PageRank walks."""
        return pagerank.push_graph(self.sets, self.holders, self.walk)

    def sizes(self, vertices: Array) -> Ints:
        """Return the size of each vertex's set."""
        return self.degrees(vertices) + self.closed

    def work(self, vertices: Array, limit: int) -> Ints:
        """Count the entries that exact comparison with each vertex reads, up to `limit`."""
        work: Ints = _work(self.bundle, vertices, limit)
        return work


class QueryScratch(NamedTuple):
    """Work arrays of one thread, reused so that a query touches only the vertices it reaches.

    All of `counts`, `scores` and `members` are zero between uses. The arrays take 21 bytes per
    vertex, and `push` 36 bytes per node; the system never allocates pages that are not touched.
    """

    counts: Array  # int32, number of elements that each vertex shares with the current seed
    touched: Array  # int32, the vertices whose count is not zero, in order of contact
    scores: Array  # float64, sum of similarities of each vertex
    active: Array  # int32, the vertices that have a score, in order of contact
    members: Array  # uint8, 1 for seeds and members of a community that grows
    push: pagerank.PushScratch  # work arrays of PageRank

    @classmethod
    def of(cls, neighborhoods: Neighborhoods) -> QueryScratch:
        """Allocate the arrays for a graph."""
        vertices = max(neighborhoods.sets.rows, neighborhoods.sets.columns, 1)
        return cls(
            counts=np.zeros(vertices, np.int32),
            touched=np.empty(vertices, dtype=np.int32),
            scores=np.zeros(vertices),
            active=np.empty(vertices, dtype=np.int32),
            members=np.zeros(vertices, dtype=np.uint8),
            push=pagerank.PushScratch.of(neighborhoods.nodes),
        )


@kernel
def set_size(offsets: Array, closed: bool, vertex: int) -> Any:
    """Return the size of a vertex's set, including the vertex itself if sets are closed."""
    return offsets[vertex + 1] - offsets[vertex] + closed


@kernel
def jaccard(shared: float, first: float, second: float) -> float:
    """Compute the Jaccard similarity of two sets from their sizes and the shared count (> 0)."""
    # In a damaged index a set can contain an element twice and share more than the union has.
    return shared / max(first + second - shared, shared)


@kernel
def comparison_work(sets: SetArrays, vertex: int, limit: int) -> Any:
    """Count the entries that `jaccard.count_shared` reads for a vertex, up to `limit`."""
    offsets, holder_offsets, closed = sets.offsets, sets.holder_offsets, sets.closed
    total = np.int64(0)
    if closed:  # the vertex is an element of its own set, and a holder of itself
        total += holder_offsets[vertex + 1] - holder_offsets[vertex] + 1
    elements = sets.elements
    for j in range(offsets[vertex], offsets[vertex + 1]):
        element = elements[j]
        total += holder_offsets[element + 1] - holder_offsets[element] + closed
        if total > limit:
            break
    return total


@kernel
def _work(sets: SetArrays, vertices: Array, limit: int) -> Array:
    """Return `comparison_work` of each vertex, `[len(vertices)]` int64."""
    work = np.empty(len(vertices), dtype=np.int64)
    for i in range(len(vertices)):
        work[i] = comparison_work(sets, vertices[i], limit)
    return work
