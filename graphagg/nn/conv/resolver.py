"""Local parts by name, or around a given convolution."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
import torch_geometric.nn.conv as pyg
from torch_geometric.nn.aggr import Aggregation

from graphagg.checks import integer
from graphagg.errors import InvalidParameter
from graphagg.nn.conv.adapter import ConvPart
from graphagg.nn.conv.base import LocalPart, find_activation
from graphagg.nn.conv.gatedgcn import GatedGCN
from graphagg.nn.conv.gine import GINE
from graphagg.nn.conv.messages import find_aggregation
from graphagg.nn.resolver import build, unknown
from graphagg.nn.settings import part_width

Aggregator: TypeAlias = Aggregation | str | None

_OWN: dict[str, type[GatedGCN] | type[GINE]] = {"gatedgcn": GatedGCN, "gine": GINE}
_PYG: dict[str, Callable[..., torch.nn.Module]] = {
    "gcn": pyg.GCNConv, "gat": pyg.GATConv, "sage": pyg.SAGEConv, "gen": pyg.GENConv,
}  # fmt: skip
NAMES = (*_OWN, *_PYG, "gin", "pna")


def local(
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
        edge_channels: width of the edges' features, None for edges without.
        aggregation: an `Aggregation` or the name of one, for the messages; by default the part's
            own. A given convolution must be built with it (`aggr=...`).
        options: passed to the part, such as `dropout` (gatedgcn) or `heads` (gat).

    Raises:
        InvalidParameter: an unknown name, an option that the part does not take, heads that do not
            divide the width, an aggregation that cannot be set, or a convolution with further
            inputs or another width.

    Examples:
        >>> from graphagg.nn import local
        >>> type(local("gatedgcn", 8, edge_channels=8)).__name__
        'GatedGCN'
        >>> local("sage", 8).conv
        SAGEConv(8, 8, aggr=mean)
    """
    name = name_or_module
    if isinstance(name, torch.nn.Module):
        return _wrap(name, channels, edge_channels, aggregation, options)
    if not isinstance(name, str) or name not in NAMES:
        raise unknown("local part", name, NAMES, "a convolution of PyTorch Geometric")
    if name in _OWN:
        kind = _OWN[name]
        settings = {"aggregation": aggregation, **options}
        return build(kind.__name__, kind, channels, edge_channels, **settings)
    if name == "gin":
        return build("gin", _gin, channels, aggregation, **options)
    if name == "pna":
        if aggregation is not None:
            raise InvalidParameter(
                f"pna aggregates by its own aggregators, not by {aggregation!r}; set none"
            )
        return build("pna", _pna, channels, edge_channels, **options)
    return _pyg(name, channels, edge_channels, aggregation, options)


def _wrap(
    module: torch.nn.Module, channels: int, edge_channels: int | None, aggregation: Aggregator,
    options: dict[str, Any],
) -> LocalPart:  # fmt: skip
    if aggregation is not None:
        raise InvalidParameter(
            f"{type(module).__name__} is already built; give the aggregation to its constructor "
            "(aggr=... of PyG's convolutions, aggregation=... of a local part)"
        )
    if isinstance(module, LocalPart):
        if options:
            raise InvalidParameter(f"{type(module).__name__} is already built: no {list(options)}")
        return module
    return build("ConvPart", ConvPart, module, channels, edge_channels, **options)


def _gin(channels: int, aggregation: Aggregator, *, act: str = "relu") -> LocalPart:
    mlp = torch.nn.Sequential(
        torch.nn.Linear(channels, channels),
        find_activation(act),
        torch.nn.Linear(channels, channels),
    )
    aggregator = find_aggregation(aggregation, channels)
    return ConvPart(pyg.GINConv(mlp, aggr=aggregator or "add"), channels)


def _pna(channels: int, edge_channels: int | None) -> LocalPart:
    """PNA as GraphGPS has it: mean, maximum and sum, and no scaler, which would need degrees."""
    conv = pyg.PNAConv(
        channels, channels, ["mean", "max", "sum"], ["identity"], torch.ones(1, dtype=torch.int64),
        edge_dim=edge_channels,
    )  # fmt: skip
    return ConvPart(conv, channels, edge_channels)


def _pyg(
    name: str, channels: int, edge_channels: int | None, aggregation: Aggregator,
    options: dict[str, Any],
) -> LocalPart:  # fmt: skip
    make, heads = _PYG[name], integer(f"{name}: heads", options.get("heads", 1), 1)
    width = channels  # of one head, if the results of the heads are joined
    if name == "gat" and options.get("concat", True):
        width = part_width(f"{name}: heads", heads, "channels", channels)
    settings = {"in_channels": channels, "out_channels": width, **options}
    if edge_channels is not None and "edge_dim" in inspect.signature(make).parameters:
        settings["edge_dim"] = edge_channels
    aggregator = find_aggregation(aggregation, channels)
    if aggregator is not None:
        settings["aggr"] = aggregator
    try:
        conv = make(**settings)
    except Exception as error:  # whatever a class of another package raises
        listed = ", ".join(f"{option}={value}" for option, value in settings.items())
        raise InvalidParameter(
            f"{name}({listed}) cannot be built ({type(error).__name__}: {error}); set its options, "
            "or build it and give the module"
        ) from error
    return ConvPart(conv, channels, edge_channels)
