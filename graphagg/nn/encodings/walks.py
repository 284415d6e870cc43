"""Random walks: RWSE (arXiv 2110.07875) and the relative RRWP (GRIT, arXiv 2305.17589)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch_geometric.data import Data

from graphagg.arrays import Doubles, offsets
from graphagg.nn.encodings.balls import powers_diagonal, reach, returns, walk_rows
from graphagg.nn.encodings.base import Encoding
from graphagg.nn.encodings.structure import Structure, walk_structure
from graphagg.nn.settings import check_integers


@dataclass(frozen=True)
class RWSE(Encoding):
    """`rwse` `[N, steps]`: the probability that a walk from a vertex is back after 1..steps steps.

    Paper: Dwivedi et al., Graph Neural Networks with Learnable Structural and Positional
    Representations, arXiv 2110.07875, Section 3; diag(P^m) with P = D^-1 A.

    Exact: nothing is dense and nothing is sampled. An undirected graph is walked by
    S = D^-1/2 A D^-1/2, whose powers have the same diagonal, as inner products of S^a e_i and
    S^b e_i with a + b = m: balls of radius steps/2. A directed graph is walked along its edges
    (P from the out-edges), with balls of radius `steps`. Weights are `edge_weight`; repeated edges
    add up; a vertex without out-edges gives 0, and a walk ends there.

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
        adjacency = walk_structure(data)
        if not adjacency.is_symmetric(adjacency.transposed()):
            return {"rwse": returns(_transition(adjacency).compressed, self.steps)}
        inverse_root = np.sqrt(_inverse(adjacency.row_sums))
        weights = inverse_root[adjacency.rows] * adjacency.weights * inverse_root[adjacency.indices]
        return {"rwse": powers_diagonal(adjacency.with_weights(weights), self.steps)}


@dataclass(frozen=True)
class RRWP(Encoding):
    """`rrwp` `[P, steps]` at the pairs `rrwp_index` `[2, P]`: P^0, ..., P^(steps - 1) of each pair.

    Paper: Ma et al., Graph Inductive Biases in Transformers without Message Passing,
    arXiv 2305.17589, Section 3.1; with I as the first entry.

    Pairs are those with an entry that is not 0: j within `steps - 1` steps of i. Their number can
    reach N^2 on a large graph; `hops` keeps the pairs within that many steps, each with all of its
    `steps` entries. Row 0 of `rrwp_index` is where the walk starts, row 1 where it is; pairs are
    ascending. Directed graphs are walked along their edges. `rrwp_index` follows the vertices when
    PyG batches graphs.

    O(sum over the vertices of the entries in the ball of radius steps, times steps) time,
    O(P steps) memory.

    Attributes:
        steps: K, the number of powers.
        hops: keep pairs at most this number of steps apart; by default `steps - 1`.
        dtype: of the attributes written.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.encodings import RRWP
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> tuple(RRWP(4)(path).rrwp.shape)  # a row per pair at most 3 steps apart
        (9, 4)
    """

    names: ClassVar[tuple[str, ...]] = ("rrwp_index", "rrwp")
    steps: int = 20
    hops: int | None = None
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integers(self, steps=(1, None))
        if self.hops is not None:
            check_integers(self, hops=(1, None))

    def encode(self, data: Data) -> dict[str, npt.NDArray[Any]]:
        """`rrwp_index` and `rrwp` of `data`."""
        walk = _transition(walk_structure(data))
        hops = self.steps - 1 if self.hops is None else min(self.hops, self.steps - 1)
        counts = reach(walk.compressed, hops)
        columns, values = walk_rows(walk.compressed, self.steps, offsets(counts))
        rows = np.repeat(np.arange(walk.vertices), counts)
        return {"rrwp_index": np.stack([rows, columns]), "rrwp": values}


def _transition(adjacency: Structure) -> Structure:
    """P = D^-1 A; rows of vertices without out-edges stay empty."""
    inverse = _inverse(adjacency.row_sums)
    return adjacency.with_weights(inverse[adjacency.rows] * adjacency.weights)


def _inverse(sums: Doubles) -> Doubles:
    return np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
