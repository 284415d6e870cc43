"""Aggregators by name, from this package and from PyG."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch_geometric.nn.aggr import Aggregation, MultiAggregation
from torch_geometric.nn.resolver import aggregation_resolver

from graphagg.errors import InvalidParameter
from graphagg.nn.aggr.lcm import LCMAggregation
from graphagg.nn.resolver import build, find

# Names of PyG's that take no width; others can be given as modules.
_PYG = ("sum", "add", "mean", "max", "min", "mul", "var", "std", "softmax", "powermean")


def _pna(channels: int, out_channels: int) -> Aggregation:
    """Mean, minimum, maximum and deviation side by side, through a linear map (arXiv 2004.05718).

    Of the paper's scalers only the identity is here: the others need the mean degree of the
    training graphs, and belong to a layer that knows it (`torch_geometric.nn.PNAConv`).
    """
    widths = {"in_channels": channels, "out_channels": out_channels}
    return MultiAggregation(["mean", "min", "max", "std"], mode="proj", mode_kwargs=widths)


_WITH_WIDTH: dict[str, Callable[..., Any]] = {"lcm": LCMAggregation, "pna": _pna}
_NAMES = {**_WITH_WIDTH, **dict.fromkeys(_PYG)}


def aggregation(name_or_module: str | nn.Module, channels: int, **options: Any) -> Aggregation:
    """An aggregator that keeps the width.

    Args:
        name_or_module: "lcm", "pna", one of PyG's ("sum", "mean",
            "max", "min", "mul", "var", "std", "softmax", "powermean"), or a PyG
            aggregation, which is returned.
        channels: width of its input and output.
        **options: of the class.

    Raises:
        InvalidParameter: an unknown name, options that its class does not take, or a module that
            is no aggregation.

    Examples:
        >>> from graphagg.nn import aggregation
        >>> aggregation("lcm", 8)
        LCMAggregation(8, 8, project=True, operator=SymmetricGRU)
        >>> aggregation("max", 8)
        MaxAggregation()
    """
    if isinstance(name_or_module, Aggregation):
        return name_or_module
    make = find("aggregation", name_or_module, _NAMES, "a torch_geometric.nn.aggr.Aggregation")
    if make is not None:
        what = f"aggregation {name_or_module!r}"
        aggregator: Aggregation = build(what, make, channels, channels, **options)
        return aggregator
    try:
        return aggregation_resolver(name_or_module, **options)
    except TypeError as error:
        raise InvalidParameter(f"options of aggregation {name_or_module!r}: {error}") from error
