"""Batches of edges, and counts of everything else in the input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from graphagg.arrays import Doubles, Mask
from graphagg.graph.ids import VertexId
from graphagg.graph.reading.columns import Columns

Ids = Any
"""`[n]` int64, or an Arrow dictionary array of strings."""


class EdgeBatch(NamedTuple):
    """A batch of edges from a source."""

    sources: Ids  # `[n]` ids
    targets: Ids  # `[n]` ids
    weights: Doubles | None = None  # `[n]`; None if edges have no weights, or they are not used

    def turned(self) -> EdgeBatch:
        """Return the edges with source and target swapped."""
        return EdgeBatch(self.targets, self.sources, self.weights)

    def where(self, mask: Mask) -> EdgeBatch:
        """Return the edges where a mask `[n]` is true."""
        sources, targets = (
            ids[mask] if isinstance(ids, np.ndarray) else ids.filter(pa.array(mask))
            for ids in self[:2]
        )
        return EdgeBatch(sources, targets, None if self.weights is None else self.weights[mask])


def wrong_weights(weights: Doubles) -> Mask:
    """Return a mask of the weights that are negative or not finite."""
    return ~(np.isfinite(weights) & (weights >= 0))


class EdgeSource(NamedTuple):
    """Edges to read, and vertices that may have no edge."""

    batches: Iterator[EdgeBatch]  # the edges; they can be read once
    vertices: Sequence[VertexId] = ()  # vertices that may have no edge
    # two-mode: whether the first end of an edge is the set, not the element
    sets_first: bool = False


@dataclass
class ReadCounts:
    """Counts of lines, comments and bad rows of a source, updated while it is read."""

    lines: int = 0  # lines of text
    comments: int = 0  # comment lines
    header: str | None = None  # the first header
    columns: Columns | None = None  # the columns of the first text or table
    weights_ignored: int = 0  # edges with a weight; reported only if weights are not used
    bad_rows: int = 0  # rows that were skipped because they cannot be read
    first_bad: str | None = None  # description of the first bad row
    faults: list[str] | None = None  # if not None, collects a description of each bad line
