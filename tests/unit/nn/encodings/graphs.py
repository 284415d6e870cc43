"""Random graphs as PyG `Data`, and their matrices in full."""

from __future__ import annotations

import networkx as nx
import numpy as np
import torch
from hypothesis import strategies as st
from torch_geometric.data import Data


def random_graph(vertices: int, edges: int, seed: int) -> Data:
    """Distinct pairs without loops, both ways; an `x` of 2 columns."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, max(vertices, 1), (2, edges if vertices else 0))
    pairs = np.unique(np.sort(pairs[:, pairs[0] != pairs[1]], axis=0), axis=1)
    return Data(
        x=torch.from_numpy(rng.standard_normal((vertices, 2))),
        edge_index=torch.from_numpy(np.hstack([pairs, pairs[::-1]])).long(),
        num_nodes=vertices,
    )


def graphs(most: int = 9) -> st.SearchStrategy[Data]:
    """Graphs of 0 to `most` vertices with none to 2 edges a vertex, often disconnected."""
    return st.builds(
        random_graph, st.integers(0, most), st.integers(0, 2 * most), st.integers(0, 2**32 - 1)
    )


def of(graph: nx.Graph) -> Data:
    """A networkx graph with vertices 0..n-1, both directions of each edge."""
    graph = nx.convert_node_labels_to_integers(graph)
    pairs = np.array(graph.edges, dtype=np.int64).reshape(-1, 2).T
    return Data(
        edge_index=torch.from_numpy(np.hstack([pairs, pairs[::-1]])),
        num_nodes=graph.number_of_nodes(),
    )


def laplacian(data: Data) -> np.ndarray:
    """`[N, N]` D - A of an undirected graph."""
    matrix = np.zeros((data.num_nodes, data.num_nodes))
    matrix[tuple(data.edge_index.numpy())] = 1
    return np.diag(matrix.sum(1)) - matrix
