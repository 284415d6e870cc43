"""Collects the columns of edges while they are read, then assigns dense numbers to the ids.

A column is a list of chunks. The chunks are in files if the graph is larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graphagg.arrays import Array, Doubles
from graphagg.errors import InvalidGraph
from graphagg.graph.adjacency import Dense
from graphagg.graph.ids import VertexIds, sorted_strings
from graphagg.graph.kinds import GraphKind
from graphagg.graph.reading.batches import EdgeBatch, EdgeSource, Ids
from graphagg.graph.reading.sources import id_array

EDGES_PER_FILE = 1 << 21
"""Edges per chunk in a file; both columns take 16 MiB if ids are integers below 2^32."""
MARKED = 200_000_000
"""Dense integer ids below this are numbered with a mask, 5 bytes each; others by sorting."""
_JOINED = 1 << 20  # minimum number of distinct ids that are collected before a merge


class IdColumn:
    """A column of ids in chunks: 8 bytes per id, 4 for integers below 2^32 and for strings.

    Iterating yields uint32 or int64 arrays, or Arrow dictionary arrays.
    """

    def __init__(self) -> None:
        self.chunks: list[Any] = []  # arrays, or the files that hold them
        self.is_integer: bool | None = None  # None while there are no ids
        self.largest = -1
        self.count = 0  # ids

    def add(self, ids: Ids, name: str) -> None:
        """Append a chunk; raise `InvalidGraph` if its type differs from earlier chunks."""
        if not len(ids):
            return
        integer = isinstance(ids, np.ndarray)
        if self.is_integer is not None and integer != self.is_integer:
            raise InvalidGraph(
                f"{name}: ids mix integers and strings, expected one type; read them as strings"
            )
        self.is_integer, self.count = integer, self.count + len(ids)
        if integer:
            smallest, largest = int(ids.min()), int(ids.max())
            if smallest < 0:
                raise InvalidGraph(
                    f"{name}: negative id {smallest}, expected integers of 0 to 2^63 - 1; renumber "
                    "the vertices, or give strings"
                )
            self.largest = max(self.largest, largest)
            ids = ids.astype(np.uint32) if largest < 2**32 else ids
        self.chunks.append(ids)

    def write(self, path: Path) -> None:
        """Concatenate the chunks in memory and write them as one file."""
        first = next((i for i, each in enumerate(self.chunks) if not isinstance(each, Path)), None)
        if first is None:
            return
        chunks, self.chunks[first:] = self.chunks[first:], [path]
        if self.is_integer:
            ids = np.concatenate(chunks)
        else:
            ids = pa.chunked_array(chunks).unify_dictionaries().combine_chunks()
        table = pa.table({"ids": ids})
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    def __iter__(self) -> Iterator[Any]:
        for chunk in self.chunks:
            if isinstance(chunk, Path):
                with pa.OSFile(str(chunk)) as file:
                    ids = pa.ipc.open_file(file).read_all().column(0).combine_chunks()
                yield ids.to_numpy() if self.is_integer else ids
            else:
                yield chunk


@dataclass
class EdgeColumns:
    """The edges of a source in columns."""

    sources: IdColumn = field(default_factory=IdColumn)
    targets: IdColumn = field(default_factory=IdColumn)
    alone: IdColumn = field(default_factory=IdColumn)  # vertices that may have no edge
    weights: list[Doubles | None] = field(default_factory=list)  # one array per batch, in memory

    @classmethod
    def read(
        cls,
        source: EdgeSource,
        name: str,
        vertices: Iterable[Any],
        folder: Path | None = None,
        step: Callable[[int, int], None] = lambda done, total: None,
    ) -> EdgeColumns:
        """Read all edges, and write them to files if a folder is given.

        `step` is called after each file with the number of edges read, as `done` and as `total`.
        """
        columns, edges_written = cls(), 0

        def write() -> None:
            nonlocal edges_written
            if folder is not None and columns.edges > edges_written:
                columns._write(folder, edges_written)
                edges_written = columns.edges
                step(edges_written, edges_written)

        for batch in source.batches:
            columns._add(batch, name)
            if columns.edges - edges_written >= EDGES_PER_FILE:
                write()
        write()
        pa.default_memory_pool().release_unused()  # Arrow does not free the memory of past batches
        if alone := [*source.vertices, *vertices]:
            columns.alone.add(id_array(alone), name)
        return columns

    @property
    def edges(self) -> int:
        """Number of edges."""
        return self.sources.count

    def _add(self, batch: EdgeBatch, name: str) -> None:
        if len(batch.sources):
            self.sources.add(batch.sources, name)
            self.targets.add(batch.targets, name)
            self.weights.append(batch.weights)

    def _write(self, folder: Path, first: int) -> None:
        """Move the chunks in memory to files; `first` is the number of their first edge."""
        self.sources.write(folder / f"sources.{first}.arrow")
        self.targets.write(folder / f"targets.{first}.arrow")

    def number(self, kind: GraphKind, name: str) -> tuple[VertexIds, VertexIds, Numbers, Numbers]:
        """Number both ends of the edges, and vertices without edges; see `_number_together`.

        Returns the ids of rows and of columns (the same object unless two-mode), and the dense
        numbers of both ends.
        """
        if kind == "two-mode":
            rows, (source, _) = _number_together([self.sources, self.alone], name)
            columns, (target,) = _number_together([self.targets], name)
            return rows, columns, source, target
        ends = [self.sources, self.targets, self.alone]
        rows, (source, target, _) = _number_together(ends, name)
        return rows, rows, source, target


def join_weights(chunks: Sequence[Doubles | None]) -> Doubles | None:
    """Concatenate the weights of edges, `[E]`; None if some edges have no weight."""
    present = [chunk for chunk in chunks if chunk is not None]
    return np.concatenate(present) if present and len(present) == len(chunks) else None


@dataclass(frozen=True)
class Numbers:
    """The dense numbers of a column, computed chunk by chunk."""

    column: IdColumn
    of_chunk: Callable[[int, Any], Dense]  # returns the numbers of chunk i

    def __len__(self) -> int:
        return len(self.column.chunks)

    def __iter__(self) -> Iterator[Dense]:
        return (self.of_chunk(i, chunk) for i, chunk in enumerate(self.column))

    def joined(self) -> Dense:
        """Return the numbers of all chunks, `[len]` int32."""
        empty = np.zeros(0, dtype=np.int32)
        return np.concatenate([empty, *self])


def _number_together(columns: Sequence[IdColumn], name: str) -> tuple[VertexIds, list[Numbers]]:
    """Number the ids of columns that share one set of ids, in ascending order."""
    types = {column.is_integer for column in columns} - {None}
    if len(types) > 1:
        raise InvalidGraph(
            f"{name}: one column holds integers and another strings, expected one type of id; "
            'read the ids as strings (`ids="string"`), or build a two-mode graph'
        )
    if types == {False}:
        ids, numbered = _string_numbers(columns)
    else:
        ids, numbered = _integer_numbers(columns)
    if len(ids) >= 2**31:
        raise InvalidGraph(f"{len(ids):,} vertices, expected fewer than 2^31; split the graph")
    return ids, numbered


def _integer_numbers(columns: Sequence[IdColumn]) -> tuple[VertexIds, list[Numbers]]:
    """Return ids and their numbers: from a mask of used values, or by sorting if one is large."""
    largest = max((column.largest for column in columns), default=-1)
    chunks = (chunk for column in columns for chunk in column)
    if largest < min(4 * sum(column.count for column in columns) + 2**20, MARKED):
        is_used = np.zeros(largest + 1, dtype=np.bool_)
        for chunk in chunks:
            is_used[chunk] = True
        dense = np.cumsum(is_used, dtype=np.int32) - np.int32(1)
        numbered = [Numbers(column, lambda _, chunk: dense[chunk]) for column in columns]
        return VertexIds(np.flatnonzero(is_used).astype(np.int64)), numbered
    ids = _distinct(chunks)

    def search(_: int, chunk: Array) -> Dense:
        # Search in ascending order of ids, so that successive lookups are close in memory.
        ascending, positions = np.unique(chunk, return_inverse=True)
        dense: Dense = np.searchsorted(ids, ascending).astype(np.int32)[positions]
        return dense

    return VertexIds(ids), [Numbers(column, search) for column in columns]


def _distinct(chunks: Iterable[Array]) -> npt.NDArray[np.int64]:
    """Return the distinct values of chunks, ascending; holds at most twice as many in memory."""
    ids, waiting, count = np.zeros(0, dtype=np.int64), [], 0
    for chunk in chunks:
        waiting.append(np.unique(chunk).astype(np.int64))
        count += len(waiting[-1])
        if count > max(len(ids), _JOINED):
            ids, waiting, count = np.unique(np.concatenate([ids, *waiting])), [], 0
    return np.unique(np.concatenate([ids, *waiting]))


def _string_numbers(columns: Sequence[IdColumn]) -> tuple[VertexIds, list[Numbers]]:
    """Return string ids and their numbers; only the distinct strings per chunk are compared."""
    dictionaries = pa.chunked_array(
        [chunk.dictionary.cast(pa.large_binary()) for column in columns for chunk in column]
    )
    table, ordered = sorted_strings(dictionaries.chunks)
    # Call once for all dictionaries, because each call builds a hash table of all ids.
    positions = pc.index_in(dictionaries, value_set=ordered).to_numpy().astype(np.int32)
    sizes = [len(chunk) for chunk in dictionaries.chunks]
    of_dictionaries = np.split(positions, np.cumsum(sizes)[:-1])
    first, numbered = 0, []

    def number(first: int, i: int, chunk: Any) -> Dense:
        dense: Dense = of_dictionaries[first + i][chunk.indices.to_numpy(zero_copy_only=False)]
        return dense

    for column in columns:
        numbered.append(Numbers(column, partial(number, first)))
        first += len(column.chunks)
    return VertexIds(table), numbered
