"""Exact attention by size: graphs of one size are one view, for PyTorch's fused kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from graphagg.nn.segments import Segments


@dataclass(frozen=True)
class Buckets:
    """Graphs sorted by size; those of one size lie side by side.

    Attributes:
        graphs: the batch.
        order: `[G]` graphs by size, the smallest first; equal sizes stay in the batch's order.
        shapes: (number of graphs, vertices of each) of each bucket; empty graphs are in none.
        rows: `[N]` the row of the batch at each sorted place, or None where the order is the same.
    """

    graphs: Segments
    order: Tensor
    shapes: list[tuple[int, int]]
    rows: Tensor | None

    @classmethod
    def of(cls, graphs: Segments) -> Buckets:
        """Buckets of a batch; O(G log G + N)."""
        sizes, order = graphs.sizes.sort(stable=True)
        counts = torch.bincount(sizes)
        present = counts.nonzero().flatten()
        shapes = [
            (count, size)
            for count, size in zip(counts[present].tolist(), present.tolist(), strict=True)
            if size
        ]
        if len(shapes) <= 1:
            return cls(graphs, order, shapes, None)
        shift = graphs.ptr[order] - (sizes.cumsum(0) - sizes)
        rows = torch.arange(graphs.rows, device=order.device)
        return cls(graphs, order, shapes, rows + torch.repeat_interleave(shift, sizes))

    def sort(self, values: Tensor) -> Tensor:
        """Rows `[N, ...]` in the buckets' order."""
        return values if self.rows is None else values[self.rows]

    def restore(self, values: Tensor) -> Tensor:
        """Rows `[N, ...]` back in the batch's order."""
        if self.rows is None:
            return values
        back = torch.empty_like(self.rows)
        back[self.rows] = torch.arange(self.rows.numel(), device=back.device)
        return values[back]

    def pairs(self, flat: Tensor) -> Iterator[Tensor]:
        """Of a flat bias `[sum n^2, H]`, each bucket's part `[graphs, H, n, n]`."""
        parts = flat.split_with_sizes(self.graphs.sizes.square().tolist())
        order = [graph for graph in self.order.tolist() if parts[graph].shape[0]]
        for count, size in self.shapes:
            here, order = order[:count], order[count:]
            part = torch.stack([parts[graph] for graph in here])
            yield part.view(count, size, size, -1).permute(0, 3, 1, 2)


def bucketed_softmax(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    buckets: Buckets,
    *,
    bias: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Softmax attention bucket by bucket.

    Args:
        queries: `[N, H, d]`, rows in the buckets' order; so are keys and values.
        keys: `[N, H, d]`.
        values: `[N, H, d]`.
        buckets: the buckets of the batch.
        bias: flat, `[sum n_g^2, H]`, in the batch's order.
        dropout: probability with which an attention weight is dropped.

    Returns:
        `[N, H, d]` in the buckets' order.
    """
    rows = [count * size for count, size in buckets.shapes]
    parts = zip(*(part.split_with_sizes(rows) for part in (queries, keys, values)), strict=True)
    biases: Iterator[Tensor | None] = (
        iter([None] * len(rows)) if bias is None else buckets.pairs(bias)
    )
    mixed = []
    for shape, part, pairs in zip(buckets.shapes, parts, biases, strict=True):
        q, k, v = (t.view(*shape, *t.shape[1:]).transpose(1, 2) for t in part)
        if pairs is not None:
            pairs = pairs.to(q.dtype)
        bucket = _softmax(q, k, v, pairs, dropout)
        mixed.append(bucket.transpose(1, 2).flatten(0, 1))
    return torch.cat(mixed) if len(mixed) > 1 else mixed[0] if mixed else values


def _softmax(
    queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, dropout: float
) -> Tensor:
    """Attention of one bucket, `[graphs, H, n, d]`.

    Where PyTorch's kernel on a CPU would hold very many scores, some queries are taken at a time,
    and once more in the backward pass: as fast, and the memory is that of their scores.
    """
    attend = F.scaled_dot_product_attention
    scores = queries.shape[0] * queries.shape[1] * queries.shape[2] ** 2
    holds = dropout > 0 or (bias is not None and bias.requires_grad)
    if not holds or scores <= _SCORES or queries.device.type != "cpu":
        return attend(queries, keys, values, attn_mask=bias, dropout_p=dropout)
    rows = max(1, _SCORES_AT_ONCE * queries.shape[2] // scores)
    parts = torch.split(queries, rows, 2)
    biases = [None] * len(parts) if bias is None else torch.split(bias, rows, 2)
    mixed = [
        checkpoint(attend, part, keys, values, pairs, dropout, use_reentrant=False)
        for part, pairs in zip(parts, biases, strict=True)
    ]
    return torch.cat(mixed, 2)


_SCORES, _SCORES_AT_ONCE = 1 << 26, 1 << 21
"""256 MiB and 8 MiB in float32."""
