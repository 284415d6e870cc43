"""Edges in files: written chunk by chunk while they are read, and read again as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa

from graphagg.graph.reading.batches import EdgeSource
from graphagg.graph.reading.buffer import IdColumn
from graphagg.graph.reading.sources import id_array
from graphagg.store.reading import map_array

EDGES_A_CHUNK = 1 << 22
"""Edges of a chunk; its two ends take 32 MiB of integers below 2^32."""


@dataclass(frozen=True)
class FileColumn(Sequence[Any]):
    """A column of ids in files, one file per chunk; see `buffer.Column`.

    Attributes:
        folder: folder of the files.
        name: name of the column.
        length: number of chunks.
        is_integer: whether the ids are integers; None while there are none.
        largest: the largest integer; -1 where there is none.
    """

    folder: Path
    name: str
    length: int
    is_integer: bool | None
    largest: int

    @property
    def chunks(self) -> Sequence[Any]:
        """The chunks; each is read when it is asked for."""
        return self

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, i: int) -> Any: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Any]: ...
    def __getitem__(self, i: int | slice) -> Any:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(self.length))]
        if not 0 <= i < self.length:
            raise IndexError(i)
        path = self.folder / f"{self.name}.{i:06d}"
        if self.is_integer:
            return map_array(path.with_suffix(f"{path.suffix}.npy"))
        with pa.OSFile(str(path.with_suffix(f"{path.suffix}.arrow"))) as file:
            return pa.ipc.open_file(file).read_all().column(0).combine_chunks()

    def save(self, i: int, chunks: Sequence[Any]) -> None:
        """Write chunk `i` from the batches that it is made of."""
        path = self.folder / f"{self.name}.{i:06d}"
        if self.is_integer:
            np.save(path.with_suffix(f"{path.suffix}.npy"), np.concatenate(chunks))
            return
        whole = pa.chunked_array(chunks).unify_dictionaries().combine_chunks()
        table = pa.table({"ids": whole})
        with (
            pa.OSFile(str(path.with_suffix(f"{path.suffix}.arrow")), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table)


def write_edges(
    folder: Path,
    source: EdgeSource,
    name: str,
    vertices: Sequence[Any],
    step: Callable[[int, int], None],
) -> dict[str, Any]:
    """Write the edges of a source.

    Args:
        folder: an empty folder.
        source: the edges.
        name: name of the source in messages.
        vertices: vertices that are there even without an edge.
        step: called after each chunk with the number of edges read, twice.

    Returns:
        The argument of `columns_of`, as JSON, with the number of edges.
    """
    columns = {"first": IdColumn(), "second": IdColumn()}
    chunks = edges = waiting = 0

    def write() -> None:
        nonlocal chunks, waiting
        for key, column in columns.items():
            FileColumn(folder, key, 0, column.is_integer, -1).save(chunks, column.take())
        chunks, waiting = chunks + 1, 0
        step(edges, edges)

    for batch in source.batches:
        if len(batch.sources):
            columns["first"].add(batch.sources, name)
            columns["second"].add(batch.targets, name)
            waiting += len(batch.sources)
            edges += len(batch.sources)
        if waiting >= EDGES_A_CHUNK:
            write()
    if waiting:
        write()
    pa.default_memory_pool().release_unused()
    columns["alone"] = IdColumn()
    columns["alone"].add(id_array([*source.vertices, *vertices]), name)
    if alone := columns["alone"].take():
        FileColumn(folder, "alone", 0, columns["alone"].is_integer, -1).save(0, alone)
    counts = {"first": chunks, "second": chunks, "alone": len(alone)}
    return {
        "edges": edges,
        "columns": {
            key: [counts[key], column.is_integer, column.largest] for key, column in columns.items()
        },
    }


def columns_of(folder: Path, written: dict[str, Any]) -> tuple[FileColumn, FileColumn, FileColumn]:
    """The two ends of the edges, and the vertices beside them, from what `write_edges` gave."""
    first, second, alone = (
        FileColumn(folder, key, *written["columns"][key]) for key in ("first", "second", "alone")
    )
    return first, second, alone
