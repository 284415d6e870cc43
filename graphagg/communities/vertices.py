"""Type-ahead and neighbors over a community index, in fractions of a millisecond."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.communities.query.vertex_ranking import largest
from graphagg.communities.similarity.neighborhoods import DIRECTED, TWO_MODE
from graphagg.communities.snapshot import CommunitySnapshot
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.store.strings import StringTable

_LARGEST = 2**63 - 1
_AFTER = b"\xff"  # no UTF-8 holds this byte, so it follows every continuation of a prefix
_CACHED = 512  # answers of the type-ahead that are kept


class ListedVertex(NamedTuple):
    """A vertex and its degree."""

    id: VertexId
    degree: int


class Listing(NamedTuple):
    """The first vertices of a list, and whether there are more of them."""

    vertices: tuple[ListedVertex, ...]
    more: bool


def prefix_ranges(ids: VertexIds, prefix: str) -> list[tuple[int, int]]:
    """Find the ids that begin with a prefix, as ascending disjoint ranges of positions; O(log n).

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
    # Of two ranges either one holds the other or they are disjoint; the wider of a start is first.
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
        if low == 0:  # no other number begins with 0
            return
        low, width = low * 10, width * 10


class Vertices:
    """The vertices of one version of a community index."""

    def __init__(self, snapshot: CommunitySnapshot) -> None:
        self._snapshot = snapshot
        self.starting_with = lru_cache(_CACHED)(self._starting_with)

    def _starting_with(self, prefix: str, limit: int) -> Listing:
        """The vertex that is the prefix, then those that begin with it, by degree."""
        ids = self._snapshot.vertices
        ranges = prefix_ranges(ids, prefix)
        vertices = np.concatenate([np.zeros(0, np.int64), *(np.arange(*r) for r in ranges)])
        degrees = np.concatenate([np.zeros(0, np.int64), *(self._degrees(*r) for r in ranges)])
        exact = ids.find(prefix)
        first = [] if exact is None else [exact]
        best = vertices[largest(degrees, limit + 1, vertices)].tolist()
        shown = [*first, *(vertex for vertex in best if vertex != exact)][:limit]
        listed = tuple(ListedVertex(ids[vertex], self._degree(vertex)) for vertex in shown)
        return Listing(listed, len(vertices) > len(shown))

    def _degree(self, vertex: int) -> int:
        return int(self._degrees(vertex, vertex + 1)[0])

    def _degrees(self, low: int, high: int) -> Ints:
        """Edges of the vertices `low` to `high - 1`; of a directed graph in both directions."""
        neighborhoods = self._snapshot.neighborhoods
        degrees: Ints = np.diff(neighborhoods.sets.indptr[low : high + 1])
        if neighborhoods.walk == DIRECTED:
            degrees = degrees + np.diff(neighborhoods.holders.indptr[low : high + 1])
        return degrees

    def neighbors(self, vertex: VertexId, limit: int) -> tuple[ListedVertex, Listing]:
        """List a vertex and its neighbors with most edges; for a set (two-mode) its elements."""
        row, neighborhoods = self._snapshot.find(vertex), self._snapshot.neighborhoods
        neighbors = neighborhoods.sets.row(row).astype(np.int64)
        ids, rows = self._snapshot.vertices, neighborhoods.sets
        if neighborhoods.walk == DIRECTED:
            neighbors = np.union1d(neighbors, neighborhoods.holders.row(row))
        if neighborhoods.walk == TWO_MODE:
            ids, rows = self._snapshot.elements, neighborhoods.holders
        degrees: Array = rows.indptr[neighbors + 1] - rows.indptr[neighbors]
        if neighborhoods.walk == DIRECTED:
            inverse = neighborhoods.holders.indptr
            degrees = degrees + inverse[neighbors + 1] - inverse[neighbors]
        best = largest(degrees, limit, neighbors)
        pairs = zip(neighbors[best].tolist(), degrees[best].tolist(), strict=True)
        listed = tuple(ListedVertex(ids[node], degree) for node, degree in pairs)
        asked = ListedVertex(self._snapshot.vertices[row], self._degree(row))
        return asked, Listing(listed, len(neighbors) > limit)
