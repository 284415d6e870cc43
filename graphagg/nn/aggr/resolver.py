"""Aggregators by name, from this package and from PyG."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch_geometric.nn.aggr import Aggregation
from torch_geometric.nn.resolver import aggregation_resolver

from graphagg.errors import InvalidParameter
from graphagg.nn.aggr.lcm import LCMAggregation
from graphagg.nn.aggr.moment import MomentAggregation
from graphagg.nn.aggr.pna import PNAAggregation
from graphagg.nn.aggr.recurrent import RecurrentAggregation
from graphagg.nn.resolver import build, find

_OURS: dict[str, Callable[..., Any]] = {
    "lcm": LCMAggregation,
    "gru": RecurrentAggregation,
    "moment": MomentAggregation,
    "pna": PNAAggregation,
}
# Names of PyG's that take no width; others can be given as modules.
_PYG = ("sum", "add", "mean", "max", "min", "mul", "var", "std", "softmax", "powermean")
_KNOWN = {**_OURS, **dict.fromkeys(_PYG)}


def aggregation(name_or_module: str | nn.Module, channels: int, **options: Any) -> Aggregation:
    """An aggregator that keeps the width.

    Args:
        name_or_module: "lcm", "gru" (recurrent), "moment", "pna", one of PyG's ("sum", "mean",
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
    ours = find("aggregation", name_or_module, _KNOWN, "a torch_geometric.nn.aggr.Aggregation")
    if ours is not None:
        return build(f"aggregation {name_or_module!r}", ours, channels, channels, **options)
    try:
        return aggregation_resolver(name_or_module, **options)
    except TypeError as error:
        raise InvalidParameter(f"options of aggregation {name_or_module!r}: {error}") from error
