"""What all queries walk on: the sets, who holds an element, and the raw graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from graphagg.arrays import Array
from graphagg.graph import push
from graphagg.graph.csr import Csr
from graphagg.graph.push import DIRECTED, TWO_MODE, UNDIRECTED

__all__ = ["DIRECTED", "TWO_MODE", "UNDIRECTED", "Neighborhoods", "Scratch"]


@dataclass(frozen=True)
class Neighborhoods:
    """The sets that similarity compares, and their inverse.

    Attributes:
        sets: `[n, m]` pattern, the set of each vertex, without the vertex itself.
        holders: `[m, n]` pattern, the vertices whose set holds an element; `sets` itself where the
            graph is undirected.
        closed: each set also holds its own vertex.
        walk: the kind of the raw graph: UNDIRECTED, DIRECTED (walked both ways) or TWO_MODE
            (nodes 0 to n - 1 are sets, n to n + m - 1 elements).
    """

    sets: Csr
    holders: Csr
    closed: bool
    walk: int

    @property
    def nodes(self) -> int:
        """Nodes of the raw graph that a walk runs on."""
        return self.sets.rows + (self.sets.columns if self.walk == TWO_MODE else 0)

    @property
    def arrays(self) -> tuple[Array, Array, Array, Array]:
        """The pointers and indices of `sets` and `holders`, for the kernels."""
        return self.sets.indptr, self.sets.indices, self.holders.indptr, self.holders.indices

    def degrees(self, vertices: Array) -> Array:
        """Elements of each vertex's set besides the vertex itself."""
        degrees: Array = self.sets.indptr[vertices + 1] - self.sets.indptr[vertices]
        return degrees

    @cached_property
    def raw(self) -> push.PushGraph:
        """The raw graph, as PageRank walks it."""
        return push.push_graph(self.sets, self.holders, self.walk)

    def sizes(self, vertices: Array) -> Array:
        """Size of each vertex's set."""
        return self.degrees(vertices) + self.closed

    def work(self, vertices: Array, most: int) -> Array:
        """Entries that exact comparison with each vertex reads; counting stops at `most`."""
        return _work(*self.arrays, self.closed, vertices, most)


class Scratch:
    """Work arrays of one thread, reused so that a query touches only what it reaches.

    All of `counts`, `score` and `queued` are zero between uses. They take 50 bytes a node; pages
    never touched are never allocated.
    """

    def __init__(self, vertices: int, nodes: int) -> None:
        most = max(vertices, 1)
        self.counts = np.zeros(most, dtype=np.int32)
        self.touched = np.empty(most, dtype=np.int32)
        self.score = np.zeros(most)
        self.active = np.empty(most, dtype=np.int32)
        self.queued = np.zeros(nodes, dtype=np.uint8)
        self.push = push.Scratch.of(nodes)


@numba.njit(cache=True)
def _work(
    ptr: Array, ind: Array, hptr: Array, hind: Array, closed: bool, vertices: Array, most: int
) -> Array:
    out = np.zeros(len(vertices), dtype=np.int64)
    for i in range(len(vertices)):
        v = vertices[i]
        total = np.int64(0)
        if closed:
            total += hptr[v + 1] - hptr[v] + 1
        for j in range(ptr[v], ptr[v + 1]):
            total += hptr[ind[j] + 1] - hptr[ind[j]] + closed
            if total > most:
                break
        out[i] = total
    return out
