"""What all queries walk on: the sets, who holds an element, and the raw graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from graphagg.arrays import Array
from graphagg.graph.csr import Csr

UNDIRECTED, DIRECTED, TWO_MODE = 0, 1, 2


@dataclass(frozen=True)
class Neighborhoods:
    """The sets that similarity compares, and their inverse.

    Attributes:
        sets: `[n, m]` pattern, the set of each vertex, without the vertex itself.
        holders: `[m, n]` pattern, the vertices whose set holds an element; `sets` itself where the
            graph is undirected.
        closed: each set also holds its own vertex.
        walk: how `segments` finds a node's neighbors: UNDIRECTED, DIRECTED (both ways) or
            TWO_MODE (nodes 0 to n - 1 are sets, n to n + m - 1 elements).
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

    def sizes(self, vertices: Array) -> Array:
        """Size of each vertex's set."""
        return self.degrees(vertices) + self.closed

    def work(self, vertices: Array, most: int) -> Array:
        """Entries that exact comparison with each vertex reads; counting stops at `most`."""
        return _work(*self.arrays, self.closed, vertices, most)


class Scratch:
    """Work arrays of one thread, reused so that a query touches only what it reaches.

    All of `counts`, `score`, `mass`, `residual` and `queued` are zero between uses. They take 45
    bytes a node; pages never touched are never allocated.
    """

    def __init__(self, vertices: int, nodes: int) -> None:
        most = max(vertices, 1)
        self.counts = np.zeros(most, dtype=np.int32)
        self.touched = np.empty(most, dtype=np.int32)
        self.score = np.zeros(most)
        self.active = np.empty(most, dtype=np.int32)
        self.mass = np.zeros(nodes)
        self.residual = np.zeros(nodes)
        self.queued = np.zeros(nodes, dtype=np.uint8)
        self.queue = np.empty(nodes + 1, dtype=np.int32)
        self.reached = np.empty(nodes, dtype=np.int32)


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


@numba.njit(cache=True)
def node_degree(ptr: Array, hptr: Array, walk: int, node: int) -> Any:
    """Degree of a node of the raw graph."""
    n = len(ptr) - 1
    if walk == UNDIRECTED:
        return ptr[node + 1] - ptr[node]
    if walk == DIRECTED:
        return ptr[node + 1] - ptr[node] + hptr[node + 1] - hptr[node]
    if node < n:
        return ptr[node + 1] - ptr[node]
    return hptr[node - n + 1] - hptr[node - n]
