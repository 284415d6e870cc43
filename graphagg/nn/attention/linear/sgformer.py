"""SGFormer's attention: one softmax-free layer in which a vertex keeps most of itself.

Paper: SGFormer: Simplifying and Empowering Transformers for Large-Graph Representations
(arXiv 2306.10759), for a graph of n vertices:

    Q~ = Q / |Q|_F,  K~ = K / |K|_F
    D = diag(1 + Q~ (K~^T 1) / n),   Z = D^-1 (V + Q~ (K~^T V) / n)

n and both Frobenius norms are taken over the vertex's own graph; taken over a batch or a padded one
they would mix graphs. Heads, each of the full width C, are averaged. The paper's mix with the
input, beta Z + (1 - beta) x, is left to the layer's residual.

`normalize="vertex"` divides each row of Q and K by its own length instead, as PyG's module does.
A graph of one vertex gives Z = V, its value wherever D is not 0.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from graphagg.checks import one_of
from graphagg.nn.attention.base import GraphAttention
from graphagg.nn.attention.bias import PairBias
from graphagg.nn.attention.linear.kernel import SMALLEST, widened
from graphagg.nn.attention.tiles import Tiles
from graphagg.nn.segments import Segments

Normalize = Literal["graph", "vertex"]


class SGFormerAttention(GraphAttention):
    """SGFormer's simple attention, O(N H C^2) time and 3 H C (C + 1) parameters.

    Args:
        channels: C.
        heads: H; must divide C; 1 in the paper.
        normalize: what queries and keys are divided by: the Frobenius norm over the `graph`, or
            the length of each `vertex`.
        dropout: probability with which an entry of the output is dropped in training.
        energy_gate: see `GraphAttention`.

    Raises:
        InvalidParameter: an unknown `normalize`, or what `GraphAttention` raises.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 1,
        *,
        normalize: Normalize = "graph",
        dropout: float = 0.0,
        energy_gate: bool = False,
    ) -> None:
        super().__init__(channels, heads, dropout=dropout, energy_gate=energy_gate)
        self.normalize = one_of("normalize", normalize, get_args(Normalize))
        self.query = torch.nn.Linear(channels, heads * channels)
        self.key = torch.nn.Linear(channels, heads * channels)
        self.value = torch.nn.Linear(channels, heads * channels)

    @property
    def head_channels(self) -> int:
        """Each head has the full width C."""
        return self.channels

    def reset_parameters(self) -> None:
        """Draw the weights again."""
        for linear in (self.query, self.key, self.value):
            linear.reset_parameters()
        if self.gate is not None:
            self.gate.reset_parameters()

    def attend(
        self, x: Tensor, graphs: Segments, edges: Tensor | None, bias: Tensor | PairBias | None
    ) -> Tensor:
        """The mean over heads of Z."""
        shape = (-1, self.heads, self.channels)
        queries, keys, values = (
            linear(x).view(shape) for linear in (self.query, self.key, self.value)
        )
        if self.gate is not None:
            values = self.gate(keys, values)
        kind = values.dtype
        with torch.autocast(x.device.type, enabled=False):
            mixed = self._mix(widened(queries), widened(keys), widened(values), graphs)
        return F.dropout(mixed.mean(1).to(kind), self.dropout, self.training)

    def _mix(self, queries: Tensor, keys: Tensor, values: Tensor, graphs: Segments) -> Tensor:
        tiles = Tiles.of(graphs)
        queries, keys = self._unit(queries, graphs), self._unit(keys, graphs)
        ones = values.new_ones(*values.shape[:-1], 1)
        values = torch.cat([values, ones], -1)
        sums = tiles.apply(queries, tiles.outer(keys, values))
        sizes = graphs.sizes[graphs.index].view(-1, 1, 1).to(values.dtype)
        # With one vertex numerator and denominator share the factor 1 + q . k, which may be 0.
        share = torch.where(sizes > 1, 1 / sizes, 0)
        sums = values + sums * share
        return sums[..., :-1] / sums[..., -1:].clamp(min=SMALLEST)

    def _unit(self, rows: Tensor, graphs: Segments) -> Tensor:
        squares = rows.square().sum(-1)
        if self.normalize == "graph":
            squares = graphs.sum(squares)[graphs.index]
        return rows * squares.clamp(min=SMALLEST**2).rsqrt().unsqueeze(-1)
