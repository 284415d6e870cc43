"""LapPE: eigenvectors of the graph Laplacian (arXiv 2003.00982, GraphGPS arXiv 2205.12454)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise, repeat
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch_geometric.data import Data

from graphagg.arrays import Doubles, Ints
from graphagg.nn.encodings.adjacency import components, symmetric_adjacency
from graphagg.nn.encodings.base import Encoding
from graphagg.nn.encodings.eigenpairs import fix_signs, lowest
from graphagg.nn.segments import Segments
from graphagg.nn.settings import check_integers


@dataclass(frozen=True)
class LapPE(Encoding):
    """`lap_vectors` `[N, k]`, `lap_values` `[N, k]` and `lap_mask` `[N, k]` bool.

    The eigenvectors of the k smallest eigenvalues of a graph's Laplacian D - W, each of length 1
    over the graph, ascending by eigenvalue; every vertex of a graph holds the same `lap_values`.
    The Laplacian belongs to the undirected graph without self-loops (a directed edge counts both
    ways, with the larger weight).

    The eigenvalue 0 has one vector per component, constant on it and 0 elsewhere. Each of the
    others is nonzero on one component, too. An isolated vertex is a component.

    Signs are not unique: the first entry of the largest size is made positive (see `flip_signs`).
    Nor is the basis of a repeated eigenvalue's eigenspace. An orthonormal one is returned; its
    projector, not its vectors, is equivariant to a renumbering of the vertices. If k cuts an
    eigenspace, some of its vectors are returned. A graph with fewer than k vectors gets columns of
    0 with a mask of False.

    O(n^3) per component below `dense_below` vertices; above, Lanczos (`eigenpairs`) in O(N k)
    memory.

    Departures from GraphGPS: sparse above `dense_below`; no normalized Laplacian (PyG's
    `AddLaplacianEigenvectorPE` has one); missing values are 0 with a mask, not NaN.

    Attributes:
        k: number of eigenvectors.
        dense_below: number of vertices from which a component is solved without a dense matrix.
        dtype: of the attributes written.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.encodings import LapPE
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> LapPE(3)(path).lap_values[0].round(decimals=3).tolist()
        [0.0, 1.0, 3.0]
    """

    names: ClassVar[tuple[str, ...]] = ("lap_vectors", "lap_values", "lap_mask")
    k: int = 8
    dense_below: int = 300
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integers(self, k=(1, None))

    def encode(self, data: Data) -> dict[str, npt.NDArray[Any]]:
        """`lap_vectors`, `lap_values` and `lap_mask` of `data`.

        Raises:
            NoConvergence: the vectors of a large graph were not found.
        """
        ptr, matrix = symmetric_adjacency(data)
        vectors = np.zeros((matrix.shape[0], self.k))
        values, mask = np.zeros_like(vectors), np.zeros(vectors.shape, dtype=bool)
        for first, last in pairwise(ptr.tolist()):
            for column, pair in enumerate(self._lowest_pairs(matrix[first:last, first:last])):
                values[first:last, column], mask[first:last, column] = pair[0], True
                vectors[first + pair[1], column] = pair[2]
        return {"lap_vectors": vectors, "lap_values": values, "lap_mask": mask}

    def _lowest_pairs(self, matrix: csr_array) -> list[tuple[float, Ints, Doubles]]:
        """The first k eigenvalues of a graph, each with the vertices and entries of its vector."""
        pairs: list[tuple[float, Ints, Doubles]] = []
        for vertices in components(matrix):
            values, vectors = lowest(matrix[vertices][:, vertices], self.k, self.dense_below)
            pairs += zip(values.tolist(), repeat(vertices), fix_signs(vectors).T, strict=False)
        return sorted(pairs, key=itemgetter(0))[: self.k]  # ties in the order of the components


def flip_signs(data: Data) -> Data:
    """A copy of `data` whose eigenvectors have random signs: one per graph and column.

    For training; in evaluation the vectors are used as they are. GraphGPS draws one sign per column
    for the whole batch.

    Args:
        data: a `Data` or a `Batch` with `lap_vectors` `[N, k]`.

    Returns:
        a shallow copy; `data` does not change.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.encodings import LapPE, flip_signs
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> encoded = LapPE(2)(path)
        >>> torch.equal(flip_signs(encoded).lap_vectors.abs(), encoded.lap_vectors.abs())
        True
    """
    vectors: Tensor = data.lap_vectors
    graphs = Segments.from_batch(vectors.size(0), data.get("ptr"), data.batch, vectors.device)
    bits = torch.randint(0, 2, (graphs.count, vectors.size(1)), device=vectors.device)
    signs = (2 * bits - 1).to(vectors)
    flipped = copy.copy(data)
    flipped.lap_vectors = vectors * signs[graphs.index.to(vectors.device)]
    return flipped
