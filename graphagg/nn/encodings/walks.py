"""Random walks: RWSE (arXiv 2110.07875)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array, diags_array, issparse
from torch_geometric.data import Data

from graphagg.arrays import Doubles
from graphagg.nn.encodings.adjacency import walk_adjacency
from graphagg.nn.encodings.base import Encoding
from graphagg.nn.settings import check_integers

_ROWS, _ENTRIES = 256, 2**24  # of a block of walks


@dataclass(frozen=True)
class RWSE(Encoding):
    """`rwse` `[N, steps]`: the probability that a walk from a vertex is back after 1..steps steps.

    Paper: Dwivedi et al., Graph Neural Networks with Learnable Structural and Positional
    Representations, arXiv 2110.07875, Section 3; diag(P^m) with P = D^-1 A.

    Walks follow the direction of the edges. Weights are `edge_weight`; repeated edges add up; walks
    end at a vertex without out-edges, which gives 0. PyG's `AddRandomWalkPE` has the same values
    for graphs without weights and repeated edges, by a dense N x N matrix; this takes blocks of
    rows.

    O(N nnz steps) time for N vertices and nnz edges, less if walks reach few vertices; 128 MiB of
    memory.

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
        sums = matrix.sum(axis=1)
        inverse = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
        return {"rwse": return_probabilities(csr_array(diags_array(inverse) @ matrix), self.steps)}


def return_probabilities(transition: csr_array, steps: int) -> Doubles:
    """diag(P^m) for m = 1..steps of the transition matrix P: `[N, steps]`."""
    size = transition.shape[0]
    probabilities = np.empty((size, steps))
    factor: Any = transition.toarray() if size <= _ROWS else transition
    block = min(_ROWS, _ENTRIES // max(size, 1) + 1)
    for first in range(0, size, block):
        sources = np.arange(first, min(first + block, size))
        walks = factor[sources]  # row i: where the walks from source i are
        for step in range(steps):
            walks = walks @ factor if step else walks
            if issparse(walks) and walks.nnz > len(sources) * size // 8:
                walks = walks.toarray()  # faster than a full sparse matrix
            probabilities[sources, step] = walks[sources - first, sources]
    return probabilities
