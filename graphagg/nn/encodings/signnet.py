"""SignNet (Lim et al., arXiv 2202.13013): functions of eigenvectors, invariant to their signs.

    f(v_1, ..., v_k) = rho(phi(v_1) + phi(-v_1), ..., phi(v_k) + phi(-v_k))

with phi a GIN on the graph, the same for every vector.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.checks import integer
from graphagg.nn.conv.base import BatchNorm, check_edge_index
from graphagg.nn.encodings.encoder import VertexEncoder, mlp

_PHI_WIDTH = 4  # width of phi's result for one vector


class SignNet(VertexEncoder):
    """phi on each vector and its negative, summed, then rho: an MLP of two layers.

    rho reads the results of phi for the k vectors side by side, 0 for missing ones.

    O(layers k (E hidden + N hidden^2)) time, O(N k hidden) memory a layer.

    Args:
        dim: width of the output.
        k: number of vectors.
        layers: of phi's GIN, with batch norm after each hidden layer, over the existing vectors.
        hidden: width of its hidden layers.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.encodings import LapPE, SignNet
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> tuple(SignNet(8, k=2)(LapPE(2)(path)).shape)
        (3, 8)
    """

    needs = ("lap_vectors", "lap_mask")

    def __init__(self, dim: int, *, k: int = 8, layers: int = 8, hidden: int = 64) -> None:
        super().__init__()
        self.dim, self.k = integer("dim", dim, 1), integer("k", k, 1)
        widths = [1, *[hidden] * (integer("layers", layers, 1) - 1), _PHI_WIDTH]
        self.phi = torch.nn.ModuleList(
            _GinLayer(fan_in, hidden, fan_out, last=at == layers - 1)
            for at, (fan_in, fan_out) in enumerate(pairwise(widths))
        )
        self.rho = mlp([k * _PHI_WIDTH, hidden, dim])

    def forward(self, data: Data) -> Tensor:
        """`[N, dim]` from `lap_vectors` and `lap_mask` `[N, k]`.

        Raises:
            InvalidBatch: `edge_index` out of range or of another form.
            InvalidFeatures: missing vectors, or another number of them.
        """
        vectors = self.read(data, "lap_vectors", self.k)
        mask = self.read(data, "lap_mask", self.k)
        check_edge_index(data.edge_index, vectors.size(0))
        # Both signs go through phi at once, so that batch norm sees the same rows for v and -v.
        out = torch.cat([vectors, -vectors], dim=1)[..., None]
        both = mask.repeat(1, 2)
        for layer in self.phi:
            out = layer(out, data.edge_index, both)
        out = out[:, : self.k] + out[:, self.k :]
        out = out.masked_fill(~mask[..., None], 0)
        encoded: Tensor = self.rho(out.flatten(1))
        return encoded


class _GinLayer(torch.nn.Module):
    """x <- MLP((1 + eps) x + sum over the neighbors), for `[N, columns, width]`."""

    def __init__(self, fan_in: int, hidden: int, fan_out: int, *, last: bool) -> None:
        super().__init__()
        self.eps = torch.nn.Parameter(torch.zeros(()))
        self.mlp = mlp([fan_in, hidden, fan_out])
        self.norm = None if last else BatchNorm(fan_out)
        self.last = last

    def forward(self, x: Tensor, edge_index: Tensor, mask: Tensor) -> Tensor:
        source, target = edge_index[0], edge_index[1]
        gathered = torch.zeros_like(x).index_add(0, target, x.index_select(0, source))
        out: Tensor = self.mlp((1 + self.eps) * x + gathered)
        if self.norm is not None and not self.training:
            normed = self.norm(out.flatten(0, 1)).view_as(out)
            out = normed.masked_fill(~mask[..., None], 0)
        elif self.norm is not None:
            # Missing columns do not enter the statistics.
            out = torch.zeros_like(out).masked_scatter(mask[..., None], self.norm(out[mask]))
        return out if self.last else out.relu()
