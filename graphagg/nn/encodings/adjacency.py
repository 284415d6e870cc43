"""The adjacency matrices of the graphs in a `Data` or `Batch`, as SciPy arrays in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from torch_geometric.data import Data

from graphagg.arrays import Doubles, Ints
from graphagg.errors import InvalidBatch, InvalidFeatures
from graphagg.nn.conv.base import check_edge_index
from graphagg.nn.segments import Segments


class Adjacency(NamedTuple):
    """The weighted edges of one or more graphs."""

    ptr: Ints  # `[G + 1]` int64; graph g owns the vertices `ptr[g]:ptr[g + 1]`
    matrix: csr_array  # `[N, N]`; ascending distinct columns, positive weights


def walk_adjacency(data: Data) -> Adjacency:
    """The directed weighted adjacency: entry (i, j) for an edge from i to j.

    Weights are `edge_weight`, else 1. Repeated edges add up, edges of weight 0 are left out, and
    self-loops stay. Raises `InvalidBatch` unless `data` is a homogeneous graph with valid ids, and
    `InvalidFeatures` for weights that are not finite, negative, or not one per edge.
    """
    if not isinstance(data, Data):
        raise InvalidBatch(
            f"this is a {type(data).__name__}; wanted a homogeneous torch_geometric Data or Batch"
        )
    vertices = data.num_nodes
    if vertices is None or data.edge_index is None:
        raise InvalidBatch("the data has no edge_index or no num_nodes; set both")
    segments = Segments.from_batch(vertices, data.get("ptr"), data.batch, data.edge_index.device)
    ptr: Ints = segments.ptr.cpu().numpy()
    edges = _edges(data, ptr)
    weights = _weights(data, edges.shape[1])
    matrix = coo_array((weights, (edges[0], edges[1])), (vertices, vertices)).tocsr()
    matrix.eliminate_zeros()
    return Adjacency(ptr, matrix)


def symmetric_adjacency(data: Data) -> Adjacency:
    """The symmetric adjacency without self-loops, for Laplacians.

    A directed graph is made symmetric by the larger of the two weights; a symmetric one does not
    change. Raises as `walk_adjacency`.
    """
    ptr, matrix = walk_adjacency(data)
    loops = matrix.diagonal()
    if loops.any():
        matrix = csr_array(matrix - diags_array(loops))
        matrix.eliminate_zeros()
    other = matrix.T.tocsr()
    if (matrix != other).nnz:
        matrix = csr_array(matrix.maximum(other))
        matrix.sum_duplicates()
    return Adjacency(ptr, matrix)


def components(matrix: csr_array) -> list[Ints]:
    """The vertices of each connected component of a symmetric matrix, ascending."""
    count, labels = connected_components(matrix, directed=False)
    if count < 2:
        return [np.arange(len(labels))][:count]
    return np.split(np.argsort(labels, kind="stable"), np.bincount(labels).cumsum()[:-1])


def _edges(data: Data, ptr: Ints) -> Ints:
    index: torch.Tensor = data.edge_index
    index = index.long() if index.dtype is torch.int32 else index
    check_edge_index(index, int(ptr[-1]))
    edges: Ints = index.cpu().numpy()
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
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        at = int(np.argmax(bad))
        raise InvalidFeatures(
            f"edge_weight of edge {at} is {weights[at]}; wanted finite weights of at least 0"
        )
    return weights
