"""Read edges from Python objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, repeat
from numbers import Real
from typing import Any

import numpy as np
import pyarrow as pa

from graphagg.arrays import Array, Doubles
from graphagg.checks import one_of
from graphagg.errors import InvalidGraph
from graphagg.graph.ids import check_ids
from graphagg.graph.kinds import GraphKind
from graphagg.graph.reading.batches import EdgeBatch, EdgeSource, Ids, ReadCounts
from graphagg.graph.reading.settings import EdgeReading
from graphagg.graph.reading.tables import EDGES_AT_ONCE, read_stream
from graphagg.tables import networkx_module

Batches = Iterator[EdgeBatch]
_READING = EdgeReading()


def _plain(ids: Iterable[Any], reading: EdgeReading) -> list[Any]:
    """List ids; if they are read as strings, convert all but integers with `str`."""
    if reading.ids != "string":
        return list(ids)
    return [each if isinstance(each, str | int | np.integer) else str(each) for each in ids]


def read_tuples(
    edges: Iterable[Any], name: str, counts: ReadCounts | None = None, weighted: bool = False,
    reading: EdgeReading = _READING,
) -> Batches:  # fmt: skip
    """Batch pairs or triples; if `weighted` and all edges are triples, third items are weights."""
    iterator = iter(edges)
    counts = counts or ReadCounts()
    while batch := list(islice(iterator, EDGES_AT_ONCE)):
        for edge in batch:
            if not _is_pair(edge):
                raise InvalidGraph(f"{name}: {edge!r}, expected pairs (source, target) or triples")
            if len(edge) == 3:
                counts.weights_ignored += isinstance(edge[2], Real | np.number)
        weighted = weighted and all(
            isinstance(edge, tuple | list) and len(edge) == 3 and not isinstance(edge[2], str)
            for edge in batch
        )
        weights = _third(batch, name) if weighted else None
        sources, targets = (
            id_array(_plain((edge[end] for edge in batch), reading)) for end in (0, 1)
        )
        yield EdgeBatch(sources, targets, weights)


def _third(edges: list[Any], name: str) -> Doubles:
    """Return the weights of triples."""
    try:
        return np.array([edge[2] for edge in edges], dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidGraph(
            f"{name}: the third item of a triple is not a number (the first is {edges[0]!r}), "
            "expected a weight in each triple, or pairs; convert them, or leave weights out"
        ) from None


def _is_pair(pair: Any) -> bool:
    """Return whether a value is an ordered pair or triple."""
    if isinstance(pair, str | bytes) or not hasattr(pair, "__getitem__"):
        return False
    return not isinstance(pair, Mapping) and hasattr(pair, "__len__") and 2 <= len(pair) <= 3


def id_array(ids: list[Any]) -> Ids:
    """Check ids, and convert them to an int64 array or an Arrow dictionary array of strings."""
    check_ids(ids)
    if ids and isinstance(ids[0], str):
        return pa.array(ids, type=pa.large_string()).dictionary_encode()
    return np.array(ids, dtype=np.int64)


def read_object(
    edges: Any, kind: GraphKind, counts: ReadCounts, reading: EdgeReading
) -> EdgeSource:
    """Read the edges of a Python object; see `graphagg.graph.load_graph`."""
    weighted = reading.wants_weights
    if hasattr(edges, "__arrow_c_stream__"):
        return EdgeSource(read_stream(edges, f"the {type(edges).__name__}", counts, reading))
    if hasattr(edges, "obsp"):  # AnnData: vertex ids are row numbers
        return _matrix_edges(_connectivities(edges), kind, counts, weighted)
    if hasattr(edges, "is_directed") and hasattr(edges, "nodes"):
        return _networkx_edges(edges, kind, counts, reading)
    if hasattr(edges, "get_edgelist"):
        return _igraph_edges(edges, kind, counts, reading)
    if isinstance(edges, np.ndarray):
        return EdgeSource(_array_batches(edges, weighted))
    if hasattr(edges, "tocoo"):
        return _matrix_edges(edges, kind, counts, weighted)
    if isinstance(edges, Mapping):
        return EdgeSource(read_tuples(_mapping_pairs(edges), "the mapping"), list(edges), True)
    if isinstance(edges, tuple | list) and list(map(type, edges)) == [np.ndarray] * 2:
        return EdgeSource(_array_batches(_stacked(*edges)))
    if isinstance(edges, Iterable) and not isinstance(edges, bytes):
        return EdgeSource(read_tuples(edges, "the edges", counts, weighted, reading))
    raise InvalidGraph(
        f"edges are a {type(edges).__name__}, expected a path, a table (pandas, polars, Arrow), a "
        "graph of networkx or igraph, AnnData, an [E, 2] array, a SciPy sparse "
        "matrix, a mapping {set: elements}, or pairs"
    )


def _connectivities(cells: Any) -> Any:
    """Return the matrix of neighbors of an AnnData object."""
    if "connectivities" not in cells.obsp:
        raise InvalidGraph(
            f"obsp has {sorted(cells.obsp)}, expected 'connectivities'; call scanpy.pp.neighbors, "
            "or give the matrix itself"
        )
    return cells.obsp["connectivities"]


def _networkx_edges(
    graph: Any, kind: GraphKind, counts: ReadCounts, reading: EdgeReading
) -> EdgeSource:
    """Read the edges and nodes of a networkx graph; two-mode: of the nodes only the sets."""
    triples, nodes = list(graph.edges(data="weight")), list(graph.nodes)
    if kind == "two-mode":
        is_set = _sides(graph, triples)
        triples = [(b, a, w) if is_set[a] else (a, b, w) for a, b, w in triples]
        nodes = [node for node, of_sets in is_set.items() if of_sets]
    batches = _weighted_batches(triples, counts, reading, "the networkx graph")
    return EdgeSource(batches, _plain(nodes, reading))


def _sides(graph: Any, triples: list[tuple[Any, Any, Any]]) -> dict[Any, int]:
    """Return for each node of a two-mode networkx graph whether it is a set.

    The ends of an undirected edge have no order. So elements are the nodes with the attribute
    `bipartite` 0; else the first ends of edges, if none of them is also a second end; else the
    nodes with the color of the first node of their component.
    """
    networkx, side = networkx_module(), dict(graph.nodes(data="bipartite"))
    if not set(side.values()) <= {0, 1}:
        side = {a: 0 for a, *_ in triples} | {b: 1 for _, b, _ in triples}
    if any(side[a] == side[b] for a, b, _ in triples):
        try:
            colors = networkx.bipartite.color(graph.to_undirected(as_view=True))
        except networkx.NetworkXError:
            raise InvalidGraph(
                "the networkx graph is not two-mode: it has a cycle of odd length; set the node "
                "attribute `bipartite` (0 elements, 1 sets), or give pairs (element, set)"
            ) from None
        side = {node: 1 - color for node, color in colors.items()}
    return side


def _igraph_edges(
    graph: Any, kind: GraphKind, counts: ReadCounts, reading: EdgeReading
) -> EdgeSource:
    """Read the edges of an igraph graph; ids are vertex names if it has names, else numbers."""
    ids = graph.vs["name"] if "name" in graph.vs.attributes() else range(graph.vcount())
    carried = graph.es["weight"] if "weight" in graph.es.attributes() else repeat(None)
    ends = ((ids[a], ids[b]) for a, b in graph.get_edgelist())
    triples = ((*pair, weight) for pair, weight in zip(ends, carried, strict=False))
    batches = _weighted_batches(triples, counts, reading, "the igraph graph")
    return EdgeSource(batches, list(ids) if kind != "two-mode" else ())


def _matrix_edges(matrix: Any, kind: GraphKind, counts: ReadCounts, weighted: bool) -> EdgeSource:
    """Read the nonzero entries of a SciPy sparse matrix; their values are weights.

    Ids are the numbers of rows and columns; two-mode: a row is a set, a column an element. If the
    graph is undirected and the matrix symmetric, only the upper triangle is read.
    """
    entries = matrix.tocoo()
    if entries.ndim != 2 or (kind != "two-mode" and entries.shape[0] != entries.shape[1]):
        raise InvalidGraph(
            f"the sparse matrix has shape {entries.shape}, expected a square matrix with a row and "
            "a column for each vertex; for sets and elements use the kind two-mode"
        )
    is_edge = entries.data != 0
    if kind == "undirected" and (matrix != matrix.T).nnz == 0:
        is_edge &= entries.row <= entries.col
    rows, columns = (ends[is_edge].astype(np.int64) for ends in (entries.row, entries.col))
    weights = None
    if entries.data.dtype.kind in "iuf":
        counts.weights_ignored += len(rows)
        weights = entries.data[is_edge].astype(np.float64) if weighted else None
    batches = iter([EdgeBatch(rows, columns, weights)])
    return EdgeSource(batches, range(entries.shape[0]), True)


def _mapping_pairs(sets: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
    for name, elements in sets.items():
        if isinstance(elements, str | bytes) or not isinstance(elements, Iterable):
            raise InvalidGraph(
                f"set {name!r} holds {elements!r}, expected a list of elements: {{set: [elements]}}"
            )
        for element in elements:
            yield name, element


def _stacked(source: Array, target: Array) -> Array:
    if source.shape != target.shape or source.ndim != 1:
        counts = (f"{len(end):,}" if end.ndim == 1 else list(end.shape) for end in (source, target))
        raise InvalidGraph(
            "two arrays of {} sources and {} targets, expected two of one length; check how they "
            "are made".format(*counts)
        )
    return np.stack((source, target), axis=1)


def _weighted_batches(
    edges: Iterable[tuple[Any, Any, Any]], counts: ReadCounts, reading: EdgeReading, name: str
) -> Batches:
    """Batch `(source, target, weight)` triples; a weight of None counts as 1."""
    triples = list(edges)
    present = sum(weight is not None for *_, weight in triples)
    counts.weights_ignored += present
    if not (reading.wants_weights and present):
        pairs = ((source, target) for source, target, _ in triples)
        return read_tuples(pairs, name, reading=reading)

    def converted() -> Iterator[tuple[Any, Any, float]]:
        for source, target, weight in triples:
            try:
                yield source, target, 1.0 if weight is None else float(weight)
            except (TypeError, ValueError):
                raise InvalidGraph(
                    f"{name}: edge {source!r} - {target!r} has the weight {weight!r}, expected a "
                    "number; convert it"
                ) from None

    return read_tuples(converted(), name, weighted=True, reading=reading)


def _array_batches(array: Array, weighted: bool = False) -> Batches:
    """Read an `[E, 2]` array, or with `weighted` also `[E, 3]` with weights in column 3."""
    triples = weighted and array.ndim == 2 and array.shape[1] == 3
    if array.ndim != 2 or not (array.shape[1] == 2 or triples):
        raise InvalidGraph(f"the edge array has shape {array.shape}, expected [E, 2]; transpose it")
    if array.dtype.kind == "O" or (array.dtype.kind == "U" and not triples):
        return read_tuples(array.tolist(), "the edge array", None, weighted)
    ids, weights = array[:, :2], array[:, 2].astype(np.float64) if triples else None
    if array.dtype.kind not in ("iuf" if triples else "iu"):
        raise InvalidGraph(
            f"the edge array holds {array.dtype}, expected integers or strings; convert it"
        )
    if ids.size and ids.dtype.kind != "i" and ids.max() >= 2**63:
        raise InvalidGraph(
            f"vertex id {ids.max()} is out of range, expected integers of 0 to 2^63 - 1; renumber "
            "the vertices"
        )
    wide = ids.astype(np.int64)
    if ids.dtype.kind == "f" and (wide != ids).any():
        raise InvalidGraph("the edge array holds ids that are not integers, expected whole numbers")
    return iter([EdgeBatch(wide[:, 0], wide[:, 1], weights)])


BUNDLED = {
    "les_miserables": "les_miserables_graph",
    "karate_club": "karate_club_graph",
    "florentine_families": "florentine_families_graph",
}
"""Small graphs included in networkx, by name."""


def bundled_graph(name: str) -> Any:
    """Return a small graph included in networkx, as a networkx graph.

    Examples:
        >>> bundled_graph("karate_club").number_of_nodes()
        34
    """
    one_of("bundled graph", name, BUNDLED)
    return getattr(networkx_module(), BUNDLED[name])()
