"""Edge weights, beside the readers that give a graph without them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from graphagg.arrays import Array
from graphagg.errors import InvalidGraph, UnreadableFile
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.graph import Graph, GraphKind
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.graph.reading.cells import cell_stop, line_start, next_cell
from graphagg.graph.reading.load import load_graph
from graphagg.graph.reading.sources import BROKEN_PARQUET
from graphagg.graph.reading.text import (
    IdType,
    TextCounts,
    _blocks,
    _Columns,
    open_bytes,
)
from graphagg.store.strings import StringTable


def load_weighted(
    edges: Any,
    kind: GraphKind = "undirected",
    *,
    vertices: Iterable[VertexId] = (),
    ids: IdType = "auto",
    header: bool | None = None,
    weighted: bool = True,
) -> tuple[Graph, npt.NDArray[np.float32] | None]:
    """Read a graph and the weights of its edges.

    Weights are the column `weight` of Parquet, the third column of text, the attribute `weight` of
    networkx edges (1 where an edge has none), or the third of triples or columns. Text has weights
    where the third cell of its first line is a number. Weights of repeated edges are added up;
    undirected, also of the same pair the other way round.

    Args:
        edges: what `load_graph` takes, an `[E, 3]` array, or triples.
        kind: which graph.
        vertices: vertices that are there even without an edge.
        ids: how text ids are read.
        header: whether text has a header.
        weighted: False leaves weights out.

    Returns:
        The graph, and `[nnz]` a weight for each entry of its adjacency; None where there are none.

    Raises:
        As `load_graph`; InvalidGraph also for a weight that is negative, infinite or no number.
    """
    if isinstance(edges, Iterable) and iter(edges) is edges:
        edges = list(edges)
    found = _weighted_pairs(edges, ids, header) if weighted else None
    options: dict[str, Any] = {"vertices": vertices, "ids": ids, "header": header}
    if found is None:
        return load_graph(edges, kind, **options), None
    sources, targets, weights = found
    _check(weights)
    plain = edges if isinstance(edges, str | os.PathLike) or hasattr(edges, "nodes") else None
    pairs = plain if plain is not None else list(zip(sources, targets, strict=True))
    graph = load_graph(pairs, kind, **options)
    if kind == "two-mode":
        sources, targets = targets, sources
    rows, columns = _numbers(sources, graph.rows), _numbers(targets, graph.columns)
    return graph, align(graph, rows, columns, weights)


def align(graph: Graph, rows: Array, columns: Array, weights: Array) -> npt.NDArray[np.float32]:
    """Weights of the entries of a graph's adjacency, `[nnz]`; those of repeats are added up."""
    if graph.kind == "undirected":
        rows, columns = np.concatenate((rows, columns)), np.concatenate((columns, rows))
        weights = np.concatenate((weights, weights))
    if graph.kind != "two-mode":
        kept = rows != columns
        rows, columns, weights = rows[kept], columns[kept], weights[kept]
    width = len(graph.columns)
    keys = expand_rows(graph.adjacency).astype(np.int64) * width + graph.adjacency.indices
    places = np.searchsorted(keys, rows.astype(np.int64) * width + columns)
    order = np.lexsort((weights, places))  # repeats are added smallest first, in any engine
    summed = np.bincount(places[order], weights[order].astype(np.float64), minlength=len(keys))
    return summed.astype(np.float32)


def _check(weights: Array) -> None:
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise InvalidGraph(
            f"edge {bad[0] + 1:,} of {len(weights):,} has the weight {weights[bad[0]]}, wanted a "
            f"number of 0 or more ({len(bad):,} such edges); mend or drop them"
        )


def _numbers(ids: Any, table: VertexIds) -> Array:
    """The dense number of each id."""
    if not isinstance(table.table, StringTable):
        return np.searchsorted(table.table, np.asarray(ids, dtype=np.int64))
    places = {name: place for place, name in enumerate(table)}
    return np.array([places[name] for name in ids], dtype=np.int64)


