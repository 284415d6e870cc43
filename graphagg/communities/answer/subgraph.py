"""The part of the indexed graph that lies among some vertices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphagg.communities.answer.structure import similarities
from graphagg.communities.snapshot import Snapshot
from graphagg.errors import MissingExtra
from graphagg.graph.ids import VertexId

if TYPE_CHECKING:
    import networkx


def subgraph_of(snapshot: Snapshot, ids: Sequence[VertexId]) -> networkx.Graph:
    """Some vertices and their edges; see `Community.to_networkx`.

    Reads the rows of these vertices alone.
    """
    try:
        import networkx
    except ImportError:
        raise MissingExtra("networkx", "communities") from None
    kind = snapshot.config.kind
    directed = kind.startswith("directed")
    graph = networkx.DiGraph() if directed else networkx.Graph()
    graph.add_nodes_from(ids)
    if kind == "two-mode":
        dense = similarities(snapshot, ids)
        for a, b in np.argwhere(np.triu(dense, 1)).tolist():
            graph.add_edge(ids[a], ids[b], weight=float(dense[a, b]))
        return graph
    adjacency = snapshot.adjacency
    numbers = np.array([snapshot.find(vertex) for vertex in ids], dtype=np.int64)
    order = np.argsort(numbers)
    for vertex, number in zip(ids, numbers.tolist(), strict=True):
        row = adjacency.row(number)
        if len(row):
            # Binary search; a number above all of the row is compared with its last entry.
            at = np.minimum(np.searchsorted(row, numbers[order]), len(row) - 1)
            neighbors = order[row[at] == numbers[order]]
            graph.add_edges_from((vertex, ids[other]) for other in neighbors.tolist())
    return graph
