"""A graph over files: the ids and rows that `load_graph` gives.

Stages, each of which ends in the work folder, so that a build that was killed goes on:

1. `edges`: read, checked, written chunk by chunk.
2. `pairs`: ids numbered and written; pairs distributed over ranges of rows.
3. `sets`, `holders`: each range sorted, freed of repeats, appended to the compressed rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from graphagg.errors import EmptyGraph
from graphagg.graph.graph import GraphKind, ReadReport
from graphagg.graph.ids import VertexId
from graphagg.graph.large.edges import columns_of, write_edges
from graphagg.graph.large.rows import Dealt, Pairs, deal, remove, write_rows
from graphagg.graph.reading.batches import ReadCounts
from graphagg.graph.reading.buffer import number_together
from graphagg.graph.reading.files import PARQUET, find_files, paths_of, suffix_of
from graphagg.graph.reading.load import open_edges, with_counts
from graphagg.graph.reading.settings import Reading
from graphagg.graph.reading.tables import BROKEN_PARQUET
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import check_space
from graphagg.store.work import WorkFolder

MARKED = 200_000_000
"""Integer ids below this are numbered by marking, 5 bytes each; larger ones by sorting."""


@dataclass(frozen=True)
class Source:
    """Edges to read, and how they are read.

    Attributes:
        edges: anything that `load_graph` takes.
        kind: kind of the graph.
        reading: the options of the reader.
        vertices: vertices that are there even without an edge.
    """

    edges: Any
    kind: GraphKind
    reading: Reading
    vertices: Sequence[VertexId] = ()


@dataclass(frozen=True)
class Files:
    """Files of a graph in a folder, by the names that a community index gives them.

    Attributes:
        folder: the folder.
        kind: kind of the graph.
        inward: directed: `sets` are the in-neighbors, and `holders` the out-neighbors.
    """

    folder: Path
    kind: GraphKind
    inward: bool

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
    """Read a graph into files: ids, and compressed rows.

    Args:
        work: the folder of the build.
        files: files for ids and rows.
        source: the edges.
        index_bytes: gives the size of the index on disk from vertices, elements and entries.

    Raises:
        InvalidGraph, EmptyGraph, UnreadableFile: about the edges.
        WriteFailed: the disk has less room than the rest of the work needs.
    """
    read = work.stage("edges", lambda: _read(work, source))
    edges_read = read["written"]["edges"]
    dealt = work.stage("pairs", lambda: _deal(work, files, source, read, index_bytes))
    shutil.rmtree(work.folder / "edges", ignore_errors=True)
    repeats = []
    for name, each in zip(files.names, dealt["dealt"], strict=True):
        pairs = Dealt(work.folder / f"pairs.{name}", *each)
        columns = dealt["columns"] if name == files.names[0] else dealt["rows"]
        repeats.append(work.stage(name, partial(_write, work, files, name, pairs, columns)))
        remove(pairs)
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
    report = with_counts(ReadReport(), counts, source.kind, False)
    return {
        "name": name,
        "written": written,
        "sets_first": opened.sets_first,
        "report": asdict(report),
    }


def _check_room(work: WorkFolder, source: Source) -> None:
    """Refuse a disk that the work cannot fit on, before anything is read.

    Parquet tells its rows; of text they are known once it was read, and checked then.
    """
    files = [file for path in paths_of(source.edges) or [] for file in find_files(path)]
    if not files or not all(suffix_of(file.name) in PARQUET for file in files):
        return
    try:
        edges = sum(pq.read_metadata(file).num_rows for file in files)
    except BROKEN_PARQUET:  # reading it says so, by name
        return
    entries = edges * 2  # of an undirected edge two in one table, of another one in each of two
    check_space(
        work.folder,
        8 * edges + 8 * entries,
        f"reading {edges:,} edges (8 bytes each) and pairs (8 bytes for each of {entries:,} "
        "entries), the index not counted",
    )


def _deal(
    work: WorkFolder, files: Files, source: Source, read: dict[str, Any], index_bytes: Any
) -> dict[str, Any]:
    """Number the ids, write them, and deal the pairs out."""
    two_mode, name = source.kind == "two-mode", read["name"]
    first, second, alone = columns_of(work.folder / "edges", read["written"])
    if two_mode and not read["sets_first"]:
        first, second = second, first
    writer = ArtifactWriter(files.folder)
    if two_mode:
        rows, (sources, _) = number_together([first, alone], name, MARKED)
        columns, (targets,) = number_together([second], name, MARKED)
        columns.save(writer, "elements")
    else:
        rows, (sources, targets, _) = number_together([first, second, alone], name, MARKED)
        columns = rows
    rows.save(writer, "vertices")
    entries = read["written"]["edges"] * (2 if source.kind == "undirected" else 1)
    turns = len(files.names)
    pairs = 8 * entries * turns
    compressed = 4 * entries * turns + 8 * (len(rows) + len(columns) + 2)
    index = index_bytes(len(rows), len(columns), entries)
    # Edges are removed once their pairs are there, pairs before the rest of the index is made.
    freed = sum(file.stat().st_size for file in (work.folder / "edges").iterdir())
    check_space(
        work.folder,
        max(pairs, pairs + compressed - freed, index - freed),
        f"pairs and their rows ({pairs:,} + {compressed:,} bytes for {turns * entries:,} entries) "
        f"or, after them, the index ({index:,} bytes at most), less {freed:,} bytes of edges",
    )
    ends = Pairs(sources, targets, len(rows), len(columns), two_mode)
    dealt = []
    for turn, of in enumerate(files.names):
        folder = _empty(work.folder / f"pairs.{of}")
        each = deal(
            ends if turn == 0 else ends.turned(),
            folder,
            symmetric=source.kind == "undirected",
            step=work.step("pairs"),
        )
        dealt.append([each.bounds, each.sizes, each.loops])
    return {"rows": len(rows), "columns": len(columns), "dealt": dealt}


def _write(work: WorkFolder, files: Files, name: str, pairs: Dealt, columns: int) -> int:
    indptr, indices = files.path(f"{name}.indptr"), files.path(f"{name}.indices")
    return write_rows(pairs, columns, indptr, indices, work.step(name))


def _empty(folder: Path) -> Path:
    """The folder, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
