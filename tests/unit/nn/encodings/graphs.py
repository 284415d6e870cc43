"""Random graphs as PyG `Data`, and their matrices in full."""

from __future__ import annotations

import networkx as nx
import numpy as np
import torch
from hypothesis import strategies as st
from torch_geometric.data import Data


def random_graph(
    vertices: int, edges: int, seed: int, *, weighted: bool = False, directed: bool = False
) -> Data:
    """Distinct pairs, both ways unless directed; loops where directed; an `x` of 2 columns."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, max(vertices, 1), (2, edges if vertices else 0))
    if not directed:
        pairs = np.sort(pairs[:, pairs[0] != pairs[1]], axis=0)
    pairs = np.unique(pairs, axis=1)
    weights = rng.uniform(0.2, 3.0, pairs.shape[1])
    if not directed:
        pairs, weights = np.hstack([pairs, pairs[::-1]]), np.tile(weights, 2)
    data = Data(
        x=torch.from_numpy(rng.standard_normal((vertices, 2))),
        edge_index=torch.from_numpy(pairs).long(),
        num_nodes=vertices,
    )
    if weighted:
        data.edge_weight = torch.from_numpy(weights)
    return data


def graphs(
    most: int = 9, *, weighted: bool | None = None, directed: bool = False
) -> st.SearchStrategy[Data]:
    """Graphs of 0 to `most` vertices with none to 2 edges a vertex, often disconnected."""
    return st.builds(
        lambda n, e, seed, w: random_graph(n, e, seed, weighted=w, directed=directed),
        st.integers(0, most),
        st.integers(0, 2 * most),
        st.integers(0, 2**32 - 1),
        st.booleans() if weighted is None else st.just(weighted),
    )


def of(graph: nx.Graph) -> Data:
    """A networkx graph with vertices 0..n-1, both directions of each edge."""
    graph = nx.convert_node_labels_to_integers(graph)
    pairs = np.array(graph.edges, dtype=np.int64).reshape(-1, 2).T
    return Data(
        edge_index=torch.from_numpy(np.hstack([pairs, pairs[::-1]])),
        num_nodes=graph.number_of_nodes(),
    )


def adjacency(data: Data) -> np.ndarray:
    """`[N, N]`, weights of repeated edges summed."""
    matrix = np.zeros((data.num_nodes, data.num_nodes))
    weights = data.get("edge_weight")
    ones = np.ones(data.edge_index.size(1))
    np.add.at(matrix, tuple(data.edge_index.numpy()), ones if weights is None else weights.numpy())
    return matrix


def undirected(data: Data) -> np.ndarray:
    """The adjacency of the Laplacians: the larger of both directions, no loops."""
    matrix = adjacency(data)
    matrix = np.maximum(matrix, matrix.T)
    np.fill_diagonal(matrix, 0)
    return matrix


def laplacian(matrix: np.ndarray) -> np.ndarray:
    """D - W."""
    return np.diag(matrix.sum(1)) - matrix


def permuted(data: Data, order: np.ndarray) -> Data:
    """Vertex v becomes `order[v]`; the edges are shuffled too."""
    edges = torch.from_numpy(order)[data.edge_index]
    shuffle = torch.from_numpy(np.random.default_rng(0).permutation(edges.size(1)))
    out = Data(x=data.x, edge_index=edges[:, shuffle], num_nodes=data.num_nodes)
    if data.get("edge_weight") is not None:
        out.edge_weight = data.edge_weight[shuffle]
    return out
