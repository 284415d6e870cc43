"""LapPE: eigenvectors of the graph Laplacian (arXiv 2003.00982, GraphGPS arXiv 2205.12454)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.arrays import Doubles
from graphagg.nn.encodings.adjacency import Component, components, symmetric_adjacency
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
        adjacency = symmetric_adjacency(data)
        vectors = np.zeros((adjacency.matrix.shape[0], self.k))
        values, mask = np.zeros_like(vectors), np.zeros(vectors.shape, dtype=bool)
        by_graph: list[list[Component]] = [[] for _ in range(len(adjacency.ptr) - 1)]
        for component in components(adjacency):
            by_graph[component.graph].append(component)
        for graph, inside in enumerate(by_graph):
            eigenpairs = self._graph(inside)
            rows = slice(adjacency.ptr[graph], adjacency.ptr[graph + 1])
            values[rows, : len(eigenpairs)] = [value for value, _, _ in eigenpairs]
            mask[rows, : len(eigenpairs)] = True
            for column, (_, component, vector) in enumerate(eigenpairs):
                vectors[component.vertices, column] = vector
        return {"lap_vectors": vectors, "lap_values": values, "lap_mask": mask}

    def _graph(self, inside: list[Component]) -> list[tuple[float, Component, Doubles]]:
        """The first k eigenpairs of all components; ties in the components' order."""
        eigenpairs = []
        for component in inside:
            component_values, vectors = lowest(component, self.k, self.dense_below)
            vectors = fix_signs(vectors)
            eigenpairs += [
                (float(value), component, vectors[:, i]) for i, value in enumerate(component_values)
            ]
        eigenpairs.sort(key=lambda pair: pair[0])
        return eigenpairs[: self.k]


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
