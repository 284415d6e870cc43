"""Quality of a partition."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.fields import Brief
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel

Parts = npt.NDArray[np.int32]
"""The part of each node, or one of the three values below."""

HUB, ISOLATED, ADDED = -1, -2, -3
"""Parts of nodes that are split, have no edge, or came later by `add`."""
SLACK = 1.05
"""A piece's entries over the mean, at most."""


@dataclass(frozen=True)
class LevelReport:
    """Quality of one level of the partition.

    Attributes:
        pieces: parts at this level.
        cut: share of the edges whose ends lie in two parts.
        edge_balance: entries of the largest part over the mean.
        vertex_balance: nodes of the largest part over the mean.
        border: share of the nodes with a neighbor in another part.
        copies: parts that hold a node as row or halo column, on average.
        largest: share of all edges that the largest part stores, its cut edges included.
    """

    pieces: int
    cut: float
    edge_balance: float
    vertex_balance: float
    border: float
    copies: float
    largest: float


@dataclass(frozen=True, repr=False)
class PartitionReport(Brief):
    """The partition and its quality, level by level.

    Attributes:
        partitioner: name of the partitioner.
        hubs: nodes that were split.
        levels: the last is the partition that was embedded.

    Examples:
        >>> level = LevelReport(2, 0.1, 1.0, 1.0, 0.2, 1.2, 0.6)
        >>> report = PartitionReport("metis", 0, (level,))
        >>> PartitionReport.from_json(report.to_json()) == report
        True
    """

    partitioner: str
    hubs: int
    levels: tuple[LevelReport, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> PartitionReport:
        """Read the result of `to_json`."""
        levels = tuple(LevelReport(**level) for level in raw["levels"])
        return cls(raw["partitioner"], raw["hubs"], levels)


class _Tally(NamedTuple):
    """Counts by part, `[count]` each: nodes, entries, crossing entries, entries of hubs."""

    nodes: Array
    entries: Array
    crossing: Array
    of_hubs: Array


def measure(matrix: Csr, piece_of: Parts, count: int) -> LevelReport:
    """Report on a partition; hubs count as a copy in every part that holds some of them."""
    tally = _Tally(*(np.zeros(count, dtype=np.int64) for _ in _Tally._fields))
    indptr, indices = np.asarray(matrix.indptr), np.asarray(matrix.indices)
    border, copies = _count(indptr, indices, piece_of, tally)
    edges, filled = len(indices) / 2, max(int(np.count_nonzero(piece_of > ISOLATED)), 1)
    # An edge within a part is two of its entries, one between parts is one in each of them.
    stored = (tally.entries - tally.crossing) / 2 + tally.crossing - tally.of_hubs
    return LevelReport(
        pieces=count,
        cut=float(tally.crossing.sum() / 2 / max(edges, 1)),
        edge_balance=float(tally.entries.max() / max(tally.entries.mean(), 1e-9)),
        vertex_balance=float(tally.nodes.max() / max(tally.nodes.mean(), 1e-9)),
        border=float(border / filled),
        copies=float(copies / filled),
        largest=float(stored.max() / max(edges, 1)),
    )


@kernel(small=True)
def _count(indptr: Array, indices: Array, piece_of: Array, tally: _Tally) -> tuple[int, int]:
    """Fill the tally row by row; returns the counts of border nodes and of copies."""
    border, copies = 0, 0
    # seen[p] is the last node that a copy in part p was counted for; its last element, which an
    # index of -1 means, stands for the entries between two hubs.
    seen = np.full(len(tally.entries) + 1, -1, dtype=np.int64)
    for row in range(len(indptr) - 1):
        at = piece_of[row]
        if at >= 0:
            tally.nodes[at] += 1
            seen[at] = row
            copies += 1
        crosses = False
        for i in range(indptr[row], indptr[row + 1]):
            to = piece_of[indices[i]]
            # A hub's entry lies in the part of its column.
            holder = at if at >= 0 else max(to, 0)
            tally.entries[holder] += 1
            if at < 0 or at != to:
                tally.crossing[holder] += 1
                crosses = True
            if at < 0 <= to:
                tally.of_hubs[holder] += 1
            # The matrix is symmetric: the mirrored entry names this node in its own part.
            names = to if to >= 0 else at
            if seen[names] != row:
                seen[names] = row
                copies += 1
        border += crosses
    return border, copies
