"""Linear attention with a kernel of features, and its simplest case, elu + 1.

Paper: Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention
(arXiv 2006.16236), without a causal mask:

    o_i = phi(q_i)^T S / (phi(q_i)^T z),   S = sum_j phi(k_j) v_j^T,   z = sum_j phi(k_j)
    phi(x) = elu(x) + 1                                                        (their equation 7)

The sums run over the vertices of i's graph and nothing else, so the normalizer of a graph is its
own; nothing is padded (see `graphagg.nn.attention.tiles`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphagg.nn.attention.base import ProjectedAttention
from graphagg.nn.attention.bias import PairBias
from graphagg.nn.attention.tiles import Tiles
from graphagg.nn.segments import Segments

# Below this a normalizer is taken for 0; its square still has an inverse in float32.
SMALLEST = 1e-12


class LinearAttention(ProjectedAttention):
    """Attention that never holds a weight, so `dropout` drops entries of the output."""

    def attend(
        self, x: Tensor, graphs: Segments, edges: Tensor | None, bias: Tensor | PairBias | None
    ) -> Tensor:
        """Project, mix, project back, drop."""
        return F.dropout(super().attend(x, graphs, edges, bias), self.dropout, self.training)


class KernelAttention(LinearAttention):
    """Linear attention with the kernel phi(q)^T phi(k); a subclass says what phi is.

    Time O(N C m) and memory O(N (C + H m) + G C m) for m features per head.
    """

    def features(self, queries: Tensor, keys: Tensor, graphs: Segments) -> tuple[Tensor, Tensor]:
        """Features, none negative, of queries and keys: `[N, H, d]` to `[N, H, m]`."""
        raise NotImplementedError

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor, graphs: Segments) -> Tensor:
        """The kernel's weighted mean of the values of each graph."""
        with torch.autocast(queries.device.type, enabled=False):
            queries, keys, values = widened(queries), widened(keys), widened(values)
            left, right = self.features(queries, keys, graphs)
            return kernel_mean(left, right, values, graphs)


class EluAttention(KernelAttention):
    """Linear attention with phi(x) = elu(x) + 1; m = d."""

    def features(self, queries: Tensor, keys: Tensor, graphs: Segments) -> tuple[Tensor, Tensor]:
        """Elu + 1, entry by entry."""
        return F.elu(queries) + 1, F.elu(keys) + 1


def kernel_mean(left: Tensor, right: Tensor, values: Tensor, graphs: Segments) -> Tensor:
    """Mean of a graph's values with weights `left_i . right_j`.

    Args:
        left: `[N, H, m]` features of queries, not negative.
        right: `[N, H, m]` features of keys, not negative.
        values: `[N, H, d]`.
        graphs: the batch.

    Returns:
        `[N, H, d]`; 0 where all weights are 0.
    """
    tiles = Tiles.of(graphs)
    # A column of ones beside the values: the same product sums weights and weighted values.
    ones = values.new_ones(*values.shape[:-1], 1)
    sums = tiles.apply(left, tiles.outer(right, torch.cat([values, ones], -1)))
    # The root of the smallest number: its square, in the gradient, is one still.
    least = torch.finfo(sums.dtype).tiny ** 0.5
    return sums[..., :-1] / sums[..., -1:].clamp(min=least)


def widened(values: Tensor) -> Tensor:
    """Values in at least float32: sums over a large graph need the digits."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
