"""Aggregators of `[E, d]` rows as aggregators of messages."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn.aggr import Aggregation, MeanAggregation, SumAggregation

from graphagg.errors import InvalidParameter


class MessageAggregation(Aggregation):  # type: ignore[misc]
    """Adapts an aggregator of `[E, channels]` to the messages of any convolution.

    PyG's recurrent and set aggregators need a sorted index, so messages are sorted by target
    (stably: neighbors stay in the order of the edges). A vertex without messages gets 0, as from a
    sum; those aggregators fail there, or return a value that depends on other vertices. The heads
    of attention are flattened; `channels` is the width of all heads together.
    """

    def __init__(self, aggregation: Aggregation, channels: int) -> None:
        super().__init__()
        self.aggregation = aggregation
        self.channels = channels
        # Aggregators of this package, sums and means accept any order and isolated vertices.
        self.own = not type(aggregation).__module__.startswith("torch_geometric.")
        self.own |= type(aggregation) in (MeanAggregation, SumAggregation)

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
        max_num_elements: int | None = None,
    ) -> Tensor:
        """Messages `[E, ...]` at the rows `index` `[E]` to `[dim_size, ...]`.

        Raises:
            InvalidParameter: the aggregator returns another width than it was given.
        """
        if self.own:
            out: Tensor = self.aggregation(x.flatten(1), index, ptr, dim_size)
        else:
            out = self._foreign(x.flatten(1), index, ptr, dim_size)
        if out.dim() != 2 or out.size(1) != self.channels:
            raise InvalidParameter(
                f"{self.aggregation} turns messages of width {self.channels} into "
                f"{tuple(out.shape)}; wanted the same width"
            )
        return out.reshape(out.size(0), *x.shape[1:])

    def _foreign(
        self, x: Tensor, index: Tensor | None, ptr: Tensor | None, dim_size: int | None
    ) -> Tensor:
        if index is None or dim_size is None:
            raise InvalidParameter("messages need an index and dim_size, not ptr alone")
        if x.size(0) == 0:
            return x.new_zeros(dim_size, self.channels)
        if bool((index[1:] < index[:-1]).any()):
            index, order = index.sort(stable=True)
            x = x.index_select(0, order)
        out: Tensor = self.aggregation(x, index, ptr, dim_size)
        alone = torch.bincount(index, minlength=dim_size) == 0
        return out.masked_fill(alone[:, None], 0)

    def reset_parameters(self) -> None:
        """Redraw the aggregator's parameters."""
        self.aggregation.reset_parameters()


def find_aggregation(name_or_module: Any, channels: int) -> MessageAggregation | None:
    """The aggregator for messages of width `channels` (all heads together).

    `name_or_module` is an `Aggregation`, a name for `graphagg.nn.aggr.aggregation`, or None for the
    convolution's own, which gives None.
    """
    if name_or_module is None or isinstance(name_or_module, MessageAggregation):
        return name_or_module
    if not isinstance(name_or_module, Aggregation):
        from graphagg.nn.aggr import aggregation

        name_or_module = aggregation(name_or_module, channels)
    return MessageAggregation(name_or_module, channels)


def sum_messages(messages: Tensor, target: Tensor, vertices: int) -> Tensor:
    """Messages `[E, d]` summed at their targets `[E]`: `[vertices, d]`."""
    return messages.new_zeros(vertices, messages.size(1)).index_add_(0, target, messages)
