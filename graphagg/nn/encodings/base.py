"""Base class of the encodings, which write tensors about a graph's structure on its `Data`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from graphagg.checks import one_of

_FLOATS = (torch.float32, torch.float64)


class Encoding(BaseTransform):  # type: ignore[misc]
    """A transform that writes vectors of the vertices on a `Data` or a `Batch`.

    The vectors of a vertex depend on its graph alone, also in a batch. Applied twice, the transform
    writes the same again. Numbers are computed in float64 and written as `dtype`, on the device of
    `edge_index`.

    Subclasses are frozen dataclasses: two with the same parameters are equal.

    Attributes:
        names: the attributes it writes.
        dtype: of the attributes written: float32 or float64.
    """

    names: ClassVar[tuple[str, ...]]
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        one_of("dtype", self.dtype, _FLOATS)

    @abstractmethod
    def encode(self, data: Data) -> dict[str, npt.NDArray[Any]]:
        """The attributes of `data`, which is not changed.

        Raises:
            InvalidBatch: `data` is not a homogeneous graph, or an id is out of range.
            InvalidFeatures: `edge_weight` holds NaN, infinite or negative weights.
        """

    def forward(self, data: Data) -> Data:
        """Write the attributes on `data`."""
        for name, values in self.encode(data).items():
            tensor = torch.from_numpy(np.ascontiguousarray(values))
            if tensor.is_floating_point():
                tensor = tensor.to(self.dtype)
            data[name] = tensor.to(data.edge_index.device)
        return data
