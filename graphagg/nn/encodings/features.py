"""The first layer of a model: features and encodings side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import InvalidFeatures, InvalidParameter
from graphagg.nn.encodings.encoder import Encoder, EquivStableEncoder, LinearEncoder
from graphagg.nn.encodings.sets import DeepSetEncoder, TransformerEncoder
from graphagg.nn.encodings.signnet import SignNet

# The attribute of each linear encoder, and its width by the defaults of the transform.
_LINEAR = {
    "rwse": ("rwse", 20),
    "heat": ("heat", 20),
    "electrostatic": ("electrostatic", 10),
    "degree": ("degree", 1),
    "cycles": ("cycles", 4),
}
_VECTORS: dict[str, Any] = {
    "lappe-deepset": DeepSetEncoder,
    "lappe-transformer": TransformerEncoder,
    "equivstable": EquivStableEncoder,
}
_SIGNNETS = {"signnet-mlp": "mlp", "signnet-deepset": "deepset"}
ENCODERS = (*_VECTORS, *_SIGNNETS, *_LINEAR)


def encoder(name: str, dim: int, **options: Any) -> Encoder:
    """The encoder of this name, of width `dim`.

    Args:
        name: One of `ENCODERS`.
        dim: Width of its output.
        options: Of the encoder: `k` where it reads Laplacian vectors, `width` where it reads other
            columns (by default as many as the transform writes by default), and its own.

    Raises:
        InvalidParameter: An unknown name or option, or a width that is not allowed.
    """
    if dim < 1:
        raise InvalidParameter(f"the width of encoder {name!r} is {dim}; wanted at least 1")
    try:
        if name in _LINEAR:
            attribute, width = _LINEAR[name]
            return LinearEncoder(attribute, options.pop("width", width), dim, **options)
        if name in _SIGNNETS:
            return SignNet(dim, rho=_SIGNNETS[name], **options)
        if name in _VECTORS:
            found: Encoder = _VECTORS[name](dim, **options)
            return found
    except TypeError as error:
        raise InvalidParameter(
            f"encoder {name!r} cannot be built from {options}: {error}"
        ) from error
    raise InvalidParameter(f"unknown encoder {name!r}; choose one of {', '.join(ENCODERS)}")


class CategoricalEmbedding(torch.nn.Module):
    """The sum of one embedding a column, for categorical features of vertices or edges.

    Args:
        sizes: Number of categories of each column.
        dim: Width of the embeddings.
    """

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        if not sizes or min(sizes) < 1:
            raise InvalidParameter(f"sizes is {tuple(sizes)}; wanted the categories of each column")
        self.sizes = tuple(sizes)
        self.tables = torch.nn.ModuleList(torch.nn.Embedding(size, dim) for size in sizes)

    def forward(self, values: Tensor) -> Tensor:
        """`[rows]` or `[rows, columns]` integers to `[rows, dim]`.

        Raises:
            InvalidFeatures: Another number of columns, floats, or a category out of range.
        """
        columns = values[:, None] if values.dim() == 1 else values
        if columns.dim() != 2 or columns.size(1) != len(self.sizes):
            raise InvalidFeatures(
                f"categories are {tuple(values.shape)}; wanted [rows, {len(self.sizes)}]"
            )
        if columns.is_floating_point() or columns.is_complex():
            raise InvalidFeatures(f"categories are {columns.dtype}; wanted integers")
        columns = columns.long()
        self._check_range(columns)
        out = self.tables[0](columns[:, 0])
        for at, table in enumerate(self.tables):
            if at:
                out = out + table(columns[:, at])
        found: Tensor = out
        return found

    def _check_range(self, columns: Tensor) -> None:
        if columns.numel() == 0 or torch.compiler.is_compiling():
            return
        low, high = columns.amin(0).tolist(), columns.amax(0).tolist()
        for at, size in enumerate(self.sizes):
            if low[at] < 0 or high[at] >= size:
                found = low[at] if low[at] < 0 else high[at]
                raise InvalidFeatures(
                    f"column {at} holds the category {found}; wanted 0 to {size - 1}"
                )


class FeatureEncoder(torch.nn.Module):
    """`x` mapped to the width that the encodings leave, and the encodings beside it.

    As GraphGPS: Linear or Embedding to dim - sum of the encodings' widths, then concatenated.

    Args:
        dim: Width of the output.
        features: Width of a real-valued `x`; None for no such.
        categories: Categories of each column of an integer `x`; None for no such. With neither,
            every vertex starts from the same learnt vector, and `x` is not read.
        encoders: Modules as `encoder` builds.

    Raises:
        InvalidParameter: Both kinds of `x`, or encodings as wide as `dim`.
    """

    def __init__(
        self,
        dim: int,
        *,
        features: int | None = None,
        categories: Sequence[int] | None = None,
        encoders: Iterable[Encoder] = (),
    ) -> None:
        super().__init__()
        encoders = list(encoders)
        self.encoders = torch.nn.ModuleList(encoders)
        self.dim, self.features = dim, features
        left = dim - sum(one.dim for one in encoders)
        if left < 1:
            raise InvalidParameter(
                f"the encodings take {dim - left} of the width {dim}; leave at least 1 for x"
            )
        if features is not None and categories is not None:
            raise InvalidParameter("x has features or categories, not both")
        self.constant: torch.nn.Parameter | None = None
        self.x: torch.nn.Module | None = None
        if features is not None:
            self.x = torch.nn.Linear(features, left)
        elif categories is not None:
            self.x = CategoricalEmbedding(categories, left)
        else:
            self.constant = torch.nn.Parameter(torch.randn(left))

    def forward(self, data: Data) -> Tensor:
        """`[N, dim]`.

        Raises:
            InvalidFeatures: `x` or an encoding is missing, of another width, or not finite.
        """
        parts = [self._features(data), *(one(data) for one in self.encoders)]
        return torch.cat(parts, dim=1)

    def _features(self, data: Data) -> Tensor:
        if self.constant is not None:
            return self.constant.expand(data.num_nodes, -1)
        assert self.x is not None, "there is a map or a constant"
        x = data.x
        if x is None:
            raise InvalidFeatures("the data has no x; build FeatureEncoder without features")
        if self.features is not None:
            if x.dim() == 1:
                x = x[:, None]
            if x.size(1) != self.features:
                raise InvalidFeatures(f"x is {tuple(x.shape)}; wanted [N, {self.features}]")
            x = x.to(next(self.x.parameters()).dtype)
            if not torch.compiler.is_compiling() and not bool(torch.isfinite(x).all()):
                row = int((~torch.isfinite(x)).any(1).nonzero()[0])
                raise InvalidFeatures(f"x of vertex {row} holds NaN or infinity; clean it first")
        found: Tensor = self.x(x)
        return found
