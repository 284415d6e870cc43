"""Exact attention by size: graphs of one size are one view `[graphs, H, n, d]` for PyTorch.

If all graphs are small, such as molecules, one bucket per size would be too little work for a call.
Then sizes are rounded up to multiples of `STEP`, and each graph is padded with copies of its last
row. A copy has the score -inf as a key, so it has no weight; its result as a query is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from graphagg.nn.segments import GOLDEN, Segments, mix

STEP, SMALL = 8, 64
"""Sizes are rounded up to multiples of `STEP` if no graph has more than `SMALL` vertices."""
_SCORES, _SCORES_AT_ONCE = 1 << 26, 1 << 21
"""256 MiB and 8 MiB in float32."""


@dataclass(frozen=True)
class Buckets:
    """Graphs sorted by (rounded) size; graphs of one size lie side by side.

    `shapes` has (number of graphs, rows of each) of each bucket, without empty graphs. `hidden` is
    added to the scores of each bucket, `[graphs, 1, 1, n]`: -inf at padding, None without padding.
    """

    graphs: Segments
    padded: bool  # sizes are rounded up
    order: Tensor  # `[G]` graphs by size; equal sizes keep their order
    shapes: list[tuple[int, int]]
    hidden: list[Tensor | None]
    rows: Tensor | None  # the row at each sorted position; None if none moves
    positions: Tensor | None  # `[N]` the inverse of `rows`

    @classmethod
    def from_graphs(cls, graphs: Segments, *, biased: bool = False) -> Buckets:
        """Buckets of a batch, cached for the layers of a model; a bias needs exact sizes."""
        padded = not biased and graphs.longest <= SMALL
        return graphs.plan(("buckets", padded), lambda: cls._build(graphs, padded))

    @classmethod
    def _build(cls, graphs: Segments, padded: bool) -> Buckets:
        step = STEP if padded else 1
        sides, order = ((graphs.sizes + step - 1) // step * step).sort(stable=True)
        counts = torch.bincount(sides)
        present = counts.nonzero().flatten()
        shapes = [
            (count, size)
            for count, size in zip(counts[present].tolist(), present.tolist(), strict=True)
            if size
        ]
        owner = torch.repeat_interleave(order, sides)
        positions = torch.arange(len(owner), device=owner.device)
        inside = positions - torch.repeat_interleave(sides.cumsum(0) - sides, sides)
        sizes = graphs.sizes[owner]
        beyond = inside >= sizes
        if len(shapes) <= 1 and len(owner) == graphs.rows:
            return cls(graphs, padded, order, shapes, [None] * len(shapes), None, None)
        rows = graphs.ptr[owner] + torch.minimum(inside, sizes - 1)
        back = torch.empty_like(graphs.index)
        back[rows[~beyond]] = positions[~beyond]
        hidden = [
            _hidden(rows_beyond, *shape)
            for rows_beyond, shape in zip(_split(beyond, shapes), shapes, strict=True)
        ]
        return cls(graphs, padded, order, shapes, hidden, rows, back)

    def sort(self, values: Tensor) -> Tensor:
        """Rows `[N, ...]` in the buckets' order, padded."""
        return values if self.rows is None else _taken(values, self.rows)

    def restore(self, values: Tensor) -> Tensor:
        """Sorted rows back in the batch's order, without padding: `[N, ...]`."""
        return values if self.positions is None else _taken(values, self.positions)

    def pairs(self, flat: Tensor) -> Iterator[Tensor]:
        """The part `[graphs, H, n, n]` of each bucket of a flat bias `[sum n^2, H]`."""
        squares = flat.split_with_sizes(self.graphs.sizes.square().tolist())
        order = [graph for graph in self.order.tolist() if squares[graph].shape[0]]
        for count, size in self.shapes:
            here, order = order[:count], order[count:]
            stacked = torch.stack([squares[graph] for graph in here])
            yield stacked.view(count, size, size, -1).permute(0, 3, 1, 2)


