"""Changes to a graph. Each gives the graph that reading the changed edges again would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphagg.graph.adjacency import Dense
from graphagg.graph.graph import Graph, graph_from_pairs
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.store.strings import StringTable


@dataclass(frozen=True)
class ChangeReport:
    """The effect of a change.

    Attributes:
        vertices, edges: how many there are now.
        edges_added, edges_removed: by how many edges the graph grew or shrank.
        vertices_added, vertices_removed: by how many vertices it grew or shrank.
        not_found: edges to remove that the graph does not have.
        signatures_recomputed: vertices whose set changed.
    """

    vertices: int
    edges: int
    edges_added: int = 0
    edges_removed: int = 0
    vertices_added: int = 0
    vertices_removed: int = 0
    not_found: int = 0
    signatures_recomputed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def report_change(before: Graph, after: Graph, recomputed: int, not_found: int = 0) -> ChangeReport:
    """Compare the sizes of two graphs."""
    edges, vertices = after.edges - before.edges, len(after.rows) - len(before.rows)
    return ChangeReport(
        vertices=len(after.rows),
        edges=after.edges,
        edges_added=max(edges, 0),
        edges_removed=max(-edges, 0),
        vertices_added=max(vertices, 0),
        vertices_removed=max(-vertices, 0),
        not_found=not_found,
        signatures_recomputed=recomputed,
    )


def without_edges(graph: Graph, removed: Graph) -> tuple[Graph, int]:
    """The graph without the edges of another; its vertices stay.

    Returns:
        The smaller graph, and how many edges of `removed` were not in it.
    """
    source, target = graph.pairs()
    gone_source, gone_target = removed.pairs()
    rows = graph.rows.positions(removed.rows)[gone_source]
    columns = graph.columns.positions(removed.columns)[gone_target]
    known = (rows >= 0) & (columns >= 0)
    width = max(len(graph.columns), 1)
    # An edge as one number, so that sets of edges compare as sets of numbers.
    edges = source.astype(np.int64) * width + target
    dropped = np.isin(edges, rows[known] * width + columns[known])
    missing = len(gone_source) - int(np.count_nonzero(dropped))
    return _kept(graph, source[~dropped], target[~dropped], np.arange(len(graph.rows))), missing


def without_vertices(graph: Graph, removed: Sequence[int]) -> Graph:
    """The graph without some vertices (dense numbers; two-mode: sets) and their edges."""
    stay = np.ones(len(graph.rows), dtype=np.bool_)
    stay[np.array(removed, dtype=np.int64)] = False
    source, target = graph.pairs()
    keep = stay[source]
    if graph.kind != "two-mode":
        keep &= stay[target]
    return _kept(graph, source[keep], target[keep], np.flatnonzero(stay))


def _kept(graph: Graph, source: Dense, target: Dense, rows: Any) -> Graph:
    """The pairs among the kept rows; elements of no set any more are dropped."""
    row_ids, row_numbers = column_ids, column_numbers = _select(graph.rows, rows)
    if graph.kind == "two-mode":
        column_ids, column_numbers = _select(graph.columns, np.unique(target))
    pairs = (row_numbers[source], column_numbers[target])
    return graph_from_pairs(graph.kind, row_ids, column_ids, pairs)


def _select(ids: VertexIds, kept: Any) -> tuple[VertexIds, Dense]:
    """Some of the ids, and the new number of each old one."""
    numbers = np.full(len(ids), -1, dtype=np.int32)
    numbers[kept] = np.arange(len(kept), dtype=np.int32)
    if isinstance(ids.table, StringTable):
        names: list[VertexId] = [ids[int(i)] for i in kept]
        return VertexIds(StringTable.pack(str(name) for name in names)), numbers
    return VertexIds(ids.table[kept]), numbers
