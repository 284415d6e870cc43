"""Small batches of every kind that a GPS model reads."""

from __future__ import annotations

import torch
from torch import Tensor

from graphagg.nn import FeatureConfig


def ragged_batch(
    sizes: tuple[int, ...], channels: int, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random graphs: x, edge_index, edge_attr, batch."""
    generator = torch.Generator().manual_seed(seed)
    edges, first = [], 0
    for size in sizes:
        edges.append(first + torch.randint(size, (2, 2 * size), generator=generator))
        first += size
    edge_index = torch.cat(edges, dim=1)
    x = torch.randn(first, channels, generator=generator, dtype=dtype)
    edge_attr = torch.randn(edge_index.size(1), channels, generator=generator, dtype=dtype)
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return x, edge_index, edge_attr, batch


def columns(config: FeatureConfig, rows: int, generator: torch.Generator) -> Tensor | None:
    """Random columns that fit a feature config."""
    if not config.columns:
        return None
    whole = [torch.randint(size, (rows, 1), generator=generator) for size in config.vocabulary]
    if not config.width:
        return torch.cat(whole, dim=1)
    return torch.cat([*whole, torch.randn(rows, config.width, generator=generator)], dim=1)
