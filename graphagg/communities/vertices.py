"""Type-ahead and neighbors over a community index, in fractions of a millisecond."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, reduce
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints, top_k
from graphagg.communities.similarity.neighborhoods import DIRECTED, TWO_MODE
from graphagg.communities.snapshot import CommunitySnapshot
from graphagg.graph.csr import Csr
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.store.reading import Artifact, names_damage
from graphagg.store.strings import StringTable

_LARGEST = 2**63 - 1
_AFTER = b"\xff"  # never occurs in UTF-8, so it sorts after every string with the prefix
_CACHED = 512  # cached answers of the type-ahead


class ListedVertex(NamedTuple):
    """A vertex and its degree."""

    id: VertexId
    degree: int


class Listing(NamedTuple):
    """The first vertices of a list, and whether there are more."""

    vertices: tuple[ListedVertex, ...]
    more: bool


def prefix_ranges(ids: VertexIds, prefix: str) -> list[tuple[int, int]]:
    """Find the ids that start with a prefix, as ascending disjoint ranges of positions; O(log n).

    Integers match by decimal digits: 12, 120 to 129, 1200 to 1299, ... Strings match as written,
    and in lower, upper and title case.
    """
    if not isinstance(ids.table, StringTable):
        return [(low, high) for low, high in _digit_ranges(ids.table, prefix) if low < high]
    spelled = {prefix, prefix.lower(), prefix.upper(), prefix.title(), prefix.capitalize()}
    ranges = set()
    for text in spelled:
        first = text.encode("utf-8")
        low = ids.table.place_sorted(first)
        ranges.add((low, ids.table.place_sorted(first + _AFTER, low)))
    disjoint: list[tuple[int, int]] = []
    # Two ranges are nested or disjoint; of ranges with the same start, the wider one comes first.
    for low, high in sorted(ranges, key=lambda bounds: (bounds[0], -bounds[1])):
        if low < high and (not disjoint or high > disjoint[-1][1]):
            disjoint.append((low, high))
    return disjoint


def _digit_ranges(table: Array, prefix: str) -> Iterator[tuple[int, int]]:
    if not prefix:
        yield 0, len(table)
        return
    if not prefix.isascii() or not prefix.isdigit() or (prefix[0] == "0" and prefix != "0"):
        return
    low, width = int(prefix), 1
    while low <= _LARGEST:
        high = min(low + width - 1, _LARGEST)
        yield (
            int(np.searchsorted(table, low, side="left")),
            int(np.searchsorted(table, high, side="right")),
        )
        if low == 0:  # no other number starts with 0
            return
        low, width = low * 10, width * 10


class Vertices:
    """Type-ahead and neighbors of the vertices in one version of a community index."""

    def __init__(self, snapshot: CommunitySnapshot) -> None:
        self._snapshot = snapshot
        self.starting_with = lru_cache(_CACHED)(self._starting_with)

    @property
    def artifact(self) -> Artifact:
        """The opened version."""
        return self._snapshot.artifact

    @names_damage
    def _starting_with(self, prefix: str, limit: int) -> Listing:
        """List the vertex with the id `prefix`, then vertices that start with it, by degree."""
        ids, matrices = self._snapshot.vertices, self._matrices()
        ranges, none = prefix_ranges(ids, prefix), np.zeros(0, np.int64)
        vertices = np.concatenate([none, *(np.arange(*r) for r in ranges)])
        degrees = np.concatenate([none, *(_degrees(matrices, slice(*r)) for r in ranges)])
        exact = ids.find(prefix)
        first = [] if exact is None else [exact]
        best = vertices[top_k(degrees, limit + 1, vertices)].tolist()
        order = np.array([*first, *(v for v in best if v != exact)][:limit], dtype=np.int64)
        listed = _with_degrees(ids, order, _degrees(matrices, order))
        return Listing(listed, len(vertices) > len(listed))

    @names_damage
    def neighbors(self, vertex: VertexId, limit: int) -> tuple[ListedVertex, Listing]:
        """List a vertex and its neighbors of highest degree; for a set (two-mode) its elements."""
        row, ids, matrices = self._snapshot.find(vertex), self._snapshot.vertices, self._matrices()
        (center,) = _with_degrees(ids, np.array([row]), _degrees(matrices, slice(row, row + 1)))
        neighbors = reduce(np.union1d, [matrix.row(row) for matrix in matrices]).astype(np.int64)
        if self._snapshot.neighborhoods.walk == TWO_MODE:
            ids, matrices = self._snapshot.elements, [self._snapshot.neighborhoods.holders]
        degrees = _degrees(matrices, neighbors)
        best = top_k(degrees, limit, neighbors)
        listed = _with_degrees(ids, neighbors[best], degrees[best])
        return center, Listing(listed, len(neighbors) > limit)

    def _matrices(self) -> list[Csr]:
        """Return the matrices whose rows are the edges of a vertex; two for a directed graph."""
        neighborhoods = self._snapshot.neighborhoods
        directed = neighborhoods.walk == DIRECTED
        return [neighborhoods.sets, neighborhoods.holders] if directed else [neighborhoods.sets]


def _degrees(matrices: Sequence[Csr], rows: slice | Ints) -> Ints:
    """Return the lengths of some rows, summed over all matrices."""
    lengths = [matrix.indptr[1:][rows] - matrix.indptr[:-1][rows] for matrix in matrices]
    degrees: Ints = np.sum(lengths, axis=0)
    return degrees


def _with_degrees(ids: VertexIds, vertices: Ints, degrees: Ints) -> tuple[ListedVertex, ...]:
    pairs = zip(vertices.tolist(), degrees.tolist(), strict=True)
    return tuple(ListedVertex(ids[vertex], degree) for vertex, degree in pairs)
