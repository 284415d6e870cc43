"""BigBird: blocks of vertices that attend to neighboring, global and random blocks.

Paper: Big Bird: Transformers for Longer Sequences (arXiv 2007.14062), section 2, as GraphGPS
(arXiv 2205.12454) uses it: the vertices of a graph, in their order in the batch, are the sequence.
A block of queries attends exactly, by one softmax, to all keys of

- the blocks at most `window` blocks away,
- the first `global_blocks` blocks of its graph, which themselves attend to every block,
- `random_blocks` blocks drawn for it.

Departures: blocks never reach over the end of a graph; random blocks are drawn from the graph's own
content (its size) and may fall on a block that is attended to anyway, which then counts once; the
global blocks are the first ones, where the paper leaves the choice open. A graph of no more
vertices than the blocks of one query block hold, `block * (2 window + 1 + global_blocks +
random_blocks)`, is attended to exactly.

Not permutation equivariant: the result depends on the order of the vertices.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from graphagg.checks import integer
from graphagg.nn.attention.base import ProjectedAttention
from graphagg.nn.attention.buckets import Buckets, bucketed_softmax
from graphagg.nn.attention.tiles import Tiles
from graphagg.nn.segments import Segments, graph_seeds, mix, offsets


class BigBirdAttention(ProjectedAttention):
    """Block-sparse softmax attention; O(N C block k) for k blocks that a block attends to.

    Args:
        channels: C.
        heads: H; must divide C.
        block: vertices per block.
        window: blocks on each side of its own that a block attends to.
        global_blocks: blocks of a graph that all attend to, and that attend to all.
        random_blocks: blocks drawn for each block.
        seed: mixed into the seed of each graph's draws.
        dropout: probability with which an attention weight is dropped in training.

    Raises:
        InvalidParameter: `block` below 1 or another count below 0, or what `GraphAttention` raises.
    """

    equivariant: ClassVar[bool] = False

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        *,
        block: int = 16,
        window: int = 1,
        global_blocks: int = 1,
        random_blocks: int = 3,
        seed: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(channels, heads, dropout=dropout)
        self.seed, self.block = seed, integer("block", block, 1)
        self.window = integer("window", window, 0)
        self.global_blocks = integer("global_blocks", global_blocks, 0)
        self.random_blocks = integer("random_blocks", random_blocks, 0)

    @property
    def exact_up_to(self) -> int:
        """Largest number of vertices of a graph that is attended to exactly."""
        return self.block * (2 * self.window + 1 + self.global_blocks + self.random_blocks)

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor, graphs: Segments) -> Tensor:
        """Small graphs exactly, the others block by block."""
        projected = (queries, keys, values.to(queries.dtype))
        small = graphs.sizes <= self.exact_up_to
        if bool(small.all()):
            return self._exact(projected, graphs)
        if not bool(small.any()):
            return self._sparse(projected, graphs)
        out = torch.zeros_like(values)
        for chosen, attend in ((small, self._exact), (~small, self._sparse)):
            rows = chosen[graphs.index].nonzero().flatten()
            some = _segments(graphs.sizes[chosen])
            mixed = attend(tuple(tensor[rows] for tensor in projected), some)
            out = out.index_copy(0, rows, mixed.to(out.dtype))
        return out

    def _exact(self, projected: tuple[Tensor, ...], graphs: Segments) -> Tensor:
        buckets = Buckets.of(graphs)
        queries, keys, values = (buckets.sort(tensor) for tensor in projected)
        dropout = self.dropout if self.training else 0.0
        return buckets.restore(bucketed_softmax(queries, keys, values, buckets, dropout=dropout))

    def _sparse(self, projected: tuple[Tensor, ...], graphs: Segments) -> Tensor:
        tiles = Tiles.of_side(graphs, self.block)
        slots, used = self._slots(tiles)
        there = tiles.spread(torch.ones_like(graphs.index, dtype=torch.bool))
        mask = (used.unsqueeze(-1) & there[slots]).flatten(1)[:, None, None]
        queries, keys, values = (tiles.spread(tensor) for tensor in projected)
        mixed = self._softmax(queries, keys[slots].flatten(1, 2), values[slots].flatten(1, 2), mask)
        rows = tiles.gather(mixed)
        return self._globals(projected, rows, graphs) if self.global_blocks else rows

    def _globals(self, projected: tuple[Tensor, ...], rows: Tensor, graphs: Segments) -> Tensor:
        """Replace the rows of the global blocks, which attend to all of their graph."""
        sizes, reach, pieces = graphs.sizes.tolist(), self.global_blocks * self.block, []
        split = (tensor.split_with_sizes(sizes) for tensor in (*projected, rows))
        for queries, keys, values, sparse in zip(*split, strict=True):
            if len(sparse):
                pieces.append(
                    self._softmax(queries[None, :reach], keys[None], values[None], None)[0]
                )
                pieces.append(sparse[reach:])
        return torch.cat(pieces)

    def _softmax(
        self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Softmax attention of `[B, L, H, d]` to `[B, M, H, d]`: `[B, L, H, d]`."""
        q, k, v = (tensor.transpose(1, 2) for tensor in (queries, keys, values))
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return mixed.transpose(1, 2)

    def _slots(self, tiles: Tiles) -> tuple[Tensor, Tensor]:
        """Blocks that each block attends to: `[B, K]` block numbers, and which of them count.

        A slot does not count where it would lie outside the graph or repeats an earlier one.
        """
        owner = tiles.owner
        counts = torch.bincount(owner, minlength=tiles.graphs.count)
        first, count = (counts.cumsum(0) - counts)[owner], counts[owner]
        block = torch.arange(owner.numel(), device=owner.device) - first
        near = [block + step for step in range(-self.window, self.window + 1)]
        everywhere = [torch.full_like(block, step) for step in range(self.global_blocks)]
        seeds = graph_seeds(tiles.graphs, None, self.seed)[owner]
        drawn = [
            (mix(seeds + mix(block + (draw << 40))) & 0x7FFFFFFFFFFFFFFF) % count
            for draw in range(self.random_blocks)
        ]
        slots = torch.stack([*near, *everywhere, *drawn], 1)
        inside = (slots >= 0) & (slots < count.unsqueeze(1))
        repeats = (slots.unsqueeze(2) == slots.unsqueeze(1)).tril(-1).any(2)
        return torch.where(inside, slots, 0) + first.unsqueeze(1), inside & ~repeats


def _segments(sizes: Tensor) -> Segments:
    ptr = offsets(sizes)
    return Segments(ptr, torch.repeat_interleave(sizes))
