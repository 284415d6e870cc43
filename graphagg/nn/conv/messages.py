"""Aggregate messages at their targets, with a sum or any other aggregator."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch_geometric.nn.aggr import Aggregation

from graphagg.errors import InvalidParameter
from graphagg.nn.aggr import make_aggregation


def find_aggregation(name_or_module: Any, channels: int) -> Aggregation | None:
    """Create the aggregator for messages of width `channels`; None is returned unchanged.

    For the names see `graphagg.nn.aggr.make_aggregation`.
    """
    return None if name_or_module is None else make_aggregation(name_or_module, channels)


def gather(
    aggregation: Aggregation | None, messages: Tensor, target: Tensor, vertices: int
) -> Tensor:
    """Aggregate messages `[E, d]` at their targets `[E]` to `[vertices, d]`; None: sum.

    Raises `InvalidParameter` if the aggregator changes the width.
    """
    shape = (vertices, messages.size(1))
    if aggregation is None:
        return messages.new_zeros(shape).index_add_(0, target, messages)
    out: Tensor = aggregation(messages, target, dim_size=vertices)
    if out.shape != shape:
        raise InvalidParameter(
            f"{aggregation} turns messages of width {shape[1]} into {tuple(out.shape)}; expected "
            "the same width"
        )
    return out
