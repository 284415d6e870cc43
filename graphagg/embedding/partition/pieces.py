"""A partitioned matrix: row pieces with their halo columns.

A piece holds complete rows of the nodes that it owns, so each edge is in the pieces of both ends.
Its columns are its own nodes and its halo: the other nodes that occur in its rows. Nodes are
renumbered so that each piece owns a range; its columns are then sorted by owner.

A hub, a node with more entries than a piece may hold, belongs to no piece. Hubs have the numbers 0
to h - 1. Entry (hub, u) is in the piece that owns u, so the row of a hub is the sum of its partial
rows in the pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Ints
from graphagg.execution.arrays import ArrayStore
from graphagg.graph.csr import Csr

PIECE = "piece"
"""Name of the stage that saves the arrays of the pieces."""


@dataclass(frozen=True)
class Piece:
    """Rows of a matrix, with columns numbered within the piece.

    Attributes:
        first: the first node that the piece owns; it owns `first` to `first + owned - 1`.
        owned: number of nodes that the piece owns; each has a complete row.
        hubs: `[p]` ascending numbers of the hubs whose partial rows follow the complete rows.
        columns: `[c]` ascending node numbers of the columns.
        matrix: `[owned + p, c]` rows; column j is node `columns[j]`.
    """

    index: int
    first: int
    owned: int
    hubs: Ints
    columns: Ints
    matrix: Csr

    def with_values(self, values: Array) -> Csr:
        """Return the piece's matrix with its values replaced by `values`, `[nnz]`."""
        return Csr(self.matrix.indptr, self.matrix.indices, values, self.matrix.columns)


@dataclass(frozen=True)
class PieceLayout:
    """The order of nodes by piece.

    Attributes:
        order: `[N']` old numbers in the order of the new ones, without nodes that have no edge.
        starts: `[k + 1]` new numbers; piece i owns `starts[i]` to `starts[i + 1] - 1`. Hubs are
            below `starts[0]`.
    """

    order: Ints
    starts: Ints

    @property
    def pieces(self) -> int:
        """Number k of pieces."""
        return len(self.starts) - 1

    @property
    def hubs(self) -> int:
        """Number of nodes that are split."""
        return int(self.starts[0])

    def numbers(self, nodes: int) -> Ints:
        """Return the new number of each of `nodes` old numbers; -1 for nodes without an edge."""
        new = np.full(nodes, -1, dtype=np.int64)
        new[self.order] = np.arange(len(self.order))
        return new

    @classmethod
    def from_parts(cls, piece_of: npt.NDArray[np.integer[Any]], count: int) -> PieceLayout:
        """Number nodes by piece (-1: hub, -2: without an edge), then by their old number."""
        order = np.argsort(piece_of, kind="stable")
        order = order[np.searchsorted(piece_of[order], -1) :].astype(np.int64)
        starts = np.searchsorted(piece_of[order], np.arange(count + 1)).astype(np.int64)
        return cls(order, starts)


def cut_piece(matrix: Csr, layout: PieceLayout, numbers: Ints, index: int) -> Piece:
    """Cut one piece from a matrix in old numbers; `numbers` comes from `PieceLayout.numbers`."""
    first, end = (int(start) for start in layout.starts[index : index + 2])
    nodes = layout.order[first:end]
    owners, columns = matrix.gather(nodes)
    hubs = layout.order[: layout.hubs]
    owner, adjacent = matrix.gather(hubs)
    ends = numbers[adjacent]
    # A hub's entry is in the piece of its column; entries between hubs go to pieces in turn.
    turn, inside = (owner + ends) % layout.pieces, (first <= ends) & (ends < end)
    mine = np.where(ends < layout.hubs, turn == index, inside)
    rows = np.concatenate((owners + first, owner[mine]))
    columns = np.concatenate((numbers[columns], ends[mine]))
    places = np.concatenate((matrix.places(nodes), matrix.places(hubs)[mine]))
    values = matrix.entries[places]
    hubs = np.unique(rows[rows < layout.hubs]).astype(np.int64)
    owned = end - first
    local = np.where(rows < layout.hubs, owned + np.searchsorted(hubs, rows), rows - first)
    names, positions = np.unique(columns, return_inverse=True)
    shape = (owned + len(hubs), len(names))
    own = Csr.from_pairs(local, positions, values.astype(np.float32), shape)
    return Piece(index, first, owned, hubs, names.astype(np.int64), own)


def save_piece(arrays: ArrayStore, piece: Piece) -> None:
    """Save a piece as arrays of block `piece.index`."""
    matrix = piece.matrix
    arrays.blocks.save(
        PIECE, piece.index, hubs=piece.hubs, columns=piece.columns,
        indptr=matrix.indptr, indices=matrix.indices, values=matrix.entries,
    )  # fmt: skip


def load_piece(arrays: ArrayStore, layout: PieceLayout, index: int) -> Piece:
    """Load a piece that `save_piece` saved."""
    hubs, columns, indptr, indices, values = (
        arrays.blocks.load(PIECE, index, name)
        for name in ("hubs", "columns", "indptr", "indices", "values")
    )
    first, end = (int(start) for start in layout.starts[index : index + 2])
    matrix = Csr(indptr, indices, values, len(columns))
    return Piece(index, first, end - first, hubs, columns, matrix)
