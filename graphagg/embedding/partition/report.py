"""How good a partition is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
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
    """How good one level of the partition is.

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


@dataclass(frozen=True)
class PartitionReport:
    """The partition and its quality, level by level.

    Attributes:
        partitioner: which one was used.
        hubs: nodes that were split.
        levels: the last is the partition that was embedded.
    """

    partitioner: str
    hubs: int
    levels: tuple[LevelReport, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> PartitionReport:
        """What `to_json` gave."""
        levels = tuple(LevelReport(**level) for level in raw["levels"])
        return cls(raw["partitioner"], raw["hubs"], levels)


class _Tally(NamedTuple):
    """Counts by part, `[count]` each: nodes, entries, and of those crossing and in a hub's row."""

    nodes: Array
    entries: Array
    crossing: Array
    of_hubs: Array


def measure(matrix: Csr, parts: Parts, count: int) -> LevelReport:
    """Report on a partition; hubs count as a copy in every part that holds some of them."""
    tally = _Tally(*(np.zeros(count, dtype=np.int64) for _ in _Tally._fields))
    indptr, indices = np.asarray(matrix.indptr), np.asarray(matrix.indices)
    border, copies = _count(indptr, indices, parts, tally)
    edges, filled = len(indices) / 2, max(int(np.count_nonzero(parts > ISOLATED)), 1)
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


@kernel
def _count(indptr: Array, indices: Array, parts: Array, tally: _Tally) -> tuple[int, int]:
    """Fill the tally row by row; nodes with a neighbor elsewhere, and copies of all nodes."""
    border, copies = 0, 0
    # seen[p] is the last node that a copy in part p was counted for; its last place, which is
    # what an index of -1 means, stands for the entries between two hubs.
    seen = np.full(len(tally.entries) + 1, -1, dtype=np.int64)
    for row in range(len(indptr) - 1):
        at = parts[row]
        if at >= 0:
            tally.nodes[at] += 1
            seen[at] = row
            copies += 1
        crosses = False
        for i in range(indptr[row], indptr[row + 1]):
            to = parts[indices[i]]
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
