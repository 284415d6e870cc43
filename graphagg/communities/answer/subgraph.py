"""The part of the indexed graph that lies among some vertices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphagg.communities.answer.structure import similarities
from graphagg.errors import MissingExtra
from graphagg.graph.ids import VertexId

if TYPE_CHECKING:
    import networkx

    from graphagg.communities.index import CommunityIndex


def subgraph_of(index: CommunityIndex, ids: Sequence[VertexId]) -> networkx.Graph:
    """Some vertices and their edges; see `Community.to_networkx`.

    Reads the rows of these vertices alone: linear in the sum of their degrees.
    """
    try:
        import networkx
    except ImportError:
        raise MissingExtra("networkx", "communities") from None
    kind = index.config.kind
    directed = kind.startswith("directed")
    graph = networkx.DiGraph() if directed else networkx.Graph()
    graph.add_nodes_from(ids)
    if kind == "two-mode":
        dense = similarities(index, ids)
        for a, b in np.argwhere(np.triu(dense, 1)).tolist():
            graph.add_edge(ids[a], ids[b], weight=float(dense[a, b]))
        return graph
    adjacency = index.graph().adjacency
    numbers = np.array([index.find(vertex) for vertex in ids], dtype=np.int64)
    order = np.argsort(numbers)
    for place, number in enumerate(numbers.tolist()):
        row = np.asarray(adjacency.row(number))
        at = np.minimum(np.searchsorted(row, numbers[order]), max(len(row) - 1, 0))
        held = order[row[at] == numbers[order]] if len(row) else order[:0]
        graph.add_edges_from((ids[place], ids[other]) for other in held.tolist())
    return graph
