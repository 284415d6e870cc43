"""`load_graph`: edges in any form the library takes, a `Graph` out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graphagg.errors import EmptyGraph, InvalidParameter
from graphagg.graph.adjacency import Dense
from graphagg.graph.graph import Graph, GraphKind, check_kind, graph_from_pairs
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.graph.kinds import ID_TYPES
from graphagg.graph.reading import sources
from graphagg.graph.reading.buffer import IdColumn, number_together
from graphagg.graph.reading.text import IdType, TextCounts, open_bytes, read_pairs


def load_graph(
    edges: Any,
    kind: GraphKind = "undirected",
    *,
    vertices: Iterable[VertexId] = (),
    ids: IdType = "auto",
    header: bool | None = None,
    allow_empty: bool = False,
) -> Graph:
    """Read a graph.

    Files are read in blocks; an edge takes at most 16 bytes (ids below 2^32: 8) until the ids are
    numbered, and 8 in each of two passes after that. JSON and GML are held in memory whole.

    Args:
        edges: a path (SNAP text, CSV, TSV, `.parquet`, `.gml`, `.mat`, `.jlg`, `.json`; gzip
            too), a networkx graph, PyG `Data` or `EdgeIndex`, an `[E, 2]` array, two `[E]`
            arrays (in a tuple or a list), a mapping `{set: elements}`, or pairs.
        kind: `undirected`, `directed` (source, target), or `two-mode`: pairs (element, set), as a
            fan follows a star; a mapping or JSON names the sets first.
        vertices: vertices that are there even without an edge; two-mode: sets.
        ids: how text ids are read; `auto` takes the type of the first line.
        header: whether text has a header; None recognizes it.
        allow_empty: take a graph without edges too.

    Raises:
        InvalidGraph, UnreadableFile: see the message.
        EmptyGraph: there is no edge.
    """
    check_kind(kind)
    if ids not in ID_TYPES:
        raise InvalidParameter(f"ids is {ids!r}, wanted one of {ID_TYPES}")
    if isinstance(vertices, str | bytes) or not isinstance(vertices, Iterable):
        raise InvalidParameter(f"vertices is {vertices!r}, wanted vertex ids: put them in a list")
    counts = TextCounts()
    sets_first = False
    if isinstance(edges, str | os.PathLike):
        name = str(edges)
        extra, pairs, sets_first = _read_file(Path(edges), counts, ids, header)
    else:
        name = f"the {type(edges).__name__}"
        extra, pairs = sources.read_object(edges, counts)
        sets_first = hasattr(edges, "items") and not hasattr(edges, "nodes")
    first, second, alone = IdColumn(), IdColumn(), IdColumn()
    for left, right in pairs:
        first.add(left, name)
        second.add(right, name)
    alone.add(sources.id_array([*extra, *vertices]), name)
    if not len(first) and not allow_empty:
        raise EmptyGraph(f"{name}: no edge in it, wanted at least one; check the path and format")
    if kind == "two-mode" and not sets_first:
        first, second = second, first
    rows, columns, numbered = _number(kind, first, second, alone, name)
    del first, second  # a graph of 100 million edges takes 800 MB twice
    graph = graph_from_pairs(
        kind,
        rows,
        columns,
        numbered,
        comments=counts.comments,
        header=counts.header,
        third_ignored=counts.third_ignored,
        weights_ignored=counts.weights_ignored,
    )
    if not graph.edges and not allow_empty:
        raise EmptyGraph(
            f"{name}: {graph.report.self_loops:,} self-loops and no edge, wanted at least one edge"
        )
    return graph


def _number(
    kind: GraphKind, first: IdColumn, second: IdColumn, alone: IdColumn, name: str
) -> tuple[VertexIds, VertexIds, tuple[Dense, Dense]]:
    """Ids of rows and columns, and the pairs in their numbers."""
    if kind == "two-mode":
        rows, (source, _) = number_together([first, alone], name)
        columns, (target,) = number_together([second], name)
        return rows, columns, (source, target)
    rows, (source, target, _) = number_together([first, second, alone], name)
    return rows, rows, (source, target)


def _read_file(
    path: Path, counts: TextCounts, ids: IdType, header: bool | None
) -> tuple[list[VertexId], sources.Pairs, bool]:
    """Vertices, pairs, and whether the first of a pair is the set."""
    suffixes = [suffix.casefold() for suffix in path.suffixes if suffix.casefold() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in (".parquet", ".pq"):
        return [], sources.read_parquet(path, counts), False
    if suffix == ".mat":
        names, pairs = sources.read_mat(path)
        return names, pairs, False
    if suffix == ".json":
        names, pairs = sources.read_sets_json(path)
        return names, pairs, True
    if suffix == ".gml":
        names, pairs, _ = sources.read_gml(path)
        return names, pairs, False
    vertices: list[VertexId] = []
    if suffix == ".jlg":
        _, count, _ = sources.read_jlg(path)
        vertices, header = list(range(1, count + 1)), True
    file = open_bytes(path)
    return vertices, read_pairs(file, str(path), counts, (ids, ids), header), False