def _weighted_pairs(edges: Any, ids: IdType, header: bool | None) -> Any:
    """Sources, targets and weights; None where edges carry none."""
    if isinstance(edges, str | os.PathLike):
        return _from_file(Path(edges), ids, header)
    if hasattr(edges, "is_directed") and hasattr(edges, "nodes"):
        data = list(edges.edges(data="weight"))
        if all(weight is None for *_, weight in data):
            return None
        weights = [1.0 if weight is None else weight for *_, weight in data]
        return [u for u, *_ in data], [v for _, v, *_ in data], np.asarray(weights, np.float64)
    if isinstance(edges, np.ndarray) and edges.ndim == 2 and edges.shape[1] == 3:
        whole = edges[:, :2].astype(np.int64)
        return whole[:, 0], whole[:, 1], edges[:, 2].astype(np.float64)
    if isinstance(edges, list) and edges and all(_is_triple(edge) for edge in edges):
        return (
            [edge[0] for edge in edges],
            [edge[1] for edge in edges],
            np.array([edge[2] for edge in edges], dtype=np.float64),
        )
    return None


def _is_triple(edge: Any) -> bool:
    return isinstance(edge, tuple | list) and len(edge) == 3 and not isinstance(edge[2], str)


def _from_file(path: Path, ids: IdType, header: bool | None) -> Any:
    suffixes = [suffix.casefold() for suffix in path.suffixes if suffix.casefold() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in (".parquet", ".pq"):
        return _from_parquet(path)
    if suffix in (".mat", ".json", ".gml", ".jlg"):
        return None
    return _from_text(path, ids, header)


def _from_parquet(path: Path) -> Any:
    names = ["src", "dst", "weight"]
    try:
        if not path.exists() or not set(names) <= set(pq.read_schema(path).names):
            return None
        table = pq.read_table(path, columns=names)
    except BROKEN_PARQUET as error:
        raise UnreadableFile(f"{path}: not a Parquet file, or damaged ({error})") from None
    weights = table["weight"].cast(pa.float64()).to_numpy(zero_copy_only=False)
    return table["src"].to_pylist(), table["dst"].to_pylist(), weights


def _from_text(path: Path, ids: IdType, header: bool | None) -> Any:
    counts, state = TextCounts(), None
    parts: list[tuple[Any, Any, Array]] = []
    for block in _blocks(open_bytes(path), str(path)):
        if state is None:
            state = _Columns.sniff(block, str(path), (ids, ids), header, counts)
            if state is None:
                continue
            if not has_weights(block, state.separator, state.skip):
                return None
        third = third_numbers(block, state.separator, state.skip, str(path))
        parts.append((*state.parse(block, counts), third))
    if not parts:
        return None
    sources, targets = _joined([part[0] for part in parts]), _joined([part[1] for part in parts])
    return sources, targets, np.concatenate([part[2] for part in parts])


def has_weights(block: bytes, separator: int, skip: int) -> bool:
    """Whether the first line of a text that holds data has a number in its third column."""
    cells = _third_cells(block, separator, skip)
    return bool(cells) and _number(cells[0]) is not None


def third_numbers(block: bytes, separator: int, skip: int, name: str) -> Array:
    """The third cell of each line that holds data, `[lines]` float64.

    Raises:
        InvalidGraph: one is no number, though the first line's is.
    """
    cells = _third_cells(block, separator, skip)
    try:
        found: Array = pc.cast(pa.array(cells, pa.string()), pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        bad = next(cell for cell in cells if _number(cell) is None)
        raise InvalidGraph(
            f"{name}: weight {bad.decode('utf-8', 'replace')!r} beside numbers in the third "
            "column, wanted a number in each line or in none; mend it, or leave weights out "
            "(--unweighted)"
        ) from None
    return found


def _number(cell: bytes) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _third_cells(block: bytes, separator: int, skip: int) -> list[bytes]:
    text = np.frombuffer(block, dtype=np.uint8)
    spans = np.empty((block.count(b"\n"), 2), dtype=np.int64)
    rows = _third_spans(text, separator, skip, spans)
    return [block[low:high].strip(b' \t"') for low, high in spans[:rows].tolist()]


@numba.njit(cache=True)
def _third_spans(text: Array, separator: int, skip: int, spans: Array) -> int:
    """Write where the third cell of each line that holds data begins and ends."""
    rows = line = start = 0
    for end in range(len(text)):
        if text[end] != 10:
            continue
        at = line_start(text, start, end, separator) if line >= skip else -1
        if at >= 0:
            for _ in range(2):
                stop = cell_stop(text, at, end, separator)
                # An open quote ends the line here; whoever reads its ids refuses it.
                at = next_cell(text, stop, end, separator) if stop >= 0 else end
            spans[rows, 0] = at
            spans[rows, 1] = max(cell_stop(text, at, end, separator), at)
            rows += 1
        line += 1
        start = end + 1
    return rows


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [name for part in parts for name in part.to_pylist()]
