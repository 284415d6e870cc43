"""NormAttention: linear attention whose output is normalized instead of its weights.

Paper: The Devil in Linear Transformer (TransNormer, arXiv 2210.10340), its NormAttention:

    O = RMSNorm(phi(Q) (phi(K)^T V)),   phi(x) = elu(x) + 1

The denominator of linear attention is what makes its gradients unbounded; it is dropped, and the
output is brought to scale by RMSNorm, over all heads of a vertex together, with a learned scale per
channel. The sum runs over the vertices of the vertex's own graph.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphagg.nn.attention.linear.kernel import LinearAttention, widened
from graphagg.nn.attention.tiles import Tiles
from graphagg.nn.segments import Segments

EPSILON = 1e-6


class NormAttention(LinearAttention):
    """Linear attention without a denominator, O(N C d) time; `dropout` drops output entries."""

    def __init__(
        self, channels: int, heads: int = 4, *, dropout: float = 0.0, energy_gate: bool = False
    ) -> None:
        super().__init__(channels, heads, dropout=dropout, energy_gate=energy_gate)
        self.norm = torch.nn.RMSNorm(channels, eps=EPSILON)

    def reset_parameters(self) -> None:
        """Draw the weights again."""
        super().reset_parameters()
        if hasattr(self, "norm"):  # the base constructor calls this before there is one
            self.norm.reset_parameters()

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor, graphs: Segments) -> Tensor:
        """The kernel's weighted sum of the values of each graph, brought to scale."""
        tiles = Tiles.of(graphs)
        with torch.autocast(queries.device.type, enabled=False):
            left, right = F.elu(widened(queries)) + 1, F.elu(widened(keys)) + 1
            sums = tiles.apply(left, tiles.outer(right, widened(values)))
            scale = self.norm.weight.to(sums.dtype)
            return F.rms_norm(sums.flatten(1), (self.channels,), scale, EPSILON).view_as(sums)
