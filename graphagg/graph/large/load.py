"""A graph over files: the ids and rows that `load_graph` gives.

Stages, each of which ends in the work folder, so that a build that was killed goes on:

1. `edges`: read, checked, written chunk by chunk.
2. `pairs`: ids numbered and written; pairs distributed over ranges of rows.
3. `sets`, `holders`: each range sorted, freed of repeats, appended to the compressed rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graphagg.arrays import Doubles
from graphagg.errors import EmptyGraph
from graphagg.graph.graph import GraphKind, ReadReport
from graphagg.graph.ids import VertexId
from graphagg.graph.large.rows import Dealt, Pairs, deal, write_rows
from graphagg.graph.reading.batches import EdgeSource, ReadCounts
from graphagg.graph.reading.buffer import IdColumn, number_ends
from graphagg.graph.reading.files import PARQUET, find_files, paths_of, suffix_of
from graphagg.graph.reading.load import open_edges, with_counts
from graphagg.graph.reading.settings import EdgeReading
from graphagg.graph.reading.sources import id_array
from graphagg.graph.reading.tables import BROKEN_PARQUET
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import check_space
from graphagg.store.work import WorkFolder

EDGES_PER_CHUNK = 1 << 22
"""Edges of a chunk; its two ends take 32 MiB of integers below 2^32."""
MARKED = 200_000_000
"""Integer ids below this are numbered by marking, 5 bytes each; larger ones by sorting."""


@dataclass(frozen=True)
class Source:
    """Edges to read, and how they are read."""

    edges: Any  # anything that `load_graph` takes
    kind: GraphKind  # kind of the graph
    reading: EdgeReading  # the options of the reader
    vertices: Sequence[VertexId] = ()  # vertices that are there even without an edge


@dataclass(frozen=True)
class Files:
    """Files of a graph in a folder, by the names that a community index gives them."""

    folder: Path  # the folder
    kind: GraphKind  # kind of the graph
    inward: bool  # directed: `sets` are the in-neighbors, and `holders` the out-neighbors

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the compressed rows; the rows of the adjacency come first."""
        if self.kind == "undirected":
            return ("sets",)
        return ("holders", "sets") if self.inward else ("sets", "holders")

    def path(self, name: str) -> Path:
        """The file of an array."""
        return self.folder / f"{name}.npy"


def load_large(work: WorkFolder, files: Files, source: Source, index_bytes: Any) -> ReadReport:
    """Read a graph into `files`: ids, and compressed rows.

    `index_bytes` gives the size of the index on disk from vertices, elements and entries; a disk
    with less room than the rest of the work needs raises `WriteFailed`.
    """
    read = work.stage("edges", lambda: _read(work, source))
    edges_read = read["written"]["edges"]
    dealt = work.stage("pairs", lambda: _deal(work, files, source, read, index_bytes))
    shutil.rmtree(work.folder / "edges", ignore_errors=True)
    repeats = []
    for name, each in zip(files.names, dealt["dealt"], strict=True):
        pairs = Dealt(work.folder / f"pairs.{name}", *each)
        columns = dealt["columns"] if name == files.names[0] else dealt["rows"]
        indptr, indices = files.path(f"{name}.indptr"), files.path(f"{name}.indices")
        data = files.path(f"{name}.data") if source.reading.wants_weights else None
        write = partial(write_rows, pairs, columns, indptr, indices, work.step(name), data)
        repeats.append(work.stage(name, write))
        shutil.rmtree(pairs.folder, ignore_errors=True)
    loops, each_way = dealt["dealt"][0][2], 2 if source.kind == "undirected" else 1
    duplicates = repeats[0] // each_way
    edges = edges_read - loops - duplicates
    if not edges:
        raise EmptyGraph(
            f"{read['name']}: {loops:,} self-loops and no edge, wanted at least one edge"
        )
    return replace(
        ReadReport(**read["report"]),
        edges_read=edges_read,
        edges=edges,
        self_loops=loops,
        duplicates=duplicates,
    )


def _read(work: WorkFolder, source: Source) -> dict[str, Any]:
    """Write the edges chunk by chunk."""
    _check_room(work, source)
    counts = ReadCounts()
    opened, name = open_edges(source.edges, source.kind, source.reading, source.vertices, counts)
    folder = _empty(work.folder / "edges")
    written = write_edges(folder, opened, name, source.vertices, work.step("edges read"))
    if not written["edges"]:
        raise EmptyGraph(f"{name}: no edge in it, wanted at least one; check the path and format")
    report = with_counts(ReadReport(), counts, source.kind, source.reading.wants_weights)
    return {
        "name": name,
        "written": written,
        "sets_first": opened.sets_first,
        "report": asdict(report),
    }


def _check_room(work: WorkFolder, source: Source) -> None:
    """Raise `WriteFailed` if the disk cannot hold the work for Parquet files.

    Text is checked after it was read.
    """
    files = [file for path in paths_of(source.edges) or [] for file in find_files(path)]
    if not files or not all(suffix_of(file.name) in PARQUET for file in files):
        return
    try:
        edges = sum(pq.read_metadata(file).num_rows for file in files)
    except BROKEN_PARQUET:  # reading it says so, by name
        return
    entries = edges * 2  # of an undirected edge two in one table, of another one in each of two
    each = 12 if source.reading.wants_weights else 8
    check_space(
        work.folder,
        each * edges + each * entries,
        f"reading {edges:,} edges ({each} bytes each) and pairs ({each} bytes for each of "
        f"{entries:,} entries), the index not counted",
    )


