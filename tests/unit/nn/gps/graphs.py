"""Small batches of every kind that a GPS model reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.nn import FeatureConfig, GPSConfig
from graphagg.nn.model.encoding import encoding_transforms


def ragged_batch(
    sizes: Sequence[int], channels: int, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random graphs, two edges a vertex: x, edge_index, edge_attr, batch."""
    generator = torch.Generator().manual_seed(seed)
    edges, first = [torch.zeros(2, 0, dtype=torch.int64)], 0
    for size in sizes:
        if size:
            edges.append(first + torch.randint(size, (2, 2 * size), generator=generator))
        first += size
    edge_index = torch.cat(edges, dim=1)
    x = torch.randn(first, channels, generator=generator, dtype=dtype)
    edge_attr = torch.randn(edge_index.size(1), channels, generator=generator, dtype=dtype)
    counts = torch.tensor(sizes, dtype=torch.int64)
    batch = torch.repeat_interleave(torch.arange(len(sizes)), counts)
    return x, edge_index, edge_attr, batch


def columns(config: FeatureConfig, rows: int, generator: torch.Generator) -> Tensor | None:
    """Random columns that fit a feature config."""
    if not config.columns:
        return None
    whole = [torch.randint(size, (rows, 1), generator=generator) for size in config.vocabulary]
    if not config.width:
        return torch.cat(whole, dim=1)
    return torch.cat([*whole, torch.randn(rows, config.width, generator=generator)], dim=1)


def graph_for(
    config: GPSConfig,
    vertices: int,
    seed: int,
    dtype: torch.dtype = torch.float32,
    edges: int | None = None,
) -> Data:
    """A random graph with all that a model reads; two edges a vertex unless `edges` says so."""
    generator = torch.Generator().manual_seed(seed)
    count = 2 * vertices if edges is None else edges
    ends = torch.randint(max(vertices, 1), (2, count), generator=generator)
    graph = Data(edge_index=ends, num_nodes=vertices)
    for name, features, rows in (("x", config.nodes, vertices), ("edge_attr", config.edges, count)):
        values = columns(features, rows, generator)
        if values is not None:
            graph[name] = values.to(dtype) if values.is_floating_point() else values
    if config.head.task == "edge":
        graph.edge_label_index = torch.randint(max(vertices, 1), (2, 3), generator=generator)
    for transform in encoding_transforms(config):
        graph = transform(graph)
    for name, values in graph.to_dict().items():
        if isinstance(values, Tensor) and values.is_floating_point():
            graph[name] = values.to(dtype)
    return graph
