"""Ragged batches of random multigraphs with features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor


@dataclass(frozen=True)
class Graph:
    x: Tensor  # [N, d]
    edge_index: Tensor  # [2, E]
    edge_attr: Tensor  # [E, d]


def random_graph(vertices: int, edges: int, width: int, seed: int) -> Graph:
    rng = torch.Generator().manual_seed(seed)
    edges = edges if vertices else 0
    x, edge_attr = (
        torch.randn(n, width, generator=rng, dtype=torch.float64) for n in (vertices, edges)
    )
    index = torch.randint(0, max(vertices, 1), (2, edges), generator=rng)
    return Graph(x, index, edge_attr)


def batch(graphs: list[Graph]) -> Graph:
    offsets = torch.tensor([0, *(g.x.size(0) for g in graphs)]).cumsum(0).tolist()
    return Graph(
        torch.cat([g.x for g in graphs]),
        torch.cat([g.edge_index + o for g, o in zip(graphs, offsets, strict=False)], 1),
        torch.cat([g.edge_attr for g in graphs]),
    )


def graphs(width: int, most: int = 7) -> st.SearchStrategy[Graph]:
    """Graphs of 0 to `most` vertices, with none to 3 edges a vertex: loops and repeats too."""
    return st.builds(
        lambda vertices, edges, seed: random_graph(vertices, edges, width, seed),
        st.integers(0, most),
        st.integers(0, 3 * most),
        st.integers(0, 2**32 - 1),
    )
