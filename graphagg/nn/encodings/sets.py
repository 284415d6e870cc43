"""Encoders of the set of (eigenvector entry, eigenvalue) pairs of a vertex.

As in SAN (arXiv 2106.03893) and GraphGPS. A vertex has k pairs, or fewer in a small graph; the
others are masked. In training each graph's vectors get random signs. In evaluation they are used
as they are, and the output depends on their signs (SignNet's does not).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.checks import integer
from graphagg.nn.encodings.encoder import VertexEncoder, mlp
from graphagg.nn.encodings.laplacian import flip_signs
from graphagg.nn.settings import part_width


class _PairEncoder(VertexEncoder):
    needs = ("lap_vectors", "lap_values", "lap_mask")
    k: int
    flip: bool

    def pairs(self, data: Data) -> tuple[Tensor, Tensor]:
        """`[N, k, 2]` (entry, eigenvalue), and `[N, k]` bool: which pairs exist."""
        if self.training and self.flip and data.get("lap_vectors") is not None:
            data = flip_signs(data)
        columns = [self.read(data, name, self.k) for name in ("lap_vectors", "lap_values")]
        return torch.stack(columns, dim=-1), self.read(data, "lap_mask", self.k)


class DeepSetEncoder(_PairEncoder):
    """An MLP of each pair, summed.

    Args:
        dim: width of the output.
        k: number of vectors.
        layers: of the MLP on a pair: Linear and ReLU; hidden layers have width 2 dim.
        flip: random signs in training.
    """

    def __init__(self, dim: int, *, k: int = 8, layers: int = 2, flip: bool = True) -> None:
        super().__init__()
        self.dim, self.k, self.flip = integer("dim", dim, 1), integer("k", k, 1), flip
        self.phi = mlp([2, *[2 * dim] * (integer("layers", layers, 1) - 1), dim], last=True)

    def forward(self, data: Data) -> Tensor:
        """`[N, dim]`."""
        pairs, mask = self.pairs(data)
        out: Tensor = self.phi(pairs).masked_fill(~mask[..., None], 0).sum(1)
        return out


class TransformerEncoder(_PairEncoder):
    """Self-attention among a vertex's pairs, summed.

    O(N k^2 dim + N k dim^2).

    Args:
        dim: width of the output.
        k: number of vectors.
        layers: of the transformer.
        heads: of its attention; divides dim.
        flip: random signs in training.

    Raises:
        InvalidParameter: heads that do not divide the width.
    """

    def __init__(
        self,
        dim: int,
        *,
        k: int = 8,
        layers: int = 2,
        heads: int = 4,
        flip: bool = True,
    ) -> None:
        super().__init__()
        part_width("heads", heads, "dim", integer("dim", dim, 1))
        self.dim, self.k, self.flip = dim, integer("k", k, 1), flip
        self.line = torch.nn.Linear(2, dim)
        layer = torch.nn.TransformerEncoderLayer(
            dim,
            heads,
            dim_feedforward=2 * dim,
            dropout=0.0,
            batch_first=True,
        )
        self.transformer = torch.nn.TransformerEncoder(
            layer, integer("layers", layers, 1), enable_nested_tensor=False
        )

    def forward(self, data: Data) -> Tensor:
        """`[N, dim]`."""
        pairs, mask = self.pairs(data)
        # A vertex without pairs attends to its first column, so that no softmax is empty; its
        # result is masked.
        hidden = ~mask
        hidden[:, 0] &= mask.any(1)
        out = self.line(pairs)
        if len(pairs):  # attention fails on 0 rows
            out = self.transformer(out, src_key_padding_mask=hidden)
        summed: Tensor = out.masked_fill(~mask[..., None], 0).sum(1)
        return summed
