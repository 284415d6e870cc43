"""The adjacency of the graphs in a `Data` or `Batch`, as compressed rows in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import torch
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
    return Structure(walk.ptr, *_larger(walk.compressed, other.compressed))


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

    def sparse(self) -> Any:
        """The adjacency as a `scipy.sparse.csr_array`."""
        from scipy.sparse import csr_array

        return csr_array((self.weights, self.indices, self.indptr), (self.size, self.size))


def components(structure: Structure) -> Iterator[Component]:
    """The connected components of a symmetric structure, by their smallest vertex; O(N + nnz)."""
    labels, count = _label(structure.indptr, structure.indices)
    order = np.argsort(labels, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    bounds = offsets(np.bincount(labels, minlength=count))
    graphs = np.searchsorted(structure.ptr, order[bounds[:-1]], side="right") - 1
    degrees = structure.row_sums
    sizes = np.diff(structure.indptr)[order]
    starts = offsets(sizes)
    entries = np.repeat(structure.indptr[:-1][order] - starts[:-1], sizes) + np.arange(starts[-1])
    columns, weights = place[structure.indices[entries]], structure.weights[entries]
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
    segments = Segments.of(vertices, data.get("ptr"), data.batch, data.edge_index.device)
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
        raise InvalidFeatures(f"edge_weight is {weights.shape}; wanted ({edges},), one an edge")
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
    return Structure(ptr, *_coalesce(vertices, rows, columns, weights))


@numba.njit(cache=True, nogil=True)
def _coalesce(size: int, rows: Array, columns: Array, weights: Doubles) -> Any:
    """Compressed rows in two counting sorts, O(N + nnz); repeats are summed in their order."""
    by_column = np.zeros(size + 1, dtype=np.int64)
    by_row = np.zeros(size + 1, dtype=np.int64)
    for e in range(len(rows)):
        by_column[columns[e] + 1] += 1
        by_row[rows[e] + 1] += 1
    for v in range(size):
        by_column[v + 1] += by_column[v]
        by_row[v + 1] += by_row[v]
    # By column first: the second sort is stable, so that columns ascend within each row.
    order = np.empty(len(rows), dtype=np.int64)
    for e in range(len(rows)):
        order[by_column[columns[e]]] = e
        by_column[columns[e]] += 1
    position = by_row[:-1].copy()
    indices = np.empty(len(rows), dtype=np.int32)
    values = np.empty(len(rows), dtype=np.float64)
    for entry in order:
        indices[position[rows[entry]]] = columns[entry]
        values[position[rows[entry]]] = weights[entry]
        position[rows[entry]] += 1
    # Repeats lie side by side now. `kept` never overtakes i, so the arrays shrink in place, and
    # by_row[v] may be overwritten once row v - 1 is done: its old value is in `start`.
    kept, start = 0, 0
    for v in range(size):
        stop = int(by_row[v + 1])
        first = kept
        for i in range(start, stop):
            if kept > first and indices[i] == indices[kept - 1]:
                values[kept - 1] += values[i]
            else:
                indices[kept] = indices[i]
                values[kept] = values[i]
                kept += 1
        start = stop
        by_row[v + 1] = kept
    return by_row, indices[:kept].copy(), values[:kept].copy()


@numba.njit(cache=True, nogil=True)
def _larger(a: CompressedRows, b: CompressedRows) -> Any:
    """The entrywise maximum of two matrices, by merging their rows."""
    size = len(a.indptr) - 1
    indptr = np.zeros(size + 1, dtype=np.int64)
    indices = np.empty(len(a.indices) + len(b.indices), dtype=np.int32)
    values = np.empty(len(indices), dtype=np.float64)
    kept = 0
    for v in range(size):
        i, j = a.indptr[v], b.indptr[v]
        while i < a.indptr[v + 1] or j < b.indptr[v + 1]:
            # A row that is done gives `size`, larger than every column.
            left = a.indices[i] if i < a.indptr[v + 1] else size
            right = b.indices[j] if j < b.indptr[v + 1] else size
            value = 0.0  # of a matrix without this entry; weights are positive
            if left <= right:
                value = a.weights[i]
                i += 1
            if right <= left:
                value = max(value, b.weights[j])
                j += 1
            indices[kept] = min(left, right)
            values[kept] = value
            kept += 1
        indptr[v + 1] = kept
    return indptr, indices[:kept].copy(), values[:kept].copy()


@numba.njit(cache=True, nogil=True)
def _label(indptr: Ints, indices: Array) -> Any:
    """The component of each vertex, numbered by its smallest vertex, and how many there are."""
    size = len(indptr) - 1
    labels = np.full(size, -1, dtype=np.int64)  # -1: not reached yet
    queue = np.empty(size, dtype=np.int64)
    count = 0
    # Roots ascend, so each is the smallest vertex of its component.
    for root in range(size):
        if labels[root] >= 0:
            continue
        labels[root] = count
        queue[0] = root
        head, tail = 0, 1
        while head < tail:
            u = queue[head]
            head += 1
            for i in range(indptr[u], indptr[u + 1]):
                v = indices[i]
                if labels[v] < 0:
                    labels[v] = count  # labeled when queued: each vertex is queued once
                    queue[tail] = v
                    tail += 1
        count += 1
    return labels, count
