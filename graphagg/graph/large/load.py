"""Loads a graph into files, with the same ids and rows as `load_graph`.

1. Edges are read, checked and written chunk by chunk.
2. Ids are numbered and written; pairs are distributed over ranges of rows.
3. Each range is sorted, deduplicated and appended to the compressed rows.

A build that is killed during these steps starts over.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graphagg.errors import EmptyGraph
from graphagg.graph.graph import GraphKind, ReadReport
from graphagg.graph.ids import VertexId
from graphagg.graph.large.rows import Pairs, bin_pairs, write_rows
from graphagg.graph.reading.batches import ReadCounts
from graphagg.graph.reading.buffer import EdgeColumns
from graphagg.graph.reading.load import open_edges, with_both_sides, with_counts
from graphagg.graph.reading.settings import EdgeReading
from graphagg.store import ArtifactWriter
from graphagg.store.work import WorkFolder


@dataclass(frozen=True)
class Source:
    """Edges to read, and the options for reading them."""

    edges: Any  # anything that `load_graph` accepts
    kind: GraphKind  # kind of the graph
    reading: EdgeReading  # the options of the reader
    vertices: Sequence[VertexId] = ()  # additional vertices, which may have no edge
    reverse: bool = False  # directed: `sets` are the in-neighbors, and `holders` the out-neighbors

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the compressed rows; the rows of the adjacency come first."""
        if self.kind == "undirected":
            return ("sets",)
        return ("holders", "sets") if self.reverse else ("sets", "holders")


def load_large(work: WorkFolder, folder: Path, source: Source) -> ReadReport:
    """Read a graph and write its ids and compressed rows to a folder. Stage `graph` of a build."""
    return ReadReport(**work.stage("graph", lambda: asdict(_load(work, folder, source))))


def _load(work: WorkFolder, folder: Path, source: Source) -> ReadReport:
    kind, counts = source.kind, ReadCounts()
    opened, name = open_edges(source.edges, kind, source.reading, counts)
    of_edges = _empty(work.folder / "edges")
    edges = EdgeColumns.read(opened, name, source.vertices, of_edges, work.step("edges read"))
    if not edges.edges:
        raise EmptyGraph(f"{name}: contains no edges; check the path and format")
    rows, columns, sources, targets = edges.number(kind, name)
    writer = ArtifactWriter(folder)
    rows.save(writer, "vertices")
    if kind == "two-mode":
        columns.save(writer, "elements")
    each_way = 2 if kind == "undirected" else 1
    pairs = Pairs(
        sources, targets, len(rows), len(columns), loops=kind == "two-mode",
        symmetric=kind == "undirected",
    )  # fmt: skip
    bins = []
    for array in source.names:
        bins.append(bin_pairs(pairs, _empty(work.folder / f"pairs.{array}"), work.step("pairs")))
        pairs = pairs.turned()
    shutil.rmtree(of_edges)
    repeats = []
    for array, each in zip(source.names, bins, strict=True):
        paths = [folder / f"{array}.{part}.npy" for part in ("indptr", "indices")]
        repeats.append(write_rows(each, paths[0], paths[1], work.step(array)))
        shutil.rmtree(each.folder)
    edge_count, duplicates = sum(bins[0].sizes) // each_way, repeats[0] // each_way
    loops = edges.edges - edge_count
    if not edge_count:
        raise EmptyGraph(f"{name}: {loops:,} self-loops and no other edge, expected another")
    report = ReadReport(edges.edges, edge_count - duplicates, loops, duplicates)
    return with_both_sides(with_counts(report, counts, kind, weighted=False), rows, columns)


def _empty(folder: Path) -> Path:
    """Create an empty folder, deleting an earlier one; return it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
