"""Encoder of the set of (eigenvector entry, eigenvalue) pairs of a vertex.

As in SAN (arXiv 2106.03893) and GraphGPS. A vertex has k pairs, or fewer in a small graph; the
others are masked. In training each graph's vectors get random signs. In evaluation they are used
as they are, and the output depends on their signs.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.checks import integer
from graphagg.nn.encodings.encoder import VertexEncoder, mlp
from graphagg.nn.encodings.laplacian import flip_signs


class DeepSetEncoder(VertexEncoder):
    """An MLP 2 -> 2 dim -> dim of each pair, summed; random signs in training.

    Args:
        dim: width of the output.
        k: number of vectors.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.encodings import DeepSetEncoder, LapPE
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> tuple(DeepSetEncoder(8, 2)(LapPE(2)(path)).shape)
        (3, 8)
    """

    needs = ("lap_vectors", "lap_values", "lap_mask")

    def __init__(self, dim: int, k: int = 8) -> None:
        super().__init__()
        self.dim, self.k = integer("dim", dim, 1), integer("k", k, 1)
        self.phi = mlp([2, 2 * dim, dim], last=True)

    def forward(self, data: Data) -> Tensor:
        """`[N, dim]`."""
        if self.training and data.get("lap_vectors") is not None:
            data = flip_signs(data)
        columns = [self.read(data, name, self.k) for name in ("lap_vectors", "lap_values")]
        mask = self.read(data, "lap_mask", self.k)
        encoded = self.phi(torch.stack(columns, dim=-1))
        out: Tensor = encoded.masked_fill(~mask[..., None], 0).sum(1)
        return out
