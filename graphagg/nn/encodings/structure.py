"""The adjacency of the graphs in a `Data` or `Batch`, as compressed rows in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from torch_geometric.data import Data

from graphagg.arrays import Array, Doubles, Ints, offsets
from graphagg.errors import InvalidBatch, InvalidFeatures
from graphagg.nn.segments import Segments


class CompressedRows(NamedTuple):
    """A sparse matrix as the kernels take it: `[N + 1]` offsets, `[nnz]` columns and weights."""

    indptr: Ints
    indices: Array
    weights: Doubles


@dataclass(frozen=True)
class Structure:
    """A square sparse matrix over the vertices of one or more graphs.

    Attributes:
        ptr: `[G + 1]` int64, graph g owns the vertices `ptr[g]:ptr[g + 1]`.
        indptr: `[N + 1]` int64.
        indices: `[nnz]` int32, the columns of each row, ascending and distinct.
        weights: `[nnz]` float64, positive.
    """

    ptr: Ints
    indptr: Ints
    indices: npt.NDArray[np.int32]
    weights: Doubles

    @property
    def vertices(self) -> int:
        """N."""
        return len(self.indptr) - 1

    @property
    def compressed(self) -> CompressedRows:
        """The matrix as the kernels take it."""
        return CompressedRows(self.indptr, self.indices, self.weights)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The row of each entry, `[nnz]`."""
        return np.repeat(np.arange(self.vertices), np.diff(self.indptr))

    @property
    def row_sums(self) -> Doubles:
        """The sum of each row's weights, `[N]`."""
        return np.bincount(self.rows, self.weights, self.vertices).astype(np.float64)

    def scipy(self) -> csr_array:
        """The matrix as SciPy has it."""
        return csr_array((self.weights, self.indices, self.indptr), 2 * (self.vertices,))

    def with_weights(self, weights: Doubles) -> Structure:
        """The same pattern with other weights `[nnz]`."""
        return Structure(self.ptr, self.indptr, self.indices, weights)

    def transposed(self) -> Structure:
        """Rows and columns exchanged; O(nnz)."""
        return _coalesced(self.ptr, self.vertices, self.indices, self.rows, self.weights)

    def is_symmetric(self, other: Structure) -> bool:
        """Whether `other`, the transposed, is the same matrix."""
        return np.array_equal(self.indices, other.indices) and np.array_equal(
            self.weights, other.weights
        )


def walk_structure(data: Data) -> Structure:
    """The weighted adjacency as the edges say: entry (i, j) for an edge from i to j.

    Weights are `edge_weight` where the data has it, else 1; repeated edges add up; edges of weight
    0 are left out; self-loops stay.

    Raises:
        InvalidBatch: not a homogeneous graph, or an `edge_index`, `batch` or `ptr` out of range.
        InvalidFeatures: weights that are NaN, infinite, negative or of another number.
    """
    vertices, ptr = _graphs(data)
    edges = _edges(data, ptr)
    weights = _weights(data, edges.shape[1])
    kept = weights > 0
    if not kept.all():
        edges, weights = edges[:, kept], weights[kept]
    return _coalesced(ptr, vertices, edges[0], edges[1], weights)


def laplace_structure(data: Data) -> Structure:
    """The symmetric adjacency without self-loops, from which Laplacians are made.

    A directed graph is made symmetric by the larger of the two weights, which leaves a symmetric
    one as it is.

    Raises:
        InvalidBatch: as `walk_structure`.
        InvalidFeatures: as `walk_structure`.
    """
    walk = walk_structure(data)
    if (walk.rows == walk.indices).any():
        rows, kept = walk.rows, walk.rows != walk.indices
        walk = _coalesced(
            walk.ptr, walk.vertices, rows[kept], walk.indices[kept], walk.weights[kept]
        )
    other = walk.transposed()
    if walk.is_symmetric(other):
        return walk
    return _of_scipy(walk.ptr, walk.scipy().maximum(other.scipy()))


