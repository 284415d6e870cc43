"""Columns of edges while they are read, and the dense numbers of their ids once all are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graphagg.arrays import Doubles
from graphagg.errors import InvalidGraph
from graphagg.graph.ids import VertexIds
from graphagg.graph.reading.batches import Ids
from graphagg.store.strings import StringTable

Dense = npt.NDArray[np.int32]


class IdColumn:
    """One column of ids, in chunks: 4 bytes an id below 2^32 or a string, else 8."""

    def __init__(self) -> None:
        self._chunks: list[Any] = []
        self._integer: bool | None = None
        self.largest = -1

    @property
    def chunks(self) -> Sequence[Any]:
        """The chunks: uint32 or int64 arrays, or Arrow dictionary arrays."""
        return self._chunks

    @property
    def is_integer(self) -> bool | None:
        """Whether the ids are integers; None while there are none."""
        return self._integer

    def add(self, ids: Ids, name: str) -> None:
        """Append a chunk; `InvalidGraph` if its type is not that of the chunks before."""
        if not len(ids):
            return
        integer = isinstance(ids, np.ndarray)
        if self._integer is not None and integer != self._integer:
            raise InvalidGraph(
                f"{name}: ids mix integers and strings, wanted one type; read them as strings"
            )
        self._integer = integer
        if not isinstance(ids, np.ndarray):
            encoded = pa.types.is_dictionary(ids.type)
            self._chunks.append(ids if encoded else ids.dictionary_encode())
            return
        smallest, largest = int(ids.min()), int(ids.max())
        if smallest < 0:
            raise InvalidGraph(
                f"{name}: negative id {smallest}, wanted integers of 0 to 2^63 - 1; "
                "renumber, or give the ids as strings"
            )
        self.largest = max(self.largest, largest)
        self._chunks.append(ids.astype(np.uint32) if largest < 2**32 else ids)

    def __len__(self) -> int:
        return sum(len(chunk) for chunk in self._chunks)


class WeightColumn:
    """The weights of edges, in chunks; none at all where some edges came without."""

    def __init__(self) -> None:
        self._chunks: list[Doubles] | None = []

    def add(self, weights: Doubles | None) -> None:
        """Append a chunk, `[n]`."""
        if weights is None:
            self._chunks = None
        elif self._chunks is not None:
            self._chunks.append(weights)

    def joined(self) -> Doubles | None:
        """The weights of all edges, `[E]`; `InvalidGraph` if one is negative or not finite."""
        if not self._chunks:
            return None
        weights = np.concatenate(self._chunks)
        bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
        if len(bad):
            raise InvalidGraph(
                f"edge {bad[0] + 1:,} of {len(weights):,} has the weight {weights[bad[0]]}, wanted "
                f"a number of 0 or more ({len(bad):,} such edges); mend or drop them"
            )
        return weights


def number_together(columns: Sequence[IdColumn], name: str) -> tuple[VertexIds, list[Dense]]:
    """Give the ids of all columns one numbering.

    Args:
        columns: columns of one id space.
        name: what messages call their source.

    Returns:
        The ids in ascending order, and for each column the dense numbers of its ids, `[len]` int32.
    """
    types = {column.is_integer for column in columns} - {None}
    if len(types) > 1:
        raise InvalidGraph(
            f"{name}: one column holds integers and another strings, wanted one type of id; "
            "read the ids as strings (--ids string), or build a two-mode graph"
        )
    chunks = [chunk for column in columns for chunk in column.chunks]
    if types == {False}:
        ids, numbers = _string_numbers(chunks)
    else:
        ids, numbers = _integer_numbers(chunks, max((c.largest for c in columns), default=-1))
    if len(ids) >= 2**31:
        raise InvalidGraph(f"{len(ids):,} vertices, wanted fewer than 2^31; split the graph")
    empty = np.zeros(0, dtype=np.int32)
    return ids, [
        np.concatenate([empty, *islice(numbers, len(column.chunks))]) for column in columns
    ]


def _integer_numbers(chunks: Sequence[Any], largest: int) -> tuple[VertexIds, Iterator[Dense]]:
    """Ids and each chunk's dense numbers: by marking each value, or by sorting if one is large."""
    total = sum(len(chunk) for chunk in chunks)
    if largest < 4 * total + 2**20:
        seen = np.zeros(largest + 1, dtype=np.bool_)
        for chunk in chunks:
            _mark(chunk, seen)
        ids = np.flatnonzero(seen)
        number = np.cumsum(seen, dtype=np.int32) - np.int32(1)
        return VertexIds(ids.astype(np.int64)), (number[chunk] for chunk in chunks)
    ids = np.unique(np.concatenate([np.unique(chunk).astype(np.int64) for chunk in chunks]))
    return VertexIds(ids), (np.searchsorted(ids, chunk).astype(np.int32) for chunk in chunks)


def _string_numbers(chunks: Sequence[Any]) -> tuple[VertexIds, Iterator[Dense]]:
    """Ids and each chunk's dense numbers: only the chunks' distinct strings are compared."""
    dictionaries = pa.chunked_array([chunk.dictionary.cast(pa.large_binary()) for chunk in chunks])
    distinct = pc.unique(dictionaries)
    ordered = distinct.take(pc.array_sort_indices(distinct))
    _, starts, data = ordered.buffers()
    bounds = np.frombuffer(starts, dtype=np.int64)[: len(ordered) + 1]
    table = StringTable(np.frombuffer(data, dtype=np.uint8)[: bounds[-1]], bounds)
    # One call for all dictionaries: each call makes a hash table of all ids.
    positions = pc.index_in(dictionaries, value_set=ordered).to_numpy().astype(np.int32)
    number = np.split(positions, np.cumsum([len(chunk.dictionary) for chunk in chunks])[:-1])
    return VertexIds(table), (
        of_entry[chunk.indices.to_numpy(zero_copy_only=False)]
        for chunk, of_entry in zip(chunks, number, strict=True)
    )


@numba.njit(cache=True)
def _mark(chunk: npt.NDArray[Any], seen: npt.NDArray[np.bool_]) -> None:
    """Set the entry of each value."""
    for value in chunk:
        seen[value] = True