def _taken(values: Tensor, rows: Tensor) -> Tensor:
    # The gradient of an embedding adds up whole rows; an index's is several times slower.
    return F.embedding(rows, values.flatten(1)).view(len(rows), *values.shape[1:])


def _split(values: Tensor, shapes: list[tuple[int, int]]) -> tuple[Tensor, ...]:
    return values.split_with_sizes([count * size for count, size in shapes])


def _hidden(beyond: Tensor, count: int, size: int) -> Tensor | None:
    if not bool(beyond.any()):
        return None
    hidden = torch.zeros(beyond.shape, device=beyond.device).masked_fill_(beyond, -math.inf)
    return hidden.view(count, 1, 1, size)


def bucketed_softmax(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    buckets: Buckets,
    *,
    bias: Tensor | None = None,
    dropout: float = 0.0,
    seed: Tensor | None = None,
) -> Tensor:
    """Softmax attention of `[N', H, d]` rows in the order of `Buckets.sort`; the result likewise.

    `bias` is flat, `[sum n_g^2, H]`, in the batch's order. `dropout` is the probability of dropping
    an attention weight; `seed` `[1]` int64 determines which ones (None: PyTorch draws them).
    """
    masks = iter(buckets.hidden) if bias is None else buckets.pairs(bias)
    qkv = zip(*(_split(rows, buckets.shapes) for rows in (queries, keys, values)), strict=True)
    mixed = []
    for shape, rows, mask in zip(buckets.shapes, qkv, masks, strict=True):
        q, k, v = (t.view(*shape, *t.shape[1:]).transpose(1, 2) for t in rows)
        mask = None if mask is None else mask.to(q.dtype)
        if dropout and seed is not None:
            seed = mix(seed)
            attended = _seeded(q, k, v, mask, dropout, seed)
        else:
            attended = _softmax(q, k, v, mask, dropout)
        mixed.append(attended.transpose(1, 2).flatten(0, 1))
    return torch.cat(mixed) if len(mixed) > 1 else mixed[0] if mixed else values


def _softmax(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, dropout: float
) -> Tensor:
    """Attention of one bucket, `[graphs, H, n, d]`.

    If PyTorch's CPU kernel would hold very many scores, the queries are processed in chunks, which
    are computed again in the backward pass: as fast, in the memory of one chunk's scores.
    """
    attend = F.scaled_dot_product_attention
    scores = queries.shape[0] * queries.shape[1] * queries.shape[2] ** 2
    holds = dropout > 0 or (mask is not None and mask.requires_grad)
    if not holds or scores <= _SCORES or queries.device.type != "cpu":
        return attend(queries, keys, values, attn_mask=mask, dropout_p=dropout)
    rows = max(1, _SCORES_AT_ONCE * queries.shape[2] // scores)
    chunks = torch.split(queries, rows, 2)
    masks = [None] * len(chunks) if mask is None else torch.split(mask, rows, 2)
    mixed = [
        checkpoint(attend, chunk, keys, values, pairs, dropout, use_reentrant=False)
        for chunk, pairs in zip(chunks, masks, strict=True)
    ]
    return torch.cat(mixed, 2)


def _seeded(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, dropout: float, seed: Tensor
) -> Tensor:
    """`_softmax` with dropout by a seed.

    PyTorch draws a Bernoulli number in some ten nanoseconds, more than a small graph's scores take.
    Here splitmix64 makes 64 bits per step: four draws of 16 bits.
    """
    scores = (queries / math.sqrt(queries.shape[3])) @ keys.transpose(2, 3)
    weights = torch.softmax(scores if mask is None else scores + mask, 3)
    # Of 65,536 draws `step` drop a weight; the scale is the step's, so that the mean is exact.
    step = min(max(round(dropout * 2**16), 1), 2**16 - 1)
    bits = mix(seed + GOLDEN * torch.arange(-(-weights.numel() // 4), device=weights.device))
    kept = bits.view(torch.int16)[: weights.numel()] >= step - 2**15
    # Products are faster than selections by booleans.
    return (weights * kept.to(weights.dtype).view_as(weights)) @ values * (2**16 / (2**16 - step))
