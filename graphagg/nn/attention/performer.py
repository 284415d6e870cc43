"""Performer: linear attention with random features of the softmax kernel (FAVOR+).

Paper: Rethinking Attention with Performers (arXiv 2009.14794). With x' = x / d^(1/4) and m random
vectors w_r, the positive features of the softmax kernel (its lemma 1)

    phi(x)_r = exp(w_r . x' - |x'|^2 / 2) / sqrt(m),   E[phi(q) . phi(k)] = exp(q . k / sqrt(d))

are unbiased; the w_r are orthogonal within blocks of d, with the lengths of Gaussian vectors.
Then, with sums only over the vertices of i's graph,

    o_i = phi(q_i)^T S / (phi(q_i)^T z),   S = sum_j phi(k_j) v_j^T,   z = sum_j phi(k_j)

Departures:
- The exponent is stabilized by subtracting a maximum: for a query over its own features, for keys
  over the features of all keys *of the graph*. Both cancel in the weighted mean. With the usual
  maximum over the batch, the rounding of a graph's output would depend on the other graphs.
- 1e-6 is then added to each feature, so that no normalizer is 0. This biases weights that are a
  millionth of the largest weights.
- The vectors are drawn once, from `random_state`, on the CPU in float64, so that a run can be
  repeated and resumed on any device. The paper redraws them from time to time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphagg.checks import integer
from graphagg.nn.attention.base import ProjectedAttention
from graphagg.nn.attention.buckets import Buckets
from graphagg.nn.dropout import drop
from graphagg.nn.segments import Segments, widened

FLOOR = 1e-6  # added to features of the softmax kernel, whose maximum is 1


class PerformerAttention(ProjectedAttention):
    """FAVOR+: approximates softmax attention; the error shrinks as m grows.

    Time O(N C m) and memory O(N (C + H m) + G C m).

    Args:
        channels: C.
        heads: H; must divide C.
        features: m, random features per head; default d ln d (at least d), as the paper advises.
        random_state: seed of the random vectors.
        dropout: probability with which an entry of the output is dropped in training.

    Attributes:
        projection: buffer `[m, d]`, the random vectors; saved with the state.

    Raises:
        InvalidParameter: `features` is below 1; see also `GraphAttention`.

    Examples:
        >>> import torch
        >>> from graphagg.nn.attention import PerformerAttention
        >>> tuple(PerformerAttention(8, 2, features=16)(torch.randn(5, 8)).shape)
        (5, 8)
    """

    projection: Tensor

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        *,
        features: int | None = None,
        random_state: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(channels, heads, dropout=dropout)
        d = self.head_channels
        if features is None:
            features = max(d, int(d * math.log(d)))
        features = integer("features", features, 1)
        drawn = orthogonal_vectors(features, d, random_state)
        self.register_buffer("projection", drawn.to(torch.get_default_dtype()))

    def attend(self, x: Tensor, graphs: Segments) -> Tensor:
        """Project, average the values of each graph with kernel weights, project back, drop."""
        queries, keys, values = self.project(x)
        with torch.autocast(x.device.type, enabled=False):
            left, right = self._features(widened(queries), widened(keys), graphs)
            mixed = kernel_mean(left, right, widened(values), graphs)
        out: Tensor = self.out_proj(mixed.to(values.dtype).flatten(1))
        return drop(out, self.dropout) if self.training else out

    def _features(self, queries: Tensor, keys: Tensor, graphs: Segments) -> tuple[Tensor, Tensor]:
        """Compute positive features `[N, H, m]` of queries and keys, stabilized within graphs."""
        scale = math.pow(self.head_channels, -0.25)
        vectors = self.projection.to(queries.dtype).t()
        left, keys = (queries * scale) @ vectors, keys * scale
        right = keys @ vectors - keys.square().sum(-1, keepdim=True) / 2
        rows = right.detach().amax(-1)
        most = rows.new_full((graphs.count, self.heads), -math.inf)
        most = most.scatter_reduce(0, graphs.index[:, None].expand_as(rows), rows, "amax")
        # A query's |q|^2 / 2 cancels against the maximum of its own features.
        left = left - left.detach().amax(-1, keepdim=True)
        right = right - most[graphs.index].unsqueeze(-1)
        return torch.exp(left) + FLOOR, torch.exp(right) + FLOOR


def orthogonal_vectors(rows: int, d: int, random_state: int) -> Tensor:
    """Draw random vectors `[rows, d]`, float64, orthogonal within each block of d rows.

    Each is distributed as a standard Gaussian vector: a uniform direction, and the length of an
    independent Gaussian vector.
    """
    generator = torch.Generator().manual_seed(random_state)
    blocks: list[Tensor] = []
    for start in range(0, rows, d):
        gaussian = torch.randn(d, d, generator=generator, dtype=torch.float64)
        q, r = torch.linalg.qr(gaussian)
        # The signs of R's diagonal make Q uniform over the orthogonal matrices.
        block: Tensor = q * r.diagonal().sign()
        blocks.append(block.t()[: rows - start])
    gaussian = torch.randn(rows, d, generator=generator, dtype=torch.float64)
    lengths: Tensor = torch.linalg.vector_norm(gaussian, dim=1, keepdim=True)
    return torch.cat(blocks) * lengths


def kernel_mean(left: Tensor, right: Tensor, values: Tensor, graphs: Segments) -> Tensor:
    """Average values within graphs, `[N, H, d]`, with weights `left_i . right_j`; 0 if all are 0.

    `left` and `right` are the non-negative features `[N, H, m]` of queries and keys.
    """
    buckets = Buckets.from_graphs(graphs)
    # A column of ones beside the values: the same product sums weights and weighted values.
    wide = torch.cat([values, values.new_ones(*values.shape[:-1], 1)], -1)
    rows = (buckets.sort(part) for part in (left, right, wide))
    sums = buckets.restore(buckets.apply(_linear, *rows))
    # Clamp at the root of the smallest number, because the gradient squares it.
    least = torch.finfo(sums.dtype).tiny ** 0.5
    return sums[..., :-1] / sums[..., -1:].clamp(min=least)


def _linear(queries: Tensor, keys: Tensor, values: Tensor, hidden: Tensor | None) -> Tensor:
    if hidden is not None:
        keys = keys * hidden.exp().transpose(2, 3)  # 0 at padding
    return queries @ (keys.transpose(2, 3) @ values)
