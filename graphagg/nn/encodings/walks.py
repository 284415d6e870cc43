"""Random walks: RWSE (arXiv 2110.07875)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch_geometric.data import Data

from graphagg.nn.encodings.adjacency import CompressedRows, entry_rows, walk_adjacency
from graphagg.nn.encodings.balls import returns
from graphagg.nn.encodings.base import Encoding
from graphagg.nn.settings import check_integers


@dataclass(frozen=True)
class RWSE(Encoding):
    """`rwse` `[N, steps]`: the probability that a walk from a vertex is back after 1..steps steps.

    Paper: Dwivedi et al., Graph Neural Networks with Learnable Structural and Positional
    Representations, arXiv 2110.07875, Section 3; diag(P^m) with P = D^-1 A.

    Exact, without dense matrices or sampling: each walk is stored at the vertices it reaches. Walks
    follow the direction of the edges. Weights are `edge_weight`; repeated edges add up; walks end
    at a vertex without out-edges, which gives 0.

    O(sum over the vertices of the entries in the ball, times steps) time, O(N steps) memory.

    Attributes:
        steps: K, the longest walk.
        dtype: of the attributes written.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.encodings import RWSE
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> RWSE(2)(path).rwse.tolist()  # back after 1 step, after 2
        [[0.0, 0.5], [0.0, 1.0], [0.0, 0.5]]
    """

    names: ClassVar[tuple[str, ...]] = ("rwse",)
    steps: int = 20
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integers(self, steps=(1, None))

    def encode(self, data: Data) -> dict[str, npt.NDArray[Any]]:
        """`rwse` of `data`."""
        matrix = walk_adjacency(data).matrix
        sums, rows = matrix.sum(axis=1), entry_rows(matrix)
        inverse = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
        transition = CompressedRows.from_matrix(matrix, inverse[rows] * matrix.data)
        return {"rwse": returns(transition, self.steps)}
