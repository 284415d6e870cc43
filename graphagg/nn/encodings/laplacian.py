"""LapPE: eigenvectors of the graph Laplacian (arXiv 2003.00982, GraphGPS arXiv 2205.12454)."""

from __future__ import annotations

import copy
import inspect
from itertools import pairwise, repeat
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from scipy.linalg import eigh
from scipy.sparse import csr_array, eye_array
from scipy.sparse.csgraph import connected_components, laplacian, reverse_cuthill_mckee
from scipy.sparse.linalg import ArpackError, eigsh
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import remove_self_loops, to_scipy_sparse_matrix, to_undirected

from graphagg.arrays import Doubles, Ints
from graphagg.checks import integer
from graphagg.errors import GraphAggError, InvalidBatch
from graphagg.nn.conv.base import check_edge_index
from graphagg.nn.segments import Segments

DENSE = 1000
"""Maximum number of vertices of a component that is solved as a dense matrix."""
_ROOM = 24  # ARPACK's basis has 2 * count + _ROOM vectors
_SHIFT = 1e-6  # relative to the bound on the spectrum; keeps the shifted Laplacian definite
_SMALL, _MOST_ENTRIES = 10**6, 10**8  # envelope sizes: always, never factored (1 GiB)


class NoConvergence(GraphAggError):
    """The eigenvectors of a large graph could not be computed."""

    exit_code = 1


class LapPE(BaseTransform):  # type: ignore[misc]  # PyG ships no types
    """Writes `lap_vectors` `[N, k]`, `lap_values` `[N, k]` and `lap_mask` `[N, k]` bool.

    These are the eigenvectors of the k smallest eigenvalues of a graph's Laplacian D - A, scaled to
    length 1, ascending by eigenvalue; all vertices of a graph have the same `lap_values`. The graph
    is read as undirected, without weights and self-loops.

    The eigenvalue 0 has one vector per component, constant on it and 0 elsewhere. Each other
    vector is also nonzero on only one component. An isolated vertex is a component.

    Signs are not unique: the first entry with the largest absolute value is made positive (see
    `flip_signs`). The basis of a repeated eigenvalue is not unique either; in components of more
    than 1,000 vertices some of its vectors may be missing, as in other solvers with one start.
    Graphs with fewer than k vectors get columns of 0 with a mask of False. PyG's
    `AddLaplacianEigenvectorPE` has no eigenvalues, and rejects graphs with fewer than k vertices.

    Takes O(n^3) time per component of up to 1,000 vertices; above, Lanczos in O(N k) memory.

    Args:
        k: number of eigenvectors.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.encodings import LapPE
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> LapPE(3)(path).lap_values[0].round(decimals=3).tolist()
        [0.0, 1.0, 3.0]
    """

    def __init__(self, k: int = 8) -> None:
        self.k = integer("k", k, 1)

    def forward(self, data: Data) -> Data:
        """Add the attributes, as float32, to a `Data` or a `Batch`.

        Raises:
            InvalidBatch: `edge_index` or `num_nodes` is missing, or an id is out of range.
            NoConvergence: the vectors of a large graph could not be computed.
        """
        index, vertices = data.edge_index, data.num_nodes
        if index is None or vertices is None:
            raise InvalidBatch("the data has no edge_index or no num_nodes; set both")
        check_edge_index(index, vertices)
        graphs = Segments.from_batch(vertices, data.get("ptr"), data.batch, index.device)
        edges = to_undirected(remove_self_loops(index)[0], num_nodes=vertices).cpu()
        matrix = csr_array(to_scipy_sparse_matrix(edges, num_nodes=vertices), dtype=np.float64)
        vectors = np.zeros((vertices, self.k), np.float32)
        values, mask = np.zeros_like(vectors), np.zeros(vectors.shape, dtype=bool)
        for first, last in pairwise(graphs.ptr.tolist()):
            for column, pair in enumerate(self._lowest_pairs(matrix[first:last, first:last])):
                values[first:last, column], mask[first:last, column] = pair[0], True
                vectors[first + pair[1], column] = pair[2]
        for name, array in {"vectors": vectors, "values": values, "mask": mask}.items():
            data[f"lap_{name}"] = torch.from_numpy(array).to(index.device)
        return data

    def _lowest_pairs(self, matrix: csr_array) -> list[tuple[float, Ints, Doubles]]:
        """Return the first k eigenvalues of a graph, with the vertices and entries of vectors."""
        count, labels = connected_components(matrix, directed=False)
        pairs: list[tuple[float, Ints, Doubles]] = []
        for component in range(count):
            vertices = np.flatnonzero(labels == component)
            values, vectors = lowest(matrix[vertices][:, vertices], self.k)
            pairs += zip(values.tolist(), repeat(vertices), vectors.T, strict=False)
        return sorted(pairs, key=itemgetter(0))[: self.k]  # ties in the order of the components


def lowest(matrix: csr_array, count: int) -> tuple[Doubles, Doubles]:
    """Compute the `count` smallest eigenvalues of D - A of one component, and unit eigenvectors.

    Long thin graphs (grids, roads, trees) need very many restarts with matrix products, but their
    factors are small: if the reverse Cuthill-McKee envelope, an upper bound on the fill, has at
    most 2 n^1.5 entries, ARPACK works with (L + shift)^-1, else with bound - L.
    """
    size = matrix.shape[0]
    own, count = csr_array(laplacian(matrix)), min(count, size)
    if size <= max(DENSE, 2 * count + _ROOM):
        values, vectors = eigh(own.toarray(), subset_by_index=[0, count - 1])
        return np.maximum(values, 0.0), _fix_signs(vectors)
    bound = 2 * float(own.diagonal().max())  # no eigenvalue is larger
    start = np.random.default_rng(size)
    options: dict[str, Any] = {"v0": start.standard_normal(size), "ncv": 2 * count + _ROOM}
    if "rng" in inspect.signature(eigsh).parameters:  # newer SciPy versions use it for restarts
        options["rng"] = size
    try:
        if _envelope(matrix) <= min(max(2 * size**1.5, _SMALL), _MOST_ENTRIES):
            values, vectors = eigsh(own.tocsc(), count, sigma=-_SHIFT * bound, **options)
        else:
            values, vectors = eigsh(bound * eye_array(size) - own, count, which="LA", **options)
            values = bound - values
    except ArpackError as error:
        raise NoConvergence(
            f"cannot compute {count} eigenvectors of {size} vertices ({error}); use fewer"
        ) from None
    order = np.argsort(values)
    return np.maximum(values[order], 0.0), _fix_signs(vectors[:, order])


def _envelope(matrix: csr_array) -> int:
    """Count entries between the first of each row and the diagonal, in Cuthill-McKee order."""
    order = reverse_cuthill_mckee(matrix, symmetric_mode=True)
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    first = np.minimum.reduceat(position[matrix.indices], matrix.indptr[:-1])
    return int((position - np.minimum(first, position)).sum())


def _fix_signs(vectors: Doubles) -> Doubles:
    """Flip signs of columns so that the first entry of (nearly) largest size is positive."""
    sizes = np.abs(vectors)
    first = np.argmax(sizes >= sizes.max(axis=0) * (1 - 1e-6), axis=0)
    signs = np.where(vectors[first, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    fixed: Doubles = vectors * signs
    return fixed


def flip_signs(data: Data) -> Data:
    """Return a copy of `data` whose eigenvectors have random signs: one per graph and column.

    Use it in training; in evaluation the vectors do not change. GraphGPS draws one sign per column
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
