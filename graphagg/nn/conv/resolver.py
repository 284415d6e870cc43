"""`local`: a local part by its name, or around a convolution that is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import torch
import torch_geometric.nn.conv
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn.aggr import Aggregation
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.utils import degree

from graphagg.errors import InvalidParameter
from graphagg.nn.conv.adapter import ConvPart, check_conv
from graphagg.nn.conv.gatedgcn import GatedGCN
from graphagg.nn.conv.gine import GINE
from graphagg.nn.conv.messages import find_aggregation
from graphagg.nn.conv.part import LocalPart, find_activation

Aggregator: TypeAlias = Aggregation | str | None

_OWN: dict[str, tuple[type[GatedGCN] | type[GINE], bool]] = {
    "gatedgcn": (GatedGCN, False),
    "gatedgcn-pe": (GatedGCN, True),
    "gine": (GINE, False),
    "gine-pe": (GINE, True),
}
_SHORT = {"gcn": "GCNConv", "gat": "GATConv", "sage": "SAGEConv", "gen": "GENConv"}
NAMES = (*_OWN, *_SHORT, "gin", "pna")


def local(
    name_or_module: str | torch.nn.Module,
    channels: int,
    edge_channels: int | None = None,
    aggregation: Aggregator = None,
    **options: Any,
) -> LocalPart:
    """A local part `(x, edge_index, edge_attr, *, positions) -> (x, edge_attr)`.

    Args:
        name_or_module: One of `NAMES`; the class name of a PyG convolution ("TransformerConv");
            a convolution from `channels` to `channels`; or a `LocalPart`, which is returned.
        channels: Width of the vertices' features.
        edge_channels: Width of the edges' features, None for edges without.
        aggregation: An `Aggregation` or the name of one, for the messages; by default what the
            part does by itself. A convolution that is given must be built with it (`aggr=...`).
        options: Passed to the part, such as `dropout` (gatedgcn), `heads` (gat), `degrees` and
            `scalers` (pna).

    Raises:
        InvalidParameter: An unknown name, an option that the part does not take, heads that do not
            divide the width, or an aggregation where none can be set.
    """
    if isinstance(name_or_module, torch.nn.Module):
        return _given(name_or_module, channels, edge_channels, aggregation, options)
    if name_or_module in _OWN:
        own, positions = _OWN[name_or_module]
        settings = {"positions": positions, "aggregation": aggregation, **options}
        return _built(own, (channels, edge_channels), settings)
    if name_or_module == "gin":
        return _gin(channels, aggregation, **options)
    if name_or_module == "pna":
        if aggregation is not None:
            raise InvalidParameter(
                f"pna aggregates by its own aggregators and scalers, not by {aggregation!r}; set "
                "aggregators=[...] and scalers=[...]"
            )
        return _built(_pna, (channels, edge_channels), options)
    return _by_class(name_or_module, channels, edge_channels, aggregation, options)


def degree_histogram(graphs: Iterable[Data]) -> Tensor:
    """How many vertices of the graphs have in-degree 0, 1, 2, ...: the `degrees` of "pna".

    Returns:
        `[largest degree + 1]` int64. O(edges).
    """
    total = torch.zeros(1, dtype=torch.int64)
    for graph in graphs:
        edges = graph.edge_index
        counts = torch.bincount(
            degree(edges[1].cpu(), num_nodes=graph.num_nodes, dtype=torch.int64),
            minlength=total.numel(),
        )
        counts[: total.numel()] += total
        total = counts
    return total


def _given(
    module: torch.nn.Module,
    channels: int,
    edge_channels: int | None,
    aggregation: Aggregator,
    options: dict[str, Any],
) -> LocalPart:
    if aggregation is not None:
        raise InvalidParameter(
            f"{type(module).__name__} is already built; give the aggregation to its constructor "
            "(aggr=... of PyG's convolutions, aggregation=... of a local part)"
        )
    if isinstance(module, LocalPart):
        if options:
            raise InvalidParameter(f"{type(module).__name__} is already built: no {list(options)}")
        return module
    return _built(ConvPart, (check_conv(module), channels, edge_channels), options)


def _built(make: Callable[..., LocalPart], given: tuple[Any, ...], options: Any) -> LocalPart:
    names = list(inspect.signature(make).parameters)[len(given) :]
    unknown = sorted(set(options) - set(names))
    if unknown:
        raise InvalidParameter(f"{make.__name__} has no option {unknown}; it has {names}")
    return make(*given, **options)


def _gin(
    channels: int,
    aggregation: Aggregator,
    *,
    act: str = "relu",
    train_eps: bool = False,
) -> LocalPart:
    mlp = torch.nn.Sequential(
        torch.nn.Linear(channels, channels),
        find_activation(act),
        torch.nn.Linear(channels, channels),
    )
    own = find_aggregation(aggregation, channels)
    conv = torch_geometric.nn.conv.GINConv(mlp, train_eps=train_eps, aggr=own or "add")
    return ConvPart(conv, channels)


def _pna(
    channels: int,
    edge_channels: int | None,
    degrees: Tensor | None = None,
    aggregators: Iterable[str] = ("mean", "max", "sum"),
    scalers: Iterable[str] = ("identity",),
    towers: int = 1,
) -> LocalPart:
    # GraphGPS: mean, max and sum, no scaler but the identity, which asks for no degrees.
    scalers = list(scalers)
    if degrees is None:
        if scalers != ["identity"]:
            raise InvalidParameter(
                f"pna with the scalers {scalers} needs degrees=degree_histogram(training graphs)"
            )
        degrees = torch.ones(1, dtype=torch.int64)
    conv = torch_geometric.nn.conv.PNAConv(
        channels,
        channels,
        aggregators=list(aggregators),
        scalers=scalers,
        deg=degrees,
        edge_dim=edge_channels,
        towers=towers,
    )
    return ConvPart(conv, channels, edge_channels)


def _by_class(
    name: str,
    channels: int,
    edge_channels: int | None,
    aggregation: Aggregator,
    options: dict[str, Any],
) -> LocalPart:
    make: Any = getattr(torch_geometric.nn.conv, _SHORT.get(name, name), None)
    if make is None or not (isinstance(make, type) and issubclass(make, MessagePassing)):
        raise InvalidParameter(
            f"unknown local part {name!r}; choose one of {', '.join(NAMES)}, or the class name of "
            "a PyG convolution"
        )
    parameters = inspect.signature(make).parameters
    heads = options.get("heads", 1)
    if channels % heads:
        raise InvalidParameter(f"{name}: {heads} heads do not divide the width {channels}")
    settings = dict(options)
    if "edge_dim" in parameters and edge_channels is not None:
        settings["edge_dim"] = edge_channels
    own = find_aggregation(aggregation, channels)
    if own is not None:
        settings["aggr"] = own
    width = channels // heads if settings.get("concat", True) else channels
    try:
        conv = make(channels, width, **settings)
    except (TypeError, ValueError) as error:
        raise InvalidParameter(
            f"{make.__name__}({channels}, {width}, {settings}) cannot be built: {error}; build it "
            "and give the module"
        ) from error
    return ConvPart(conv, channels, edge_channels)
