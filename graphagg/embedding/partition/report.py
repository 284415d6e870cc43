"""Quality of a partition."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.fields import Brief
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel

Parts = npt.NDArray[np.int32]
"""Part number of each node, or one of the three values below."""

HUB, ISOLATED, ADDED = -1, -2, -3
"""Values for nodes that are split, have no edge, or were added later by `add`."""
SLACK = 1.05
"""Maximum entries of a piece, relative to the mean."""


@dataclass(frozen=True)
class LevelReport:
    """Quality of one level of the partition.

    Attributes:
        pieces: number of parts at this level.
        cut: share of the edges whose ends are in different parts.
        edge_balance: entries of the largest part divided by the mean.
        vertex_balance: nodes of the largest part divided by the mean.
    """

    pieces: int
    cut: float
    edge_balance: float
    vertex_balance: float


@dataclass(frozen=True, repr=False)
class PartitionReport(Brief):
    """The partition and its quality, level by level.

    Attributes:
        partitioner: name of the partitioner.
        hubs: number of nodes that were split.
        levels: quality of each level; the last is the partition that was embedded.

    Examples:
        >>> level = LevelReport(2, 0.1, 1.0, 1.0)
        >>> report = PartitionReport("metis", 0, (level,))
        >>> PartitionReport.from_json(report.to_json()) == report
        True
    """

    partitioner: str
    hubs: int
    levels: tuple[LevelReport, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> PartitionReport:
        """Read the result of `to_json`."""
        names = [each.name for each in fields(LevelReport)]  # older indices have more fields
        levels = tuple(LevelReport(*map(level.get, names)) for level in raw["levels"])
        return cls(raw["partitioner"], raw["hubs"], levels)


def measure(matrix: Csr, piece_of: Parts, count: int) -> LevelReport:
    """Measure a partition; a hub's entry counts toward the part of its column."""
    nodes, entries = np.zeros((2, count), dtype=np.int64)
    indptr, indices = np.asarray(matrix.indptr), np.asarray(matrix.indices)
    crossing = _count(indptr, indices, piece_of, nodes, entries)
    return LevelReport(
        pieces=count,
        cut=crossing / max(len(indices), 1),
        edge_balance=float(entries.max() / max(entries.mean(), 1e-9)),
        vertex_balance=float(nodes.max() / max(nodes.mean(), 1e-9)),
    )


@kernel(small=True)
def _count(indptr: Array, indices: Array, piece_of: Array, nodes: Array, entries: Array) -> int:
    """Count the nodes and entries of each part; return the number of entries between parts."""
    crossing = 0
    for row in range(len(indptr) - 1):
        at = piece_of[row]
        if at >= 0:
            nodes[at] += 1
        for i in range(indptr[row], indptr[row + 1]):
            to = piece_of[indices[i]]
            entries[at if at >= 0 else max(to, 0)] += 1
            crossing += at < 0 or at != to
    return crossing
