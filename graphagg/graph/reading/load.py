"""`load_graph`: from edges in any form that the library takes to a `Graph`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from graphagg.arrays import Floats
from graphagg.checks import one_of
from graphagg.errors import EmptyGraph, InvalidParameter
from graphagg.graph.adjacency import Dense
from graphagg.graph.graph import GRAPH_KINDS, Graph, GraphKind, weighted_graph
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.graph.kinds import ID_TYPES, IdType
from graphagg.graph.reading.batches import EdgeSource, ReadCounts
from graphagg.graph.reading.buffer import IdColumn, WeightColumn, number_together
from graphagg.graph.reading.files import open_bytes
from graphagg.graph.reading.sources import (
    id_array,
    jlg_vertices,
    read_gml,
    read_mat,
    read_object,
    read_parquet,
    read_sets_json,
)
from graphagg.graph.reading.text import read_text


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
    return read_graph(
        edges, kind, vertices=vertices, ids=ids, header=header, allow_empty=allow_empty
    )[0]


def read_graph(
    edges: Any,
    kind: GraphKind,
    *,
    vertices: Iterable[VertexId] = (),
    ids: IdType = "auto",
    header: bool | None = None,
    allow_empty: bool = False,
    weighted: bool = False,
) -> tuple[Graph, Floats | None]:
    """`load_graph`, and with `weighted` the weights of the entries of the adjacency, `[nnz]`.

    The weights are None where the edges carry none; see `graphagg.graph.weights.load_weighted`.
    """
    one_of("kind", kind, GRAPH_KINDS)
    one_of("ids", ids, ID_TYPES)
    if isinstance(vertices, str | bytes) or not isinstance(vertices, Iterable):
        raise InvalidParameter(f"vertices is {vertices!r}, wanted vertex ids: put them in a list")
    counts = ReadCounts()
    if isinstance(edges, str | os.PathLike):
        name = str(edges)
        source = _open_file(Path(edges), counts, ids, header, weighted)
    else:
        name = f"the {type(edges).__name__}"
        source = read_object(edges, counts, weighted)
    first, second, alone, column = IdColumn(), IdColumn(), IdColumn(), WeightColumn()
    for batch in source.batches:
        if len(batch.sources):
            first.add(batch.sources, name)
            second.add(batch.targets, name)
            column.add(batch.weights)
    pa.default_memory_pool().release_unused()  # Arrow keeps what batches took, as much as all ids
    weights = column.joined()
    del column
    alone.add(id_array([*source.vertices, *vertices]), name)
    if not len(first) and not allow_empty:
        raise EmptyGraph(f"{name}: no edge in it, wanted at least one; check the path and format")
    if kind == "two-mode" and not source.sets_first:
        first, second = second, first
    rows, columns, pairs = _number(kind, first, second, alone, name)
    del first, second  # a graph of 100 million edges takes 800 MB twice
    graph, entries = weighted_graph(
        kind,
        rows,
        columns,
        pairs,
        weights,
        comments=counts.comments,
        header=counts.header,
        third_ignored=counts.third_ignored,
        weights_ignored=counts.weights_ignored if weights is None else 0,
    )
    if not graph.edges and not allow_empty:
        raise EmptyGraph(
            f"{name}: {graph.report.self_loops:,} self-loops and no edge, wanted at least one edge"
        )
    return graph, entries


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


def _open_file(
    path: Path, counts: ReadCounts, ids: IdType, header: bool | None, weighted: bool
) -> EdgeSource:
    """The edges of a file, by its suffix."""
    suffixes = [suffix.casefold() for suffix in path.suffixes if suffix.casefold() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in (".parquet", ".pq"):
        return EdgeSource(read_parquet(path, counts, weighted))
    if suffix == ".mat":
        return read_mat(path)
    if suffix == ".json":
        return read_sets_json(path)
    if suffix == ".gml":
        return read_gml(path)
    vertices = range(0)
    if suffix == ".jlg":
        vertices, header, weighted = jlg_vertices(path), True, False
    file = open_bytes(path)
    return EdgeSource(read_text(file, str(path), counts, (ids, ids), header, weighted), vertices)
