"""Batches of edges, and counts of all else that a reader of edges saw."""

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
    """Some edges of a source.

    Attributes:
        sources: `[n]` ids.
        targets: `[n]` ids.
        weights: `[n]`; None where the edges carry none, or none are wanted.
    """

    sources: Ids
    targets: Ids
    weights: Doubles | None = None

    def where(self, kept: Mask) -> EdgeBatch:
        """The edges that a mask `[n]` keeps."""
        sources, targets = (
            ids[kept] if isinstance(ids, np.ndarray) else ids.filter(pa.array(kept))
            for ids in self[:2]
        )
        return EdgeBatch(sources, targets, None if self.weights is None else self.weights[kept])


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
    """Counts of what a source holds besides ids; they grow while it is read.

    Attributes:
        lines: of text.
        comments: lines of comment.
        header: the first header.
        columns: the columns of the first text or table.
        third_ignored: rows whose column of weights holds text; it was ignored.
        weights_ignored: edges with a weight, which counts only where weights are not used.
        bad_rows: rows that were left out, because they cannot be read.
        first_bad: the fault of the first bad row.
    """

    lines: int = 0
    comments: int = 0
    header: str | None = None
    columns: Columns | None = None
    third_ignored: int = 0
    weights_ignored: int = 0
    bad_rows: int = 0
    first_bad: str | None = None
