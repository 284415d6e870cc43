"""`local`: a local part by its name, or around a convolution that is given."""

from __future__ import annotations

import inspect
from typing import Any, TypeAlias

import torch
import torch_geometric.nn.conv
from torch_geometric.nn.aggr import Aggregation
from torch_geometric.nn.conv import MessagePassing

from graphagg.checks import integer
from graphagg.errors import InvalidParameter
from graphagg.nn.conv.adapter import ConvPart, check_arguments
from graphagg.nn.conv.base import LocalPart, find_activation
from graphagg.nn.conv.gatedgcn import GatedGCN
from graphagg.nn.conv.gine import GINE
from graphagg.nn.conv.messages import find_aggregation
from graphagg.nn.resolver import build, unknown
from graphagg.nn.settings import part_width

Aggregator: TypeAlias = Aggregation | str | None

_OWN: dict[str, type[GatedGCN] | type[GINE]] = {"gatedgcn": GatedGCN, "gine": GINE}
_SHORT = {"gcn": "GCNConv", "gat": "GATConv", "sage": "SAGEConv", "gen": "GENConv"}
NAMES = (*_OWN, *_SHORT, "gin", "pna")
_OR_CLASS = "the class name of a PyG convolution"


def local(
    name_or_module: str | torch.nn.Module,
    channels: int,
    edge_channels: int | None = None,
    aggregation: Aggregator = None,
    **options: Any,
) -> LocalPart:
    """A local part `(x, edge_index, edge_attr) -> (x, edge_attr)`.

    Args:
        name_or_module: one of `NAMES`; the class name of a PyG convolution whose constructor begins
            with `in_channels, out_channels` ("TransformerConv"); a convolution from `channels` to
            `channels`, for all other classes; or a `LocalPart`, which is returned.
        channels: width of the vertices' features.
        edge_channels: width of the edges' features, None for edges without.
        aggregation: an `Aggregation` or the name of one, for the messages; by default what the
            part does by itself. A convolution that is given must be built with it (`aggr=...`).
        options: passed to the part, such as `dropout` (gatedgcn) or `heads` (gat).

    Raises:
        InvalidParameter: an unknown name, an option that the part does not take, heads that do not
            divide the width, an aggregation where none can be set, or a convolution that needs more
            than a local part has or fits another width.

    Examples:
        >>> from graphagg.nn import local
        >>> type(local("gatedgcn", 8, edge_channels=8)).__name__
        'GatedGCN'
        >>> local("TransformerConv", 8).conv
        TransformerConv(8, 8, heads=1)
    """
    if isinstance(name_or_module, torch.nn.Module):
        return _given(name_or_module, channels, edge_channels, aggregation, options)
    if not isinstance(name_or_module, str):
        raise unknown("local part", name_or_module, NAMES, f"{_OR_CLASS}, or a module")
    if name_or_module in _OWN:
        kind = _OWN[name_or_module]
        return build(
            kind.__name__, kind, channels, edge_channels, aggregation=aggregation, **options
        )
    if name_or_module == "gin":
        return build("gin", _gin, channels, aggregation, **options)
    if name_or_module == "pna":
        if aggregation is not None:
            raise InvalidParameter(
                f"pna aggregates by its own aggregators, not by {aggregation!r}; set none"
            )
        return build("pna", _pna, channels, edge_channels, **options)
    return _by_class(name_or_module, channels, edge_channels, aggregation, options)


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
    return build("ConvPart", ConvPart, module, channels, edge_channels, **options)


def _gin(
    channels: int, aggregation: Aggregator, *, act: str = "relu", train_eps: bool = False
) -> LocalPart:
    mlp = torch.nn.Sequential(
        torch.nn.Linear(channels, channels),
        find_activation(act),
        torch.nn.Linear(channels, channels),
    )
    aggregator = find_aggregation(aggregation, channels)
    conv = torch_geometric.nn.conv.GINConv(mlp, train_eps=train_eps, aggr=aggregator or "add")
    return ConvPart(conv, channels)


def _pna(channels: int, edge_channels: int | None) -> LocalPart:
    """PNA as GraphGPS has it: mean, maximum and sum, and no scaler, which would need degrees."""
    conv = torch_geometric.nn.conv.PNAConv(
        channels, channels, ["mean", "max", "sum"], ["identity"], torch.ones(1, dtype=torch.int64),
        edge_dim=edge_channels,
    )  # fmt: skip
    return ConvPart(conv, channels, edge_channels)


def _by_class(
    name: str,
    channels: int,
    edge_channels: int | None,
    aggregation: Aggregator,
    options: dict[str, Any],
) -> LocalPart:
    make = _find_class(name, channels)
    width = _width(make, channels, options)
    settings = {"in_channels": channels, "out_channels": width, **options}
    # GeneralConv has a name of its own for it.
    for width_of_edges in ("edge_dim", "in_edge_channels"):
        if width_of_edges in inspect.signature(make).parameters and edge_channels is not None:
            settings[width_of_edges] = edge_channels
    aggregator = find_aggregation(aggregation, channels)
    if aggregator is not None:
        settings["aggr"] = aggregator
    return ConvPart(_conv(make, settings), channels, edge_channels)


def _find_class(name: str, channels: int) -> Any:
    make: Any = getattr(torch_geometric.nn.conv, _SHORT.get(name, name), None)
    is_conv = isinstance(make, type) and issubclass(make, MessagePassing)
    if not is_conv:
        raise unknown("local part", name, NAMES, _OR_CLASS)
    check_arguments(make, takes_edges=True)
    if "edge_index" not in inspect.signature(make.forward).parameters:
        raise InvalidParameter(
            f"{make.__name__} takes no edge_index, so it is no convolution over the edges of a "
            f"graph; wanted one of {', '.join(NAMES)}, or {_OR_CLASS}"
        )
    first = list(inspect.signature(make).parameters)
    if first[:2] != ["in_channels", "out_channels"]:
        raise InvalidParameter(
            f"{make.__name__} cannot be built from the width {channels} alone: its constructor "
            f"begins with ({', '.join(first)}), not with in_channels, out_channels; build it and "
            "give the module"
        )
    return make


def _width(make: Any, channels: int, options: dict[str, Any]) -> int:
    """The width of one head where the heads' results are joined, else `channels`."""
    name = f"{make.__name__}: heads"
    heads = integer(name, options.get("heads", 1), 1)
    if "concat" not in inspect.signature(make).parameters or not options.get("concat", True):
        return channels
    return part_width(name, heads, "channels", channels)


def _conv(make: Any, settings: dict[str, Any]) -> torch.nn.Module:
    try:
        conv: torch.nn.Module = make(**settings)
    except Exception as error:  # whatever a class of another package raises
        given = ", ".join(f"{name}={value}" for name, value in settings.items())
        raise InvalidParameter(
            f"{make.__name__}({given}) cannot be built ({type(error).__name__}: {error}); set "
            "its options, or build it and give the module"
        ) from error
    return conv
