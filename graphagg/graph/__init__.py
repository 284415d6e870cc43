"""Edges in, compressed rows out: what the capabilities share.

The readers load, with pyarrow, when one of their names is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphagg.graph.csr import Csr

if TYPE_CHECKING:
    from graphagg.graph.graph import GRAPH_KINDS, Graph, GraphKind, ReadReport
    from graphagg.graph.ids import VertexId, VertexIds
    from graphagg.graph.reading.load import load_graph
    from graphagg.graph.reading.sources import bundled_graph

__all__ = [
    "GRAPH_KINDS",
    "Csr",
    "Graph",
    "GraphKind",
    "ReadReport",
    "VertexId",
    "VertexIds",
    "bundled_graph",
    "load_graph",
]

_HOME = {
    "GRAPH_KINDS": "graph",
    "Graph": "graph",
    "GraphKind": "graph",
    "ReadReport": "graph",
    "VertexId": "ids",
    "VertexIds": "ids",
    "bundled_graph": "reading.sources",
    "load_graph": "reading.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
