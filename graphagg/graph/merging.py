"""Merge the rows of two graphs, subtract one from the other, or select vertices.

Rows are read and yielded range by range: they may be mapped files that are larger than memory. Ids
ascend in every graph, so that a range still ascends when its ids get their new numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints, Mask
from graphagg.graph.adjacency import Keys, merge_repeats, pair_keys, pairs_of
from graphagg.graph.csr import Csr
from graphagg.graph.ids import VertexIds
from graphagg.store.ranges import forget

_ROWS_AT_ONCE = 1 << 16


class Renumbering(NamedTuple):
    """The ids of a result, and the numbers there of the ids of two graphs."""

    ids: VertexIds  # of the result
    # `[n]` int32 ascending, the new number of each id of the first graph; -1: left out
    first: Array
    second: Array  # `[m]` int32, likewise of the second graph

    @classmethod
    def union(cls, first: VertexIds, second: VertexIds) -> Renumbering:
        """All ids of both; `InvalidGraph` if one has integers and the other strings."""
        ids = first.union(second)
        return cls(ids, *(ids.positions(old).astype(np.int32) for old in (first, second)))

    @classmethod
    def of_first(cls, first: VertexIds, second: VertexIds) -> Renumbering:
        """The ids of the first graph alone."""
        identity = np.arange(len(first), dtype=np.int32)
        return cls(first, identity, first.positions(second).astype(np.int32))

    def selected(self, mask: Mask) -> Renumbering:
        """Keep only the ids of the result that a mask selects."""
        renumbered = np.where(mask, np.cumsum(mask, dtype=np.int32) - 1, -1).astype(np.int32)
        renumbered = np.append(renumbered, np.int32(-1))  # -1 stays -1
        return Renumbering(self.ids.select(mask), renumbered[self.first], renumbered[self.second])


def merge_rows(
    first: Csr, second: Csr, rows: Renumbering, columns: Renumbering, *, subtract: bool = False
) -> Iterator[tuple[Ints, Array]]:
    """Merge two matrices row by row; with `subtract`, remove the entries of `second` from `first`.

    Yields for each range of rows their lengths, and their columns one after another (int32).
    """
    count = len(rows.ids)
    of_first, of_second = _inverse(rows.first, count), _inverse(rows.second, count)
    for low in range(0, count, _ROWS_AT_ONCE):
        some = slice(low, min(low + _ROWS_AT_ONCE, count))
        keys = _entries(first, of_first[some], columns.first)
        others = _entries(second, of_second[some], columns.second)
        if subtract:
            keys = keys[np.isin(keys, others, assume_unique=True, invert=True)]
        else:
            keys, _ = merge_repeats(np.concatenate([keys, others]), None)
        in_range, merged = pairs_of(keys)
        yield np.bincount(in_range, minlength=some.stop - low), merged
        forget(first.indices, second.indices)


def _inverse(renumbered: Array, count: int) -> Array:
    """The old number of each of `count` new ones, int32; -1: it is new."""
    old = np.full(count, -1, dtype=np.int32)
    stay = np.flatnonzero(renumbered >= 0)
    old[renumbered[stay]] = stay
    return old


def _entries(matrix: Csr, sources: Array, renumbered: Array) -> Keys:
    """The entries of a range of rows, ascending, with their new columns.

    Row i of the range is row `sources[i]` of the matrix; -1: it has none.
    """
    present = np.flatnonzero(sources >= 0)
    old = sources[present]
    owners = np.repeat(present, matrix.indptr[old + 1] - matrix.indptr[old])
    columns = renumbered[matrix.indices[matrix.places(old)]]
    stay = columns >= 0
    return pair_keys(owners[stay], columns[stay])
