"""Columns of edges while they are read, and the dense numbers of their ids once all are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graphagg.arrays import Doubles
from graphagg.errors import InvalidGraph
from graphagg.graph.ids import VertexIds, sorted_strings
from graphagg.graph.kinds import GraphKind
from graphagg.graph.reading.batches import Ids
from graphagg.kernels import kernel

Dense = npt.NDArray[np.int32]

_SEARCHED = 1 << 20  # ids up to which each id of a chunk is searched for on its own


class IdColumn:
    """A `ChunkedIds` in memory: 4 bytes per id below 2^32 or string, else 8."""

    def __init__(self) -> None:
        self.chunks: list[Any] = []
        self.is_integer: bool | None = None
        self.largest = -1

    def add(self, ids: Ids, name: str) -> None:
        """Append a chunk; `InvalidGraph` if it has another type than the chunks before."""
        if not len(ids):
            return
        integer = isinstance(ids, np.ndarray)
        if self.is_integer is not None and integer != self.is_integer:
            raise InvalidGraph(
                f"{name}: ids mix integers and strings, wanted one type; read them as strings"
            )
        self.is_integer = integer
        if not integer:
            self.chunks.append(ids)
            return
        smallest, largest = int(ids.min()), int(ids.max())
        if smallest < 0:
            raise InvalidGraph(
                f"{name}: negative id {smallest}, wanted integers of 0 to 2^63 - 1; "
                "renumber, or give the ids as strings"
            )
        self.largest = max(self.largest, largest)
        self.chunks.append(ids.astype(np.uint32) if largest < 2**32 else ids)

    def take(self) -> list[Any]:
        """Return the chunks and remove them from the column."""
        chunks, self.chunks = self.chunks, []
        return chunks

    def __len__(self) -> int:
        return sum(len(chunk) for chunk in self.chunks)


def join_weights(chunks: Sequence[Doubles | None]) -> Doubles | None:
    """Join the weights of all edges, `[E]`; None if some edges have none.

    A weight that is negative or not finite raises `InvalidGraph`.
    """
    present = [chunk for chunk in chunks if chunk is not None]
    if not present or len(present) < len(chunks):
        return None
    weights = np.concatenate(present)
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise InvalidGraph(
            f"edge {bad[0] + 1:,} of {len(weights):,} has the weight {weights[bad[0]]}, wanted "
            f"a number of 0 or more ({len(bad):,} such edges); mend or drop them"
        )
    return weights


def number_ends(
    kind: GraphKind, first: ChunkedIds, second: ChunkedIds, alone: ChunkedIds, name: str,
    marked: int | None = None,
) -> tuple[VertexIds, VertexIds, Numbers, Numbers]:  # fmt: skip
    """Number both ends of edges, and vertices without edges; see `number_together`.

    Returns the ids of rows and columns, the same object unless two-mode, and the numbers of both
    ends.
    """
    if kind == "two-mode":
        rows, (source, _) = number_together([first, alone], name, marked)
        columns, (target,) = number_together([second], name, marked)
        return rows, columns, source, target
    rows, (source, target, _) = number_together([first, second, alone], name, marked)
    return rows, rows, source, target


def number_together(
    columns: Sequence[ChunkedIds], name: str, marked: int | None = None
) -> tuple[VertexIds, list[Numbers]]:
    """Number the ids of columns that share one id space, in ascending order.

    Integers below `marked` are numbered by marking each value; None: a limit by the number of ids.
    """
    types = {column.is_integer for column in columns} - {None}
    if len(types) > 1:
        raise InvalidGraph(
            f"{name}: one column holds integers and another strings, wanted one type of id; "
            'read the ids as strings (`ids="string"`), or build a two-mode graph'
        )
    if types == {False}:
        ids, numbered = _string_numbers(columns)
    else:
        ids, numbered = _integer_numbers(columns, marked)
    if len(ids) >= 2**31:
        raise InvalidGraph(f"{len(ids):,} vertices, wanted fewer than 2^31; split the graph")
    return ids, numbered


class ChunkedIds(Protocol):
    """One column of ids, in chunks."""

    @property
    def chunks(self) -> Sequence[Any]:
        """The chunks: uint32 or int64 arrays, or Arrow dictionary arrays."""

    @property
    def is_integer(self) -> bool | None:
        """Whether the ids are integers; None while there are none."""

    @property
    def largest(self) -> int:
        """The largest integer; -1 where there is none."""


@dataclass(frozen=True)
class Numbers:
    """The dense numbers of a column, made a chunk at a time."""

    chunks: Sequence[Any]  # of the column
    of_chunk: Callable[[int, Any], Dense]  # gives the numbers of chunk i

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[Dense]:
        return (self.of_chunk(i, chunk) for i, chunk in enumerate(self.chunks))

    def joined(self) -> Dense:
        """The numbers of all chunks, `[len]` int32."""
        empty = np.zeros(0, dtype=np.int32)
        return np.concatenate([empty, *self])


def _integer_numbers(
    columns: Sequence[ChunkedIds], marked: int | None
) -> tuple[VertexIds, list[Numbers]]:
    """Ids and their numbers: by marking each value, or by sorting if one is large."""
    largest = max((column.largest for column in columns), default=-1)
    if marked is None:
        marked = 4 * sum(len(chunk) for column in columns for chunk in column.chunks) + 2**20
    if largest < marked:
        seen = np.zeros(largest + 1, dtype=np.bool_)
        for column in columns:
            for chunk in column.chunks:
                _mark(chunk, seen)
        ids = np.flatnonzero(seen)
        dense = np.cumsum(seen, dtype=np.int32) - np.int32(1)
        return VertexIds(ids.astype(np.int64)), [
            Numbers(column.chunks, lambda _, chunk: dense[chunk]) for column in columns
        ]
    ids = _distinct(chunk for column in columns for chunk in column.chunks)

    def search(_: int, chunk: Any) -> Dense:
        if len(ids) < _SEARCHED:
            dense: Dense = np.searchsorted(ids, chunk).astype(np.int32)
            return dense
        # In the order of the ids, so that neighbors in the search are neighbors in memory.
        ascending, positions = np.unique(chunk, return_inverse=True)
        dense = np.searchsorted(ids, ascending).astype(np.int32)[positions]
        return dense

    return VertexIds(ids), [Numbers(column.chunks, search) for column in columns]


def _distinct(chunks: Iterable[Any]) -> npt.NDArray[np.int64]:
    """The distinct values of chunks, ascending; twice as many are in memory at most."""
    ids, waiting, count = np.zeros(0, dtype=np.int64), [], 0
    for chunk in chunks:
        waiting.append(np.unique(chunk).astype(np.int64))
        count += len(waiting[-1])
        if count > max(len(ids), _SEARCHED):
            ids, waiting, count = np.unique(np.concatenate([ids, *waiting])), [], 0
    return np.unique(np.concatenate([ids, *waiting]))


def _string_numbers(columns: Sequence[ChunkedIds]) -> tuple[VertexIds, list[Numbers]]:
    """Ids and their numbers: only the chunks' distinct strings are compared."""
    dictionaries = pa.chunked_array(
        [chunk.dictionary.cast(pa.large_binary()) for column in columns for chunk in column.chunks]
    )
    table, ordered = sorted_strings(dictionaries.chunks)
    # One call for all dictionaries: each call makes a hash table of all ids.
    positions = pc.index_in(dictionaries, value_set=ordered).to_numpy().astype(np.int32)
    sizes = [len(chunk) for chunk in dictionaries.chunks]
    of_dictionaries = np.split(positions, np.cumsum(sizes)[:-1])
    first, numbered = 0, []
    for column in columns:

        def number(i: int, chunk: Any, first: int = first) -> Dense:
            entries = chunk.indices.to_numpy(zero_copy_only=False)
            dense: Dense = of_dictionaries[first + i][entries]
            return dense

        numbered.append(Numbers(column.chunks, number))
        first += len(column.chunks)
    return VertexIds(table), numbered


@kernel
def _mark(chunk: npt.NDArray[Any], seen: npt.NDArray[np.bool_]) -> None:
    """Set the entry of each value."""
    for value in chunk:
        seen[value] = True
