"""Creates aggregators by name, from this package and from PyG."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn
from torch_geometric.nn.aggr import Aggregation, MultiAggregation
from torch_geometric.nn.resolver import aggregation_resolver

from graphagg.nn.aggr.lcm import LCMAggregation
from graphagg.nn.resolver import find

# Names of PyG aggregators that need no width; pass others as modules.
_PYG = ("sum", "add", "mean", "max", "min", "mul", "var", "std", "softmax")


def _pna(channels: int, out_channels: int) -> Aggregation:
    """Concatenate mean, minimum, maximum and deviation; apply a linear map (arXiv 2004.05718).

    Only the identity scaler of the paper is used: the others need the mean degree of the training
    graphs, which `torch_geometric.nn.PNAConv` takes as an argument.
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
    """Create an aggregator whose output has the same width as its input.

    Args:
        name_or_module: "lcm" or "lcm-gate" (default operator), "lcm-gru" (the paper's operator),
            "lcm-given" (rows in the given order), "pna", one of PyG's ("sum", "mean",
            "max", "min", "mul", "var", "std", "softmax"), or a PyG aggregation, which is returned.
        channels: width of the input and output.

    Raises:
        InvalidParameter: the name is unknown, or the module is not an aggregation.

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
