"""Graphs with edge weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Unpack

from graphagg.arrays import Floats
from graphagg.checks import with_values
from graphagg.graph.graph import Graph, GraphKind
from graphagg.graph.ids import VertexId
from graphagg.graph.reading.load import read_graph
from graphagg.graph.reading.settings import WeightedReading, WeightedReadingOptions


def load_weighted(
    edges: Any,
    kind: GraphKind = "undirected",
    *,
    vertices: Iterable[VertexId] = (),
    allow_empty: bool = False,
    **reading: Unpack[WeightedReadingOptions],
) -> tuple[Graph, Floats | None]:
    """Read a graph and the weights of its edges.

    Weights are the column `weight` of a table or of text with a header, the third column of text
    without one if it is a number in the first line, the values of a sparse matrix, the attribute
    `weight` of networkx edges (default 1), or the third items of triples or of an `[E, 3]` array.
    Weights of repeated edges are summed; in an undirected graph, (b, a) is a repeat of (a, b).

    Args:
        edges: anything that `load_graph` accepts, or an `[E, 3]` array.
        kind: kind of the graph.
        vertices: vertices without edges.
        allow_empty: accept a graph without edges.
        reading: fields of `graphagg.graph.WeightedReading`: the options of `load_graph`, `weight`
            for the column of weights, and `weighted=False` to ignore them.

    Returns:
        The graph, and a weight for each entry of its adjacency, `[nnz]`; None without weights.

    Raises:
        InvalidGraph: also for a weight that is negative, infinite or not a number.

    Examples:
        >>> graph, weights = load_weighted([("a", "b", 2.0), ("b", "a", 1.0)])
        >>> graph.edges, weights.tolist()
        (1, [3.0, 3.0])
    """
    options = with_values(WeightedReading(), reading)
    return read_graph(edges, kind, options, vertices=vertices, allow_empty=allow_empty)
