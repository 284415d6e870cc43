"""Performer: linear attention with random features, for the softmax kernel (FAVOR+) or ReLU.

Paper: Rethinking Attention with Performers (arXiv 2009.14794). With x' = x / d^(1/4) and m random
vectors w_r, the positive features of the softmax kernel (its lemma 1)

    phi(x)_r = exp(w_r . x' - |x'|^2 / 2) / sqrt(m),   E[phi(q) . phi(k)] = exp(q . k / sqrt(d))

are unbiased; the w_r are orthogonal within blocks of d, with the lengths of Gaussian vectors.
The ReLU kernel is phi(x)_r = relu(w_r . x) + 0.001.

Departures:
- The exponent is stabilized by subtracting a maximum: for a query over its own features, for keys
  over the features of all keys *of the graph*. Both cancel in the weighted mean. A maximum over
  the batch, the usual choice, would let a graph change another one's digits.
- 1e-6 is added to each feature after that, as a floor, so that no normalizer is 0. It biases
  weights that are a millionth of the largest ones.
- The vectors are redrawn every `redraw_interval` training steps from (seed, number of the draw),
  on the CPU in float64, so that a run can be repeated and resumed on any device; the paper redraws
  but says nothing about seeds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphagg.checks import integer
from graphagg.nn.attention.linear.kernel import KernelAttention
from graphagg.nn.segments import Segments

FLOOR = 1e-6  # of a feature of the softmax kernel, whose largest is 1
RELU_FLOOR = 1e-3


class PerformerAttention(KernelAttention):
    """FAVOR+: approximates softmax attention in O(N C m); better as m grows.

    Under `torch.utils.checkpoint` set `redraw_interval` to None: the pass that is computed again in
    the backward pass would count as a training step, and may draw other vectors.

    Args:
        channels: C.
        heads: H; must divide C.
        features: m, random features per head; by default d ln d (at least d), as the paper advises.
        redraw_interval: training steps between two draws of the random vectors; None: never.
        seed: of all draws.
        dropout: see `KernelAttention`.
        energy_gate: see `GraphAttention`.

    Attributes:
        projection: buffer `[m, d]`, the random vectors; saved with the state.
        steps: buffer, int64: forward passes in training so far; saved with the state.

    Raises:
        InvalidParameter: fewer than one feature or step, or what `GraphAttention` raises.
    """

    projection: Tensor
    steps: Tensor

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        *,
        features: int | None = None,
        redraw_interval: int | None = 1000,
        seed: int = 0,
        dropout: float = 0.0,
        energy_gate: bool = False,
    ) -> None:
        super().__init__(channels, heads, dropout=dropout, energy_gate=energy_gate)
        d = self.head_channels
        if features is None:
            features = max(d, int(d * math.log(d)))
        features = integer("features", features, 1)
        if redraw_interval is not None:
            redraw_interval = integer("redraw_interval", redraw_interval, 1)
        self.redraw_interval, self.seed = redraw_interval, seed
        self.register_buffer("projection", torch.empty(features, d))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.redraw(0)

    @torch.no_grad()
    def redraw(self, draw: int) -> None:
        """Put in place the random vectors of the draw with this number, counted from 0."""
        rows, d = self.projection.shape
        drawn = orthogonal_vectors(rows, d, self.seed + 1_000_003 * draw)
        # Another tensor: a backward pass still to come may need the vectors of its forward pass.
        self.projection = drawn.to(self.projection)

    def features(self, queries: Tensor, keys: Tensor, graphs: Segments) -> tuple[Tensor, Tensor]:
        """Random features of queries and keys, redrawn where their time has come."""
        if self.training and self.redraw_interval is not None:
            done = int(self.steps)
            if done and done % self.redraw_interval == 0:
                self.redraw(done // self.redraw_interval)
            self.steps += 1
        return self.map_features(queries, keys, graphs)

    def map_features(
        self, queries: Tensor, keys: Tensor, graphs: Segments
    ) -> tuple[Tensor, Tensor]:
        """Positive features of the softmax kernel, each stabilized within its graph."""
        left, right = self._exponent(queries), self._exponent(keys)
        largest = left.detach().amax(-1, keepdim=True)
        rows = right.detach().amax(-1)
        most = rows.new_full((graphs.count, self.heads), -math.inf)
        most = most.scatter_reduce(0, graphs.index[:, None].expand_as(rows), rows, "amax")
        return _floored(left - largest), _floored(right - most[graphs.index].unsqueeze(-1))

    def _exponent(self, x: Tensor) -> Tensor:
        scaled = x * math.pow(self.head_channels, -0.25)
        projected = scaled @ self.projection.to(x.dtype).t()
        return projected - scaled.square().sum(-1, keepdim=True) / 2


class ReluPerformerAttention(PerformerAttention):
    """Performer with the ReLU kernel, the one of PyG's `PerformerAttention`."""

    def map_features(
        self, queries: Tensor, keys: Tensor, graphs: Segments
    ) -> tuple[Tensor, Tensor]:
        """relu(W x) + 0.001 of queries and keys."""
        projection = self.projection.to(queries.dtype).t()
        left, right = torch.relu(queries @ projection), torch.relu(keys @ projection)
        return left + RELU_FLOOR, right + RELU_FLOOR


def orthogonal_vectors(rows: int, d: int, seed: int) -> Tensor:
    """Random vectors `[rows, d]`, float64, orthogonal within each block of d rows.

    Each is distributed as a standard Gaussian vector: a uniform direction, and the length of an
    independent Gaussian vector.
    """
    generator = torch.Generator().manual_seed(seed)
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


def _floored(exponent: Tensor) -> Tensor:
    return torch.exp(exponent) + FLOOR
