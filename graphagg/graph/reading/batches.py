"""What readers of edges give: batches of edges, and counts of what else they saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphagg.arrays import Doubles
from graphagg.graph.ids import VertexId

Ids = Any
"""`[n]` int64, or an Arrow dictionary array of strings."""


class EdgeBatch(NamedTuple):
    """Some edges of a source.

    Attributes:
        sources: `[n]` ids.
        targets: `[n]` ids.
        weights: `[n]`; None where the edges carry none, or none are wanted.
    """

    sources: Ids
    targets: Ids
    weights: Doubles | None = None


class EdgeSource(NamedTuple):
    """Edges to read.

    Attributes:
        batches: the edges; they can be read once.
        vertices: vertices that may have no edge.
        sets_first: two-mode: whether the first end of an edge is the set, not the element.
    """

    batches: Iterator[EdgeBatch]
    vertices: Sequence[VertexId] = ()
    sets_first: bool = False


@dataclass
class ReadCounts:
    """Counts of what a source holds besides ids; they grow while it is read."""

    lines: int = 0
    comments: int = 0
    header: str | None = None
    third_ignored: int = 0
    weights_ignored: int = 0
