"""Cutting a matrix into pieces that are balanced in entries, and saying how good the cut is.

A node weighs as many entries as its piece will hold for it: its degree, and one more for each hub
beside it. METIS (Karypis and Kumar, 1998) balances that sum; its own balance in vertices alone lets
a piece have 3 to 8 times the mean of entries on social graphs.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig
from graphagg.errors import InvalidParameter, MissingExtra, PieceTooLarge
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.csr import Csr

Parts = npt.NDArray[np.int32]

SLACK = 1.05
"""A piece's entries over the mean, at most."""
WORKER_ENTRIES = 100_000_000
"""Entries up to which `auto` lets one worker partition the graph."""
HUB, ISOLATED, ADDED = -1, -2, -3
"""Parts of nodes that are split, have no edge, or came later by `add`."""


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


def piece_count(config: EmbeddingConfig, entries: int, nodes: int) -> int:
    """How many pieces a matrix is cut into.

    Raises:
        InvalidParameter: there are more pieces than nodes with an edge.
    """
    limit = config.max_piece_edges or MAX_PIECE_EDGES
    count = config.pieces or max(1, math.ceil(entries * SLACK / limit))
    if count > nodes:
        raise InvalidParameter(
            f"{count:,} pieces of {nodes:,} vertices with an edge, wanted at most one piece a "
            f"vertex; take --pieces {nodes} or fewer, or a larger --max-piece-edges"
        )
    return count


def hub_bound(config: EmbeddingConfig, entries: int, pieces: int) -> int:
    """Entries above which a node is a hub, whose row is shared out."""
    limit = max(2, entries // (2 * pieces)) if pieces > 1 else entries
    return limit if config.max_piece_edges is None else min(limit, config.max_piece_edges // 2)


def node_weights(matrix: Csr, hubs: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Entries that a piece holds for each node, `[N]`: its own and those of hubs in its column."""
    degrees = matrix.degrees()
    if not hubs.any():
        return degrees
    beside = np.bincount(expand_rows(matrix)[hubs[matrix.indices]], minlength=matrix.rows)
    return np.where(hubs, 0, degrees + beside)


def metis(matrix: Csr, weights: npt.NDArray[np.int64], count: int, seed: int) -> Parts:
    """Parts `[N]` of a symmetric matrix; entry values that are no ones count as edge weights.

    Raises:
        MissingExtra: pymetis is not installed.
    """
    try:
        import pymetis
    except ImportError:
        raise MissingExtra("pymetis", "embedding") from None
    if count == 1:
        return np.zeros(matrix.rows, dtype=np.int32)
    options = pymetis.Options(ufactor=round(1000 * (SLACK - 1)), seed=seed % 2**31)
    edges = None
    if matrix.data is not None:
        edges = np.maximum(1, np.minimum(matrix.data, 2**30)).astype(np.int64)
    _, parts = pymetis.part_graph(
        count,
        pymetis.CSRAdjacency(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)),
        vweights=np.maximum(weights, 1),
        eweights=edges,
        options=options,
        recursive=False,
    )
    return np.asarray(parts, dtype=np.int32)


def used(parts: Parts, weights: Array, count: int) -> Parts:
    """Give each part that got no node one of the part with the most nodes, the lightest first."""
    parts = parts.copy()
    sizes = np.bincount(parts, minlength=count)
    for empty in np.flatnonzero(sizes == 0):
        members = np.flatnonzero(parts == np.argmax(sizes))
        parts[members[np.argmin(weights[members])]] = empty
        sizes = np.bincount(parts, minlength=count)
    return parts


def induced(matrix: Csr, nodes: Array) -> Csr:
    """The pattern between some nodes (ascending), in their places; values kept."""
    place = np.full(matrix.columns, -1, dtype=np.int64)
    place[nodes] = np.arange(len(nodes))
    owners, columns = matrix.gather(nodes)
    kept = place[columns] >= 0
    data = None
    if matrix.data is not None:
        data = matrix.data[matrix.places(nodes)[kept]]
    indptr = np.zeros(len(nodes) + 1, dtype=np.int64)
    np.cumsum(np.bincount(owners[kept], minlength=len(nodes)), out=indptr[1:])
    return Csr(indptr, place[columns[kept]].astype(np.int32), data, len(nodes))


def measure(matrix: Csr, parts: Parts, count: int) -> LevelReport:
    """Report on a partition; hubs (-1) count as a copy in every part that holds some of them."""
    rows, columns = expand_rows(matrix), np.asarray(matrix.indices)
    at, to = parts[rows], parts[columns]
    crossing = (at != to) | (at < 0)
    edges = len(rows) / 2
    holder = np.where(at < 0, np.where(to < 0, 0, to), at)
    entries = np.bincount(holder, minlength=count)
    inside = np.bincount(holder[~crossing], minlength=count) / 2
    to_hub = np.bincount(holder[(at < 0) & (to >= 0)], minlength=count)
    stored = inside + np.bincount(holder[crossing], minlength=count) - to_hub
    sizes = np.bincount(parts[parts >= 0], minlength=count)
    return LevelReport(
        pieces=count,
        cut=float(np.count_nonzero(crossing) / 2 / max(edges, 1)),
        edge_balance=float(entries.max() / max(entries.mean(), 1e-9)),
        vertex_balance=float(sizes.max() / max(sizes.mean(), 1e-9)),
        border=float(
            len(np.unique(rows[crossing])) / max(int(np.count_nonzero(parts > ISOLATED)), 1)
        ),
        copies=_copies(matrix, parts, count),
        largest=float(stored.max() / max(edges, 1)),
    )


def _copies(matrix: Csr, parts: Parts, count: int) -> float:
    """Mean over nodes with an edge of the parts that hold them, as row or as halo column."""
    rows, columns = expand_rows(matrix), np.asarray(matrix.indices)
    holder = np.where(parts[rows] < 0, parts[columns], parts[rows])
    keys = np.unique(holder.astype(np.int64) * matrix.rows + columns)
    own = np.flatnonzero(parts >= 0)
    keys = np.union1d(keys, parts[own].astype(np.int64) * matrix.rows + own)
    return float(len(keys) / max(int(np.count_nonzero(parts > ISOLATED)), 1))


def check_pieces(entries: Array, limit: int | None) -> None:
    """Raise `PieceTooLarge` for the largest piece over the limit."""
    if limit is not None and len(entries) and entries.max() > limit:
        worst = int(np.argmax(entries))
        raise PieceTooLarge(
            f"piece {worst} of {len(entries):,} has {int(entries[worst]):,} entries, wanted at "
            f"most {limit:,}; raise --max-piece-edges to {int(entries[worst]):,}, or give more "
            "--pieces"
        )