@dataclass(frozen=True)
class Component:
    """A connected component of a symmetric `Structure`.

    Attributes:
        graph: number of the graph that it belongs to.
        vertices: `[n]` int64, its vertices in the batch, ascending.
        indptr: `[n + 1]` int64.
        indices: `[nnz]` int64, local columns in `[0, n)`.
        weights: `[nnz]` float64.
        degrees: `[n]` float64, the row sums.
    """

    graph: int
    vertices: Ints
    indptr: Ints
    indices: Ints
    weights: Doubles
    degrees: Doubles

    @property
    def size(self) -> int:
        """N."""
        return len(self.vertices)

    def dense(self) -> Doubles:
        """The adjacency, `[n, n]`."""
        matrix = np.zeros((self.size, self.size))
        matrix[np.repeat(np.arange(self.size), np.diff(self.indptr)), self.indices] = self.weights
        return matrix

    def sparse(self) -> csr_array:
        """The adjacency as a `scipy.sparse.csr_array`."""
        return csr_array((self.weights, self.indices, self.indptr), (self.size, self.size))


def components(structure: Structure) -> Iterator[Component]:
    """The connected components of a symmetric structure, by their smallest vertex; O(N + nnz)."""
    count, labels = connected_components(structure.scipy(), directed=False)
    order = np.argsort(labels, kind="stable")
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    bounds = offsets(np.bincount(labels, minlength=count))
    graphs = np.searchsorted(structure.ptr, order[bounds[:-1]], side="right") - 1
    degrees = structure.row_sums
    sizes = np.diff(structure.indptr)[order]
    starts = offsets(sizes)
    entries = np.repeat(structure.indptr[:-1][order] - starts[:-1], sizes) + np.arange(starts[-1])
    columns, weights = position[structure.indices[entries]], structure.weights[entries]
    for c in range(count):
        first, last = bounds[c], bounds[c + 1]
        a, b = starts[first], starts[last]
        vertices = order[first:last]
        yield Component(
            int(graphs[c]),
            vertices,
            starts[first : last + 1] - a,
            columns[a:b] - first,
            weights[a:b],
            degrees[vertices],
        )


def _graphs(data: Data) -> tuple[int, Ints]:
    if not isinstance(data, Data):
        raise InvalidBatch(
            f"this is a {type(data).__name__}; wanted a homogeneous torch_geometric Data or Batch"
        )
    vertices = data.num_nodes
    if vertices is None or data.edge_index is None:
        raise InvalidBatch("the data has no edge_index or no num_nodes; set both")
    segments = Segments.from_batch(vertices, data.get("ptr"), data.batch, data.edge_index.device)
    return vertices, segments.ptr.cpu().numpy()


def _edges(data: Data, ptr: Ints) -> Ints:
    index: torch.Tensor = data.edge_index
    if index.dim() != 2 or index.size(0) != 2 or index.dtype not in (torch.int64, torch.int32):
        raise InvalidBatch(
            f"edge_index is {tuple(index.shape)} of {index.dtype}; wanted [2, E] torch.int64"
        )
    edges: Ints = index.detach().cpu().numpy()
    if edges.size:
        low, high = int(edges.min()), int(edges.max())
        if low < 0 or high >= ptr[-1]:
            raise InvalidBatch(
                f"edge_index holds the vertex {low if low < 0 else high}; wanted ids from 0 to "
                f"{ptr[-1] - 1}"
            )
        if len(ptr) > 2:
            owners = np.searchsorted(ptr, edges, side="right")
            if (owners[0] != owners[1]).any():
                at = int(np.argmax(owners[0] != owners[1]))
                raise InvalidBatch(
                    f"edge {at} runs from vertex {edges[0, at]} to {edges[1, at]} of another graph"
                )
    return edges


def _weights(data: Data, edges: int) -> Doubles:
    given = data.get("edge_weight")
    if given is None:
        return np.ones(edges)
    weights: Doubles = given.detach().cpu().double().numpy()
    if weights.size != edges:
        raise InvalidFeatures(f"edge_weight is {weights.shape}; wanted ({edges},), one per edge")
    weights = weights.reshape(edges)
    if not np.isfinite(weights).all() or (weights < 0).any():
        at = int(np.argmax(~(np.isfinite(weights) & (weights >= 0))))
        raise InvalidFeatures(
            f"edge_weight of edge {at} is {weights[at]}; wanted finite weights of at least 0"
        )
    return weights


def _coalesced(
    ptr: Ints, vertices: int, rows: Array, columns: Array, weights: Doubles
) -> Structure:
    """Compressed rows with ascending columns; repeats add up."""
    return _of_scipy(ptr, coo_array((weights, (rows, columns)), (vertices, vertices)).tocsr())


def _of_scipy(ptr: Ints, matrix: Any) -> Structure:
    matrix.sum_duplicates()
    return Structure(
        ptr, matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data
    )
