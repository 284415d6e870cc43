"""Aggregators by name, from this package and from PyG."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn
from torch_geometric.nn.aggr import Aggregation, MultiAggregation
from torch_geometric.nn.resolver import aggregation_resolver

from graphagg.nn.aggr.lcm import LCMAggregation
from graphagg.nn.resolver import find

# Names of PyG's that take no width; others can be given as modules.
_PYG = ("sum", "add", "mean", "max", "min", "mul", "var", "std", "softmax")


def _pna(channels: int, out_channels: int) -> Aggregation:
    """Mean, minimum, maximum and deviation side by side, through a linear map (arXiv 2004.05718).

    Of the paper's scalers only the identity is used: the others need the mean degree of the
    training graphs, which `torch_geometric.nn.PNAConv` takes as an argument.
    """
    widths = {"in_channels": channels, "out_channels": out_channels}
    return MultiAggregation(["mean", "min", "max", "std"], mode="proj", mode_kwargs=widths)


_NAMES: dict[str, Callable[[int, int], Aggregation]] = {
    "lcm": LCMAggregation,
    "lcm-gate": partial(LCMAggregation, operator="gate"),
    "lcm-gru": partial(LCMAggregation, operator="gru"),
    "lcm-given": partial(LCMAggregation, order="given"),
    "pna": _pna,
    **{name: lambda _, __, name=name: aggregation_resolver(name) for name in _PYG},  # type: ignore[misc]
}


def make_aggregation(name_or_module: str | nn.Module, channels: int) -> Aggregation:
    """Make an aggregator whose output is as wide as its input.

    Args:
        name_or_module: "lcm" or "lcm-gate" (its default operator), "lcm-gru" (that of its paper),
            "lcm-given" (rows in their order), "pna", one of PyG's ("sum", "mean",
            "max", "min", "mul", "var", "std", "softmax"), or a PyG aggregation, which is returned.
        channels: width of its input and output.

    Raises:
        InvalidParameter: an unknown name, or a module that is not an aggregation.

    Examples:
        >>> from graphagg.nn import make_aggregation
        >>> make_aggregation("lcm", 8)
        LCMAggregation(8, 8, project=True, operator=SymmetricGate, order=values)
        >>> make_aggregation("max", 8)
        MaxAggregation()
    """
    if isinstance(name_or_module, Aggregation):
        return name_or_module
    make = find("aggregation", name_or_module, _NAMES, "a torch_geometric.nn.aggr.Aggregation")
    aggregator: Aggregation = make(channels, channels)
    return aggregator
