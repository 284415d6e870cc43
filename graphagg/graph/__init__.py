"""Edges in, compressed rows out: what the capabilities share."""

from graphagg.graph.csr import Csr
from graphagg.graph.graph import GRAPH_KINDS, Graph, GraphKind, ReadReport
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.graph.load import load_graph
from graphagg.graph.sources import bundled_graph

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
