"""BigBird: blocks of vertices that attend to neighbouring, global and random blocks.

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

Not permutation equivariant: it hangs on the order of the vertices.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from graphagg.errors import InvalidParameter
from graphagg.nn.attention.base import ProjectedAttention
from graphagg.nn.attention.exact import Buckets, bucketed_softmax
from graphagg.nn.attention.linear import widened
from graphagg.nn.attention.tiles import Tiles
from graphagg.nn.segments import Segments, graph_seeds, mix


class BigBirdAttention(ProjectedAttention):
    """Block-sparse softmax attention; O(N C block k) for k blocks that a block attends to.

    Args:
        channels: C.
        heads: H; must divide C.
        block: Vertices a block.
        window: Blocks on each side of its own that a block attends to.
        global_blocks: Blocks of a graph that all attend to, and that attend to all.
        random_blocks: Blocks drawn for each block.
        seed: Mixed into the seed of each graph's draws.
        dropout: Probability with which an attention weight is dropped in training.
        energy_gate: See `GraphAttention`.

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
        energy_gate: bool = False,
    ) -> None:
        if block < 1 or min(window, global_blocks, random_blocks) < 0:
            raise InvalidParameter(
                f"block is {block}, window {window}, global_blocks {global_blocks} and "
                f"random_blocks {random_blocks}; wanted block at least 1, the others at least 0"
            )
        super().__init__(channels, heads, dropout=dropout, energy_gate=energy_gate)
        self.block, self.window, self.seed = block, window, seed
        self.global_blocks, self.random_blocks = global_blocks, random_blocks

    @property
    def exact_up_to(self) -> int:
        """Largest number of vertices of a graph that is attended to exactly."""
        return self.block * (2 * self.window + 1 + self.global_blocks + self.random_blocks)

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor, graphs: Segments) -> Tensor:
        """Small graphs exactly, the others block by block."""
        parts = (queries, keys, values)
        small = graphs.sizes <= self.exact_up_to
        if bool(small.all()):
            return self._exact(parts, graphs)
        if not bool(small.any()):
            return self._sparse(parts, graphs)
        out = torch.zeros_like(widened(values))
        for chosen, attend in ((small, self._exact), (~small, self._sparse)):
            rows = chosen[graphs.index].nonzero().flatten()
            some = _segments(graphs.sizes[chosen])
            mixed = attend(tuple(part[rows] for part in parts), some)
            out = out.index_copy(0, rows, mixed.to(out.dtype))
        return out

    def _exact(self, parts: tuple[Tensor, ...], graphs: Segments) -> Tensor:
        buckets = Buckets.of(graphs)
        queries, keys, values = (buckets.sort(part) for part in parts)
        dropout = self.dropout if self.training else 0.0
        return buckets.restore(bucketed_softmax(queries, keys, values, buckets, dropout=dropout))

    def _sparse(self, parts: tuple[Tensor, ...], graphs: Segments) -> Tensor:
        tiles = Tiles.of_side(graphs, self.block)
        query, key = self._pairs(tiles)
        with torch.autocast(parts[0].device.type, enabled=False):
            queries, keys, values = (tiles.spread(widened(part)) for part in parts)
            there = tiles.spread(torch.ones_like(graphs.index, dtype=torch.bool))
            scores = torch.einsum("pihd,pjhd->phij", queries[query], keys[key])
            scores = scores / math.sqrt(self.head_channels)
            scores = scores.masked_fill(~there[key][:, None, None], -math.inf)
            most = scores.detach().amax(-1)
            shape = (tiles.owner.numel(), *most.shape[1:])
            where = query.view(-1, 1, 1).expand_as(most)
            most = most.new_full(shape, -math.inf).scatter_reduce(0, where, most, "amax")
            powers = (scores - most[query].unsqueeze(-1)).exp()
            total = powers.new_zeros(shape).index_add(0, query, powers.sum(-1))
            powers = F.dropout(powers, self.dropout, self.training)
            mixed = torch.einsum("phij,pjhd->pihd", powers, values[key])
            sums = torch.zeros_like(values).index_add(0, query, mixed)
            return tiles.gather(sums / total.transpose(1, 2).unsqueeze(-1))

    def _pairs(self, tiles: Tiles) -> tuple[Tensor, Tensor]:
        """Which block attends to which: two `[P]` block numbers, each pair once, sorted."""
        owner, total = tiles.owner, tiles.owner.numel()
        counts = torch.bincount(owner, minlength=tiles.graphs.count)
        first, count = (counts.cumsum(0) - counts)[owner], counts[owner]
        blocks = torch.arange(total, device=owner.device)
        pairs = []
        for step in range(-self.window, self.window + 1):
            near = blocks + step
            inside = (near >= first) & (near < first + count)
            pairs.append((blocks[inside], near[inside]))
        for step in range(self.global_blocks):
            has = step < count
            pairs += [(blocks[has], (first + step)[has]), ((first + step)[has], blocks[has])]
        seeds = graph_seeds(tiles.graphs, None, self.seed)[owner]
        for draw in range(self.random_blocks):
            digest = mix(seeds + mix(blocks - first + (draw << 40))) & 0x7FFFFFFFFFFFFFFF
            pairs.append((blocks, first + digest % count))
        query, key = (torch.cat(side) for side in zip(*pairs, strict=True))
        codes = torch.unique(query * total + key)
        return codes // total, codes % total


def _segments(sizes: Tensor) -> Segments:
    ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    return Segments(ptr, torch.repeat_interleave(sizes))
