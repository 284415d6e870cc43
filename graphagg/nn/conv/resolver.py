"""Builds local parts by name, or from a convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
import torch_geometric.nn.conv as pyg
from torch_geometric.nn.aggr import Aggregation

from graphagg.errors import InvalidParameter
from graphagg.nn.conv.adapter import ConvPart
from graphagg.nn.conv.base import LocalPart
from graphagg.nn.conv.gatedgcn import GatedGCN
from graphagg.nn.conv.gine import GINE
from graphagg.nn.conv.messages import find_aggregation
from graphagg.nn.resolver import find

Aggregator: TypeAlias = Aggregation | str | None


def _mlp(channels: int) -> torch.nn.Module:
    first, second = (torch.nn.Linear(channels, channels) for _ in range(2))
    return torch.nn.Sequential(first, torch.nn.ReLU(), second)


_OWN: dict[str, type[GatedGCN] | type[GINE]] = {"gatedgcn": GatedGCN, "gine": GINE}
_PYG: dict[str, Callable[..., torch.nn.Module]] = {
    "gcn": lambda channels, **aggregation: pyg.GCNConv(channels, channels, **aggregation),
    "sage": lambda channels, **aggregation: pyg.SAGEConv(channels, channels, **aggregation),
    "gin": lambda channels, **aggregation: pyg.GINConv(_mlp(channels), **aggregation),
    # The normalized sum of a GCN, without weights.
    "propagation": lambda channels, **aggregation: pyg.APPNP(1, 0.0, **aggregation),
}
NAMES = (*_OWN, *_PYG)


def make_local_part(
    name_or_module: str | torch.nn.Module,
    channels: int,
    edge_channels: int | None = None,
    aggregation: Aggregator = None,
    **options: Any,
) -> LocalPart:
    """Build a local part `(x, edge_index, edge_attr) -> (x, edge_attr)`.

    Args:
        name_or_module: one of `NAMES`; a PyG convolution from `channels` to `channels`; or a
            `LocalPart`, which is returned.
        channels: width of the vertices' features.
        edge_channels: width of the edges' features; None for edges without features.
        aggregation: an `Aggregation` or its name, for the messages; None uses the part's default.
            For a convolution object, pass it to its constructor instead (`aggr=...`).
        options: passed to the part, such as `dropout` and `norm` of `gatedgcn`.

    Raises:
        InvalidParameter: the name is unknown, the part does not accept an option, the aggregation
            cannot be set, or the convolution needs other inputs.

    Examples:
        >>> from graphagg.nn import make_local_part
        >>> type(make_local_part("gatedgcn", 8, edge_channels=8)).__name__
        'GatedGCN'
        >>> make_local_part("sage", 8).conv
        SAGEConv(8, 8, aggr=mean)
    """
    name = name_or_module
    if isinstance(name, torch.nn.Module):
        if aggregation is not None or (options and isinstance(name, LocalPart)):
            raise InvalidParameter(
                f"{type(name).__name__} is already built; give the aggregation and other options "
                "to its constructor (aggr=... of PyG's convolutions)"
            )
        return name if isinstance(name, LocalPart) else ConvPart(name, channels, edge_channels)
    make = find("local part", name, {**_OWN, **_PYG}, "a convolution of PyTorch Geometric")
    aggregator = find_aggregation(aggregation, channels)
    if name in _OWN:
        return _OWN[name](channels, edge_channels, aggregation=aggregator, **options)
    settings = options if aggregator is None else {**options, "aggr": aggregator}
    return ConvPart(make(channels, **settings), channels, edge_channels)
