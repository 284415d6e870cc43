"""`load_graph`: reads edges in any supported form and returns a `Graph`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from graphagg.arrays import Floats
from graphagg.checks import one_of, with_values
from graphagg.errors import EmptyGraph, InvalidGraph, UnreadableFile
from graphagg.graph.graph import GRAPH_KINDS, Graph, GraphKind, ReadReport, weighted_graph
from graphagg.graph.ids import VertexId, VertexIds, id_list
from graphagg.graph.reading.batches import EdgeBatch, EdgeSource, ReadCounts, wrong_weights
from graphagg.graph.reading.buffer import EdgeColumns, join_weights
from graphagg.graph.reading.files import PARQUET, find_files, paths_of, suffix_of
from graphagg.graph.reading.settings import EdgeReading, ReadingOptions
from graphagg.graph.reading.sources import read_object
from graphagg.graph.reading.tables import read_parquet
from graphagg.graph.reading.text import read_lines

_OTHERS = {
    ".json": "json.load (a mapping {set: elements}) or networkx.node_link_graph",
    ".jsonl": "pandas.read_json(lines=True)",
    ".mtx": "scipy.io.mmread",
    ".gml": "networkx.read_gml",
    ".graphml": "networkx.read_graphml",
    ".gexf": "networkx.read_gexf",
    ".net": "networkx.read_pajek",
}
"""File suffixes of unsupported formats, and the function that reads each."""


def load_graph(
    edges: Any,
    kind: GraphKind = "undirected",
    *,
    vertices: Iterable[VertexId] = (),
    allow_empty: bool = False,
    **reading: Unpack[ReadingOptions],
) -> Graph:
    """Read a graph.

    Files are read in blocks: an edge takes at most 16 bytes (8 if ids are below 2^32) until ids are
    numbered, and less than 50 while compressed rows are built.

    Args:
        edges: a path (SNAP text, CSV, TSV, `.parquet`; gzip too), a folder, a
            pattern such as `parts/*.csv`, or a list of paths; a table with `__arrow_c_stream__`
            (pandas, polars, Arrow); a graph of networkx or igraph; an `[E, 2]` array or two
            `[E]` arrays; a SciPy sparse matrix, or AnnData with a neighbor matrix; a
            mapping `{set: elements}`; or pairs.
        kind: `undirected`, `directed` (source, target), or `two-mode`: pairs (element, set), such
            as (follower, page). The keys of a mapping and the rows of a matrix are sets. In a
            networkx graph, nodes with the attribute `bipartite` 0 are elements.
        vertices: vertices without edges; two-mode: sets.
        allow_empty: accept a graph without edges.
        reading: fields of `graphagg.graph.EdgeReading`: type of ids, header, columns, delimiter,
            bad rows.

    Raises:
        InvalidGraph, UnreadableFile: the edges are invalid, or a file cannot be read.
        EmptyGraph: there is no edge.
        InvalidParameter: an option has a wrong value.

    Examples:
        >>> graph = load_graph({"fans": ["ann", "bob"], "critics": ["bob"]}, "two-mode")
        >>> list(graph.rows), list(graph.columns), graph.edges
        (['critics', 'fans'], ['ann', 'bob'], 3)
    """
    options = with_values(EdgeReading(), reading)
    return read_graph(edges, kind, options, vertices=vertices, allow_empty=allow_empty)[0]


def read_graph(
    edges: Any,
    kind: GraphKind,
    reading: EdgeReading,
    *,
    vertices: Iterable[VertexId] = (),
    allow_empty: bool = False,
) -> tuple[Graph, Floats | None]:
    """Read a graph, and the weights `[nnz]` of its adjacency if present and not turned off."""
    counts = ReadCounts()
    listed = id_list("vertices", vertices)
    source, name = open_edges(edges, kind, reading, counts)
    columns = EdgeColumns.read(source, name, listed)
    weights = join_weights(columns.weights)
    if not columns.edges and not allow_empty:
        raise EmptyGraph(f"{name}: contains no edges; check the path and format")
    row_ids, column_ids, sources, targets = columns.number(kind, name)
    pairs = sources.joined(), targets.joined()
    del columns, sources, targets  # 800 MB or more for a graph of 100 million edges
    graph, entries = weighted_graph(kind, row_ids, column_ids, pairs, weights)
    report = with_counts(graph.report, counts, kind, weights is not None)
    graph = replace(graph, report=with_both_sides(report, row_ids, column_ids))
    if not graph.edges and not allow_empty:
        raise EmptyGraph(
            f"{name}: {graph.report.self_loops:,} self-loops and no other edge, expected another"
        )
    return graph, entries


def with_both_sides(report: ReadReport, sets: VertexIds, elements: VertexIds) -> ReadReport:
    """Count the ids of a two-mode graph that are both a set and an element."""
    if sets is elements or sets.is_integer != elements.is_integer:
        return report
    return replace(report, both_sides=int(np.count_nonzero(sets.positions(elements) >= 0)))


def check_edges(edges: Any, kind: GraphKind, reading: EdgeReading) -> None:
    """Read the first edges, to raise the same errors as `load_graph` for paths, headers, types."""
    source, name = open_edges(edges, kind, reading, ReadCounts())
    for batch in islice(source.batches, 1):
        EdgeColumns.read(EdgeSource(iter([batch])), name, ()).number(kind, name)


def with_counts(
    report: ReadReport, counts: ReadCounts, kind: GraphKind, weighted: bool
) -> ReadReport:
    """Copy the counts of a reader (comments, bad rows, ignored weights) into a report."""
    return replace(
        report,
        comments=counts.comments,
        header=counts.header,
        columns=counts.columns.describe(kind == "two-mode") if counts.columns else None,
        weights_ignored=0 if weighted else counts.weights_ignored,
        bad_rows=counts.bad_rows,
        first_bad=counts.first_bad,
    )


def open_edges(
    edges: Any, kind: GraphKind, reading: EdgeReading, counts: ReadCounts
) -> tuple[EdgeSource, str]:
    """Check parameters and open the edges (two-mode: (set, element)). Also return a name."""
    one_of("kind", kind, GRAPH_KINDS)
    paths = paths_of(edges)
    if paths is None:
        source, name = read_object(edges, kind, counts, reading), f"the {type(edges).__name__}"
    else:
        files = [file for path in paths for file in find_files(path)]
        source, name = _open_files(files, counts, reading), ", ".join(map(str, paths))[:200]
    if kind == "two-mode" and not source.sets_first:
        source = source._replace(batches=(batch.turned() for batch in source.batches))
    batches = _checked(source.batches, name, reading, counts)
    return source._replace(batches=batches), name


def _checked(
    batches: Iterator[EdgeBatch], name: str, reading: EdgeReading, counts: ReadCounts
) -> Iterator[EdgeBatch]:
    """Check the weights of edges, if there are any, and yield the edges.

    A bad weight raises `InvalidGraph`. If bad rows are skipped, its edge is dropped and counted
    instead.
    """
    read = 0
    for batch in batches:
        if batch.weights is None:
            read += len(batch.sources)
            yield batch
            continue
        wrong = wrong_weights(batch.weights)
        if wrong.any():
            row = int(wrong.argmax())
            message = (
                f"{name}: edge {read + row + 1:,} has the weight {batch.weights[row]}, expected a "
                "number of 0 or more; correct or drop such edges"
            )
            if not reading.skip_bad_rows:
                raise InvalidGraph(message)
            counts.bad_rows += int(np.count_nonzero(wrong))
            counts.first_bad = counts.first_bad or message
        read += len(wrong)
        yield batch.where(~wrong) if wrong.any() else batch


def _open_files(files: Sequence[Path], counts: ReadCounts, reading: EdgeReading) -> EdgeSource:
    """Open several files as one source of edges."""
    sources = [_unchanged(file, _open_file(file, counts, reading)) for file in files]
    vertices = [vertex for source in sources for vertex in source.vertices]
    return EdgeSource(chain.from_iterable(source.batches for source in sources), vertices)


def _unchanged(path: Path, source: EdgeSource) -> EdgeSource:
    """Wrap the edges of a file: after the last, raise `UnreadableFile` if the file changed."""
    size_and_time = _size_and_time(path)

    def batches() -> Iterator[EdgeBatch]:
        yield from source.batches
        if _size_and_time(path) != size_and_time:
            raise UnreadableFile(
                f"{path}: the file changed while it was read; try again when nothing writes to it"
            )

    return source._replace(batches=batches())


def _size_and_time(path: Path) -> tuple[int, int] | None:
    """Return size and modification time of a file; None for a pipe or a missing file."""
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _open_file(path: Path, counts: ReadCounts, reading: EdgeReading) -> EdgeSource:
    """Open the edges of a file; its suffix determines the format."""
    suffix = suffix_of(path.name)
    if suffix in PARQUET:
        return EdgeSource(read_parquet(path, counts, reading))
    if suffix in _OTHERS:
        raise InvalidGraph(
            f"{path}: this format is not supported, expected text, CSV or Parquet; read it with "
            f"{_OTHERS[suffix]} and pass the result"
        )
    return EdgeSource(read_lines(path, counts, reading))
