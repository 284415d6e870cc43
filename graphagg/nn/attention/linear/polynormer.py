"""Polynormer's global attention: a linear attention multiplied by a gate of the vertex itself.

Paper: Polynormer: Polynomial-Expressive Graph Transformer in Linear Time (arXiv 2403.01232),
its global attention, with the sigmoid as kernel and shared queries and keys by default:

    o_i = (sigma(q_i)^T sum_j sigma(k_j) v_j^T) / (sigma(q_i)^T sum_j sigma(k_j))
    y_i = relu(W (LayerNorm(o_i) * (W_h x_i + beta)))

The sums run over the vertices of i's graph. beta is learned per channel and starts at 0.9, as in
the paper's runs with a given beta.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphagg.nn.attention.base import GraphAttention
from graphagg.nn.attention.bias import PairBias
from graphagg.nn.attention.linear.kernel import kernel_mean, widened
from graphagg.nn.segments import Segments

FIRST_BETA = 0.9


class PolynormerAttention(GraphAttention):
    """Polynormer's global attention, O(N C d) time.

    Args:
        channels: C.
        heads: H; must divide C.
        shared: queries are the keys; otherwise they have a projection of their own.
        dropout: probability with which an entry of the output is dropped in training.
        energy_gate: see `GraphAttention`.

    Raises:
        InvalidParameter: what `GraphAttention` raises.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        *,
        shared: bool = True,
        dropout: float = 0.0,
        energy_gate: bool = False,
    ) -> None:
        super().__init__(channels, heads, dropout=dropout, energy_gate=energy_gate)
        self.query = None if shared else torch.nn.Linear(channels, channels, bias=False)
        self.key = torch.nn.Linear(channels, channels, bias=False)
        self.value = torch.nn.Linear(channels, channels, bias=False)
        self.self_gate = torch.nn.Linear(channels, channels)
        self.beta = torch.nn.Parameter(torch.full((channels,), FIRST_BETA))
        self.norm = torch.nn.LayerNorm(channels)
        self.out_proj = torch.nn.Linear(channels, channels)

    def reset_parameters(self) -> None:
        """Draw the weights again."""
        for module in (self.query, self.key, self.value, self.self_gate, self.norm, self.out_proj):
            if module is not None:
                module.reset_parameters()
        torch.nn.init.constant_(self.beta, FIRST_BETA)
        if self.gate is not None:
            self.gate.reset_parameters()

    def attend(
        self, x: Tensor, graphs: Segments, edges: Tensor | None, bias: Tensor | PairBias | None
    ) -> Tensor:
        """The kernel's mean, normed, gated by the vertex, projected."""
        shape = (-1, self.heads, self.head_channels)
        keys, values = self.key(x).view(shape), self.value(x).view(shape)
        queries = keys if self.query is None else self.query(x).view(shape)
        if self.gate is not None:
            values = self.gate(keys, values)
        kind = values.dtype
        with torch.autocast(x.device.type, enabled=False):
            left, right = torch.sigmoid(widened(queries)), torch.sigmoid(widened(keys))
            mixed = kernel_mean(left, right, widened(values), graphs).flatten(1)
        gated = self.norm(mixed.to(kind)) * (self.self_gate(x) + self.beta)
        return F.dropout(torch.relu(self.out_proj(gated)), self.dropout, self.training)
