"""Exact softmax attention on a ragged batch, without padding and without a mask.

    a_ij = softmax_j(q_i . k_j / sqrt(d)),   j over the vertices of i's graph

as in the global part of GraphGPS (arXiv 2205.12454), which pads each graph to the largest of the
batch. Here rows are sorted by the size of their graph once, and graphs of equal size form a bucket
for PyTorch's fused kernel (`graphagg.nn.attention.buckets`).
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from graphagg.nn.attention.base import ProjectedAttention
from graphagg.nn.attention.buckets import Buckets, softmax_attention
from graphagg.nn.segments import Segments


class ExactAttention(ProjectedAttention):
    """Multi-head softmax attention; equals `torch.nn.MultiheadAttention` on each graph alone.

    Time O(C sum n_g^2). Memory O(N C), forward and backward. With dropout in training on a CPU,
    the scores of graphs of up to about 2,000 vertices are kept in memory; larger graphs are
    processed in chunks, which the backward pass recomputes.

    Args:
        channels: C.
        heads: H; must divide C.
        dropout: probability with which an attention weight is dropped in training.

    Raises:
        InvalidParameter: see `GraphAttention`.

    Examples:
        >>> import torch
        >>> from graphagg.nn.attention import ExactAttention
        >>> out = ExactAttention(8, 2)(torch.randn(5, 8), ptr=torch.tensor([0, 3, 5]))
        >>> tuple(out.shape)
        (5, 8)
    """

    traceable: ClassVar[bool] = True

    def attend(self, x: Tensor, graphs: Segments) -> Tensor:
        """Attend in buckets."""
        buckets = Buckets.from_graphs(graphs)
        # Sort rows before the projection, to move C columns instead of 3 C.
        queries, keys, values = self.project(buckets.sort(x))
        attend = partial(softmax_attention, dropout=self.dropout if self.training else 0.0)
        mixed = buckets.apply(attend, queries, keys, values)
        return buckets.restore(self.out_proj(mixed.flatten(1)))

    def traced(self, x: Tensor) -> Tensor:
        """Attend within one graph with a single PyTorch operation."""
        queries, keys, values = (rows.transpose(0, 1).unsqueeze(0) for rows in self.project(x))
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(queries, keys, values, None, dropout)
        out: Tensor = self.out_proj(mixed[0].transpose(0, 1).flatten(1))
        return out
