"""Buckets for attention: graphs of equal size form one view `[graphs, H, n, d]` for PyTorch.

If all graphs are small, such as molecules, one bucket per size would have too little work per call.
Then sizes are rounded up to multiples of `STEP`, and each graph is padded with copies of its last
row. As a key, a copy has score -inf, so it has no weight; as a query, its result is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from graphagg.nn.dropout import drop
from graphagg.nn.segments import Segments

STEP, SMALL = 8, 64
"""Sizes are rounded up to multiples of `STEP` if no graph has more than `SMALL` vertices."""
_SCORES, _SCORES_AT_ONCE = 1 << 24, 1 << 21
"""Maximum scores (64 MiB in float32) without chunks of queries; scores per chunk (8 MiB)."""


Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Buckets:
    """Graphs sorted by (rounded) size, so that graphs of equal size are adjacent.

    `shapes` has (number of graphs, rows per graph) for each bucket, without empty graphs. `hidden`
    is added to a bucket's scores, `[graphs, 1, 1, n]`: -inf at padding, None without padding.
    """

    shapes: list[tuple[int, int]]
    hidden: list[Tensor | None]
    rows: Tensor | None  # the row at each sorted position; None if no row moves
    positions: Tensor | None  # `[N]` the inverse of `rows`

    @classmethod
    def from_graphs(cls, graphs: Segments) -> Buckets:
        """Return the buckets of a batch, cached for all layers of a model."""
        made: Buckets = graphs.plans.get("buckets") or cls._build(graphs)
        graphs.plans["buckets"] = made
        return made

    @classmethod
    def _build(cls, graphs: Segments) -> Buckets:
        step = STEP if graphs.longest <= SMALL else 1
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
            return cls(shapes, [None] * len(shapes), None, None)
        rows = graphs.ptr[owner] + torch.minimum(inside, sizes - 1)
        back = torch.empty_like(graphs.index)
        back[rows[~beyond]] = positions[~beyond]
        hidden = [
            _hidden(rows_beyond, *shape)
            for rows_beyond, shape in zip(_split(beyond, shapes), shapes, strict=True)
        ]
        return cls(shapes, hidden, rows, back)

    def sort(self, values: Tensor) -> Tensor:
        """Reorder rows `[N, ...]` by bucket, and pad them."""
        return values if self.rows is None else _taken(values, self.rows)

    def restore(self, values: Tensor) -> Tensor:
        """Reorder sorted rows as in the batch, and drop padding: `[N, ...]`."""
        return values if self.positions is None else _taken(values, self.positions)

    def apply(self, attend: Attend, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Call `attend` on each bucket of sorted rows `[N', H, d]`; return rows in the same order.

        `attend` takes three tensors `[graphs, H, n, d]` and the bucket's `hidden`.
        """
        qkv = zip(*(_split(rows, self.shapes) for rows in (queries, keys, values)), strict=True)
        mixed = []
        for shape, rows, hidden in zip(self.shapes, qkv, self.hidden, strict=True):
            q, k, v = (t.view(*shape, *t.shape[1:]).transpose(1, 2) for t in rows)
            mask = None if hidden is None else hidden.to(q.dtype)
            mixed.append(attend(q, k, v, mask).transpose(1, 2).flatten(0, 1))
        return torch.cat(mixed) if len(mixed) > 1 else mixed[0]


def _taken(values: Tensor, rows: Tensor) -> Tensor:
    # The gradient of `embedding` adds whole rows; the gradient of indexing is several times slower.
    return F.embedding(rows, values.flatten(1)).view(len(rows), *values.shape[1:])


def _split(values: Tensor, shapes: list[tuple[int, int]]) -> tuple[Tensor, ...]:
    return values.split_with_sizes([count * size for count, size in shapes])


def _hidden(beyond: Tensor, count: int, size: int) -> Tensor | None:
    if not bool(beyond.any()):
        return None
    hidden = torch.zeros(beyond.shape, device=beyond.device).masked_fill_(beyond, -math.inf)
    return hidden.view(count, 1, 1, size)


def softmax_attention(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, dropout: float = 0.0
) -> Tensor:
    """Attend in one bucket, `[graphs, H, n, d]`; `dropout` is the probability to drop a weight.

    On a CPU, PyTorch's kernel spends most of its time drawing random numbers for dropout. Here
    `drop` does it faster. If there are very many weights, queries are processed in chunks, which
    the backward pass recomputes, so that memory holds the scores of one chunk.
    """
    if not dropout or queries.device.type != "cpu":
        attend = F.scaled_dot_product_attention
        return attend(queries, keys, values, attn_mask=mask, dropout_p=dropout)
    scores = queries.shape[0] * queries.shape[1] * queries.shape[2] ** 2
    if scores <= _SCORES:
        return _dropping(queries, keys, values, mask, dropout)
    rows = max(1, _SCORES_AT_ONCE * queries.shape[2] // scores)
    mixed = [
        checkpoint(_dropping, chunk, keys, values, mask, dropout, use_reentrant=False)
        for chunk in torch.split(queries, rows, 2)
    ]
    return torch.cat(mixed, 2)


def _dropping(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, dropout: float
) -> Tensor:
    scores = (queries / math.sqrt(queries.shape[3])) @ keys.transpose(2, 3)
    weights = torch.softmax(scores if mask is None else scores + mask, 3)
    return drop(weights, dropout) @ values