def _deal(
    work: WorkFolder, files: Files, source: Source, read: dict[str, Any], index_bytes: Any
) -> dict[str, Any]:
    """Number the ids, write them, and deal the pairs out."""
    two_mode, name = source.kind == "two-mode", read["name"]
    columns_read = read["written"]["columns"]
    first, second, alone = (
        FileColumn(work.folder / "edges", end, *columns_read[end])
        for end in ("first", "second", "alone")
    )
    if two_mode and not read["sets_first"]:
        first, second = second, first
    writer = ArtifactWriter(files.folder)
    rows, columns, sources, targets = number_ends(source.kind, first, second, alone, name, MARKED)
    rows.save(writer, "vertices")
    if two_mode:
        columns.save(writer, "elements")
    entries = read["written"]["edges"] * (2 if source.kind == "undirected" else 1)
    turns = len(files.names)
    weighted = source.reading.wants_weights
    pairs = (12 if weighted else 8) * entries * turns
    compressed = (12 if weighted else 4) * entries * turns + 8 * (len(rows) + len(columns) + 2)
    index = index_bytes(len(rows), len(columns), entries)
    # Edges are removed once their pairs are there, pairs before the rest of the index is made.
    freed = sum(file.stat().st_size for file in (work.folder / "edges").iterdir())
    check_space(
        work.folder,
        max(pairs, pairs + compressed - freed, index - freed),
        f"pairs and their rows ({pairs:,} + {compressed:,} bytes for {turns * entries:,} entries) "
        f"or, after them, the index ({index:,} bytes at most), less {freed:,} bytes of edges",
    )
    chunks = range(len(sources) if weighted else 0)
    weights = [_weights_path(work.folder / "edges", i) for i in chunks]
    ends = Pairs(sources, targets, len(rows), len(columns), two_mode, weights)
    dealt, symmetric = [], source.kind == "undirected"
    for name in files.names:
        folder = _empty(work.folder / f"pairs.{name}")
        each = deal(ends, folder, symmetric=symmetric, step=work.step("pairs"))
        dealt.append([each.bounds, each.sizes, each.loops])
        ends = ends.turned()
    return {"rows": len(rows), "columns": len(columns), "dealt": dealt}


def _empty(folder: Path) -> Path:
    """The folder, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@dataclass(frozen=True)
class FileColumn(Sequence[Any]):
    """A column of ids in files, one file per chunk; see `buffer.ChunkedIds`."""

    folder: Path  # folder of the files
    name: str  # name of the column
    length: int  # number of chunks
    is_integer: bool | None  # whether the ids are integers; None while there are none
    largest: int  # the largest integer; -1 where there is none

    @property
    def chunks(self) -> Sequence[Any]:
        """The chunks; each is read when it is asked for."""
        return self

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < self.length:
            raise IndexError(i)
        with pa.OSFile(self._path(i)) as file:
            ids = pa.ipc.open_file(file).read_all().column(0).combine_chunks()
        return ids.to_numpy() if self.is_integer else ids

    def save(self, i: int, chunks: Sequence[Any]) -> None:
        """Write chunk `i` from the batches that it is made of."""
        if self.is_integer:
            ids = np.concatenate(chunks)
        else:
            ids = pa.chunked_array(chunks).unify_dictionaries().combine_chunks()
        table = pa.table({"ids": ids})
        with (
            pa.OSFile(self._path(i), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table)

    def _path(self, i: int) -> str:
        return str(self.folder / f"{self.name}.{i:06d}.arrow")


def _weights_path(folder: Path, i: int) -> Path:
    """The file of the weights of a chunk, float32."""
    return folder / f"weights.{i:06d}.npy"


def write_edges(
    folder: Path,
    source: EdgeSource,
    name: str,
    vertices: Sequence[Any],
    step: Callable[[int, int], None],
) -> dict[str, Any]:
    """Write the edges of a source to an empty folder.

    Returns, as JSON, the number of edges and the fields of the `FileColumn` of each column. `step`
    is called after each chunk with the number of edges read, twice.
    """
    columns = {"first": IdColumn(), "second": IdColumn()}
    weights: list[Doubles] = []
    chunks = edges = waiting = 0

    def write() -> None:
        nonlocal chunks, waiting
        for key, column in columns.items():
            FileColumn(folder, key, 0, column.is_integer, -1).save(chunks, column.take())
        if weights:
            np.save(_weights_path(folder, chunks), np.concatenate(weights).astype(np.float32))
            weights.clear()
        chunks, waiting = chunks + 1, 0
        step(edges, edges)

    for batch in source.batches:
        if len(batch.sources):
            columns["first"].add(batch.sources, name)
            columns["second"].add(batch.targets, name)
            if batch.weights is not None:
                weights.append(batch.weights)
            waiting += len(batch.sources)
            edges += len(batch.sources)
        if waiting >= EDGES_PER_CHUNK:
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
