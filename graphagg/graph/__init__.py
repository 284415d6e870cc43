"""Reads edges into compressed sparse rows. All capabilities use this package."""

from typing import TYPE_CHECKING

from graphagg.lazy import lazy_names

if TYPE_CHECKING:
    from graphagg.graph.csr import Csr as Csr
    from graphagg.graph.graph import GRAPH_KINDS as GRAPH_KINDS
    from graphagg.graph.graph import Graph as Graph
    from graphagg.graph.graph import GraphKind as GraphKind
    from graphagg.graph.graph import ReadReport as ReadReport
    from graphagg.graph.ids import VertexId as VertexId
    from graphagg.graph.ids import VertexIds as VertexIds
    from graphagg.graph.reading.load import load_graph as load_graph
    from graphagg.graph.reading.settings import EdgeReading as EdgeReading
    from graphagg.graph.reading.settings import WeightedReading as WeightedReading
    from graphagg.graph.reading.sources import bundled_graph as bundled_graph
    from graphagg.graph.weights import load_weighted as load_weighted
else:
    __getattr__, __dir__, __all__ = lazy_names(__name__, extra="communities")
