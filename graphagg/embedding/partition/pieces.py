"""A partitioned matrix: row pieces with their halo columns.

A piece holds whole rows of the nodes that it owns, so every edge is in the piece of each of its
ends, and no edge is dropped. Its columns are the nodes that its rows name: its nodes and its halo.
Nodes are renumbered so that the nodes of a piece are a range; columns in the new numbers then are
sorted by their owner, and the rows that one piece sends another are a run on both sides.

A hub, a node with more entries than a piece may hold, belongs to no piece: hubs have the numbers 0
to h - 1. Entry (hub, u) lies in the piece that owns u, so a hub's row is the sum of the pieces'
shares of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.graph.csr import Csr

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """Rows of a matrix, with columns of their own numbering.

    Attributes:
        index: its position among the pieces.
        first: the first node that it owns; it owns `first` to `first + whole - 1`.
        whole: count of whole rows, one per node that it owns.
        hubs: `[p]` ascending numbers of the hubs whose partial rows follow the whole ones.
        columns: `[c]` ascending numbers of the nodes that its entries name.
        matrix: `[whole + p, c]` rows; column j stands for node `columns[j]`.
    """

    index: int
    first: int
    whole: int
    hubs: Numbers
    columns: Numbers
    matrix: Csr

    def with_values(self, values: Array) -> Csr:
        """The piece's pattern with other values, `[nnz]`."""
        return Csr(self.matrix.indptr, self.matrix.indices, values, self.matrix.columns)


@dataclass(frozen=True)
class Layout:
    """The order of nodes by piece.

    Attributes:
        order: `[N']` old numbers in the order of the new ones; nodes without an edge are left out.
        starts: `[k + 1]` new numbers; piece i owns `starts[i]` to `starts[i + 1] - 1`. Hubs are
            below `starts[0]`.
    """

    order: Numbers
    starts: Numbers

    @property
    def pieces(self) -> int:
        """k, the count of pieces."""
        return len(self.starts) - 1

    @property
    def hubs(self) -> int:
        """Count of the nodes that are split."""
        return int(self.starts[0])

    def numbers(self, nodes: int) -> Numbers:
        """The new number of each of `nodes` old ones; -1 for nodes without an edge."""
        new = np.full(nodes, -1, dtype=np.int64)
        new[self.order] = np.arange(len(self.order))
        return new

    def owner(self, nodes: Numbers) -> Numbers:
        """The piece of each node by its new number; -1 for hubs."""
        return np.asarray(np.searchsorted(self.starts, nodes, side="right") - 1)

    @classmethod
    def of(cls, piece_of: npt.NDArray[np.integer[Any]], count: int) -> Layout:
        """Number nodes by their piece, then by their old number.

        Args:
            piece_of: `[N]` the piece of each node, -1 for hubs, -2 for nodes without an edge.
            count: count of pieces.
        """
        order = np.argsort(piece_of, kind="stable")
        order = order[np.searchsorted(piece_of[order], -1) :].astype(np.int64)
        starts = np.searchsorted(piece_of[order], np.arange(count + 1)).astype(np.int64)
        return cls(order, starts)


def cut(matrix: Csr, layout: Layout) -> Iterator[Piece]:
    """The pieces of a matrix, one after another."""
    new = layout.numbers(matrix.rows)
    hub_rows = hub_entries(matrix, layout, new)
    for i in range(layout.pieces):
        old = layout.order[layout.starts[i] : layout.starts[i + 1]]
        owners, columns = matrix.gather(old)
        values = matrix.entries[matrix.places(old)]
        entries = (owners + layout.starts[i], new[columns], values)
        theirs = hub_rows[3] == i
        joined = [np.concatenate((a, b[theirs])) for a, b in zip(entries, hub_rows, strict=False)]
        yield make_piece(i, layout.starts, *joined)


def hub_entries(matrix: Csr, layout: Layout, new: Numbers) -> tuple[Array, Array, Array, Array]:
    """Row, column, value and piece of each entry of a hub's row."""
    hubs = layout.order[: layout.hubs]
    owners, columns = matrix.gather(hubs)
    named = new[columns]
    values = matrix.entries[matrix.places(hubs)]
    return owners, named, values, piece_of_entry(layout, owners, named)


def piece_of_entry(layout: Layout, rows: Numbers, columns: Numbers) -> Numbers:
    """The piece of each entry: the row's; of a hub's the column's; between hubs by turns."""
    piece = layout.owner(rows)
    piece = np.where(piece < 0, layout.owner(columns), piece)
    return np.where(piece < 0, (rows + columns) % layout.pieces, piece)


def make_piece(index: int, starts: Numbers, rows: Array, columns: Array, values: Array) -> Piece:
    """A piece from its entries in new numbers, in any order."""
    first, whole = int(starts[index]), int(starts[index + 1] - starts[index])
    hubs = np.unique(rows[rows < starts[0]]).astype(np.int64)
    local = np.where(rows < starts[0], whole + np.searchsorted(hubs, rows), rows - first)
    names, positions = np.unique(columns, return_inverse=True)
    shape = (whole + len(hubs), len(names))
    return Piece(
        index, first, whole, hubs, names.astype(np.int64),
        Csr.from_pairs(local, positions, values.astype(np.float32), shape),
    )  # fmt: skip
