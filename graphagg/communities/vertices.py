"""Type-ahead and neighbors over a community index, in fractions of a millisecond."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.communities import CommunityIndex
from graphagg.communities.similarity.neighborhood import DIRECTED, TWO_MODE
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.store.strings import StringTable

Answer = dict[str, Any]

_LARGEST = 2**63 - 1
_EXACT_IN_JAVASCRIPT = 2**53
_AFTER = b"\xff"  # no UTF-8 holds this byte, so it follows every continuation of a prefix
_KEPT = 512  # answers of the type-ahead that are kept


def shown_id(vertex: VertexId) -> VertexId:
    """An id as JSON: an integer that JavaScript would round goes as a string."""
    if isinstance(vertex, int) and vertex >= _EXACT_IN_JAVASCRIPT:
        return str(vertex)
    return vertex


def prefix_ranges(ids: VertexIds, prefix: str) -> list[tuple[int, int]]:
    """Where the ids that begin with a prefix lie: disjoint ranges of positions, ascending.

    Integers by their decimal digits: 12, 120 to 129, 1200 to 1299, ... Strings as the prefix is
    written and as it would be in lower, upper or title case. O(log n) reads a range.
    """
    if not isinstance(ids.table, StringTable):
        return [found for found in _digit_ranges(ids.table, prefix) if found[0] < found[1]]
    table = ids.table
    spelled = {prefix, prefix.lower(), prefix.upper(), prefix.title(), prefix.capitalize()}
    ranges = set()
    for text in spelled:
        wanted = text.encode("utf-8")
        low = table.place_sorted(wanted)
        ranges.add((low, table.place_sorted(wanted + _AFTER, low)))
    apart: list[tuple[int, int]] = []
    for low, high in sorted(ranges, key=lambda found: (found[0], -found[1])):
        if low < high and (not apart or high > apart[-1][1]):  # two ranges are apart or nested
            apart.append((low, high))
    return apart


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
        if low == 0:
            return
        low, width = low * 10, width * 10


class Vertices:
    """The vertices of one version of a community index."""

    def __init__(self, index: CommunityIndex) -> None:
        self._index = index
        self._hoods = index.expander.hoods
        self.starting_with = lru_cache(_KEPT)(self._starting_with)

    def _starting_with(self, prefix: str, limit: int) -> Answer:
        """The vertex that is the prefix, then those that begin with it, by degree."""
        ids = self._index.vertices
        ranges = prefix_ranges(ids, prefix)
        total = sum(high - low for low, high in ranges)
        exact = ids.find(prefix)
        first = [] if exact is None else [exact]
        best = [place for place in self._largest(ranges, limit + 1) if place != exact]
        shown = [*first, *best][:limit]
        return {"vertices": [self._listed(place) for place in shown], "more": total > len(shown)}

    def _largest(self, ranges: list[tuple[int, int]], count: int) -> list[int]:
        """The positions of the highest degrees, ties in the order of ids; linear."""
        if not ranges:
            return []
        places = np.concatenate([np.arange(low, high) for low, high in ranges])
        degrees = np.concatenate([self._degrees_between(low, high) for low, high in ranges])
        best: list[int] = places[largest(degrees, count)].tolist()
        return best

    def _degrees_between(self, low: int, high: int) -> Array:
        degrees: Array = np.diff(self._hoods.sets.indptr[low : high + 1])
        if self._hoods.walk == DIRECTED:
            degrees = degrees + np.diff(self._hoods.holders.indptr[low : high + 1])
        return degrees

    def _degree(self, place: int) -> int:
        return int(self._degrees_between(place, place + 1)[0])

    def _listed(self, place: int) -> Answer:
        return {"id": shown_id(self._index.vertices[place]), "degree": self._degree(place)}

    def neighbors(self, vertex: VertexId, limit: int) -> Answer:
        """The neighbors of a vertex with most edges; of a set (two-mode) its elements."""
        place, hoods = self._index.find(vertex), self._hoods
        found = hoods.sets.row(place)
        if hoods.walk == DIRECTED:
            found = np.union1d(found, hoods.holders.row(place))
        ids, rows = self._index.vertices, hoods.sets
        if hoods.walk == TWO_MODE:
            ids, rows = self._index.elements, hoods.holders
        degrees: Array = rows.indptr[found.astype(np.int64) + 1] - rows.indptr[found]
        if hoods.walk == DIRECTED:
            more = hoods.holders.indptr
            degrees = degrees + more[found.astype(np.int64) + 1] - more[found]
        best = largest(degrees, limit)
        return {
            "vertex": shown_id(self._index.vertices[place]),
            "degree": self._degree(place),
            "neighbors": [
                {"id": shown_id(ids[node]), "degree": degree}
                for node, degree in zip(found[best].tolist(), degrees[best].tolist(), strict=True)
            ],
            "more": len(found) > limit,
        }


def largest(values: Array, count: int) -> Array:
    """Positions of the `count` largest values, best first, ties by position; linear."""
    if len(values) > count:
        bound = np.partition(values, len(values) - count)[len(values) - count]
        above = np.flatnonzero(values > bound)
        kept = np.concatenate([above, np.flatnonzero(values == bound)[: count - len(above)]])
    else:
        kept = np.arange(len(values))
    order: Array = kept[np.lexsort((kept, -values[kept]))]
    return order
