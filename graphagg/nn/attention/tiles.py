"""Sums of outer products over the graphs of a ragged batch, at the speed of batched GEMMs.

Linear attention needs, for each graph, S = sum_j phi(k_j) v_j^T, and then q_i^T S for each of its
vertices. One outer product per vertex would hold N m d numbers. Here the rows of a graph are cut
into tiles of c rows; one batched GEMM gives S of each tile, and the tiles of a graph are added.
Rows that fill up a tile are 0 in both factors, so they add exactly nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphagg.nn.segments import Segments

LARGEST_TILE = 64
# Largest share of fill-up rows: a balance between many small products and useless rows.
WASTE = 0.5


@dataclass(frozen=True)
class Tiles:
    """The rows of a batch in tiles, no tile in two graphs."""

    graphs: Segments
    side: int  # c, the rows of a tile
    owner: Tensor  # `[T]` the graph of each tile, non-decreasing
    positions: Tensor | None  # `[N]` each row's position in the tiles; None if none moves

    @classmethod
    def from_graphs(cls, graphs: Segments) -> Tiles:
        """The largest tiles that waste no more than `WASTE`; O(N)."""
        sizes, side = graphs.sizes, LARGEST_TILE
        counts = (sizes + side - 1) // side
        while side > 1 and int(counts.sum()) * side > (1 + WASTE) * graphs.rows:
            side //= 2
            counts = (sizes + side - 1) // side
        owner = torch.repeat_interleave(counts)
        if owner.numel() * side == graphs.rows:
            return cls(graphs, side, owner, None)
        shift = (counts.cumsum(0) - counts) * side - graphs.ptr[:-1]
        rows = torch.arange(graphs.rows, device=owner.device)
        return cls(graphs, side, owner, rows + shift[graphs.index])

    def spread(self, values: Tensor) -> Tensor:
        """Rows `[N, ...]` as tiles `[T, c, ...]`, filled up with zeros."""
        shape = (self.owner.numel(), self.side, *values.shape[1:])
        if self.positions is None:
            return values.reshape(shape)
        room = values.new_zeros(self.owner.numel() * self.side, *values.shape[1:])
        return room.index_copy(0, self.positions, values).view(shape)

    def gather(self, tiles: Tensor) -> Tensor:
        """Tiles `[T, c, ...]` as rows `[N, ...]`."""
        rows = tiles.flatten(0, 1)
        return rows if self.positions is None else rows[self.positions]

    def outer(self, left: Tensor, right: Tensor) -> Tensor:
        """Sums of outer products: `[N, H, m]` and `[N, H, d]` to `[G, H, m, d]`; O(N H m d)."""
        products = torch.einsum("tchm,tchd->thmd", self.spread(left), self.spread(right))
        sums = products.new_zeros(self.graphs.count, *products.shape[1:])
        return sums.index_add(0, self.owner, products)

    def apply(self, left: Tensor, sums: Tensor) -> Tensor:
        """Each row times its graph's matrix: `[N, H, m]`, `[G, H, m, d]` to `[N, H, d]`."""
        return self.gather(torch.einsum("tchm,thmd->tchd", self.spread(left), sums[self.owner]))
