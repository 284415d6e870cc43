"""Encoders: map the encodings of a batch to vectors of the model's width."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.checks import integer
from graphagg.errors import InvalidFeatures
from graphagg.nn.checks import check_finite, checks_values
from graphagg.nn.conv.base import BatchNorm
from graphagg.nn.encodings.laplacian import flip_signs


class VertexEncoder(torch.nn.Module):
    """`forward(data)` reads encodings from a `Data` or `Batch` and returns `[N, dim]`.

    Attributes:
        dim: width of the result.
        needs: names of the attributes that the encoder reads.
    """

    dim: int
    needs: tuple[str, ...]

    def forward(self, data: Data) -> Tensor:
        """Return one vector per vertex, `[N, dim]`."""
        raise NotImplementedError

    def read(self, data: Data, name: str, width: int) -> Tensor:
        """Return attribute `name` of `data`, `[N, width]`, in the dtype of the parameters.

        Raises `InvalidFeatures` if it is missing, has a wrong shape, or is not finite.
        """
        values: Tensor | None = data.get(name)
        if values is None:
            raise InvalidFeatures(
                f"{type(self).__name__} reads {name}, which the data does not have; apply the "
                "transform that writes it first: a model's are "
                "graphagg.nn.encoding_transforms(model.config), which load_model applies"
            )
        if values.dim() != 2 or values.size(1) != width:
            raise InvalidFeatures(
                f"{type(self).__name__}: {name} is {tuple(values.shape)}; expected [N, {width}]: "
                "give the encoder the width of the transform"
            )
        if data.num_nodes is not None and len(values) != data.num_nodes:
            raise InvalidFeatures(
                f"{name} has {len(values)} rows for {data.num_nodes} vertices; expected one each"
            )
        if not values.is_floating_point():
            return values
        if checks_values():
            check_finite(values, name)
        return values.to(next(self.parameters()).dtype)


class LinearEncoder(VertexEncoder):
    """Batch norm of the raw `rwse` columns, then a linear map, as in GraphGPS.

    Because of batch norm, the output of a graph depends on its batch in training only.

    Args:
        dim: width of the output.
        width: number of columns.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from torch_geometric.transforms import AddRandomWalkPE
        >>> from graphagg.nn.encodings import LinearEncoder
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> tuple(LinearEncoder(8, 4)(AddRandomWalkPE(4, "rwse")(path)).shape)
        (3, 8)
    """

    needs = ("rwse",)

    def __init__(self, dim: int, width: int = 20) -> None:
        super().__init__()
        self.dim, self.width = integer("dim", dim, 1), integer("width", width, 1)
        self.norm, self.mlp = BatchNorm(width), mlp([width, dim])

    def forward(self, data: Data) -> Tensor:
        """Encode `rwse` `[N, width]`; return `[N, dim]`."""
        out: Tensor = self.mlp(self.norm(self.read(data, "rwse", self.width)))
        return out


class DeepSetEncoder(VertexEncoder):
    """An MLP 2 -> 2 dim -> dim of each (eigenvector entry, eigenvalue) pair of a vertex, summed.

    As in SAN (arXiv 2106.03893) and GraphGPS. Missing pairs of a small graph are masked. In
    training each graph's vectors get random signs; in evaluation the output depends on their signs.

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
        """Return one vector per vertex, `[N, dim]`."""
        if self.training and data.get("lap_vectors") is not None:
            data = flip_signs(data)
        columns = [self.read(data, name, self.k) for name in ("lap_vectors", "lap_values")]
        mask = self.read(data, "lap_mask", self.k)
        encoded = self.phi(torch.stack(columns, dim=-1))
        out: Tensor = encoded.masked_fill(~mask[..., None], 0).sum(1)
        return out


def mlp(widths: list[int], *, last: bool = False) -> torch.nn.Sequential:
    """Build linear maps between the widths, with ReLU between them, and at the end if `last`."""
    layers: list[torch.nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*(layers if last else layers[:-1]))
