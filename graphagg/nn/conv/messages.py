"""Any aggregator of `[E, d]` rows as the aggregator of messages."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn.aggr import Aggregation, MeanAggregation, SumAggregation

from graphagg.errors import InvalidParameter


class MessageAggregation(Aggregation):  # type: ignore[misc]
    """An aggregator that takes the messages of any convolution.

    It does three things that PyG's aggregators and convolutions lack: messages are sorted by target
    first, since the recurrent and set aggregators need a sorted index (the sort is stable: a
    vertex's neighbors stay in the order of the edges); a vertex without messages receives 0, as
    from a sum, since these aggregators fail there or give it a value that depends on the vertices
    beside it; and the dimension of the heads, which attention adds to messages, is flattened.

    Args:
        aggregation: aggregates `[E, channels]`.
        channels: width of a message, all heads together.
    """

    def __init__(self, aggregation: Aggregation, channels: int) -> None:
        super().__init__()
        self.aggregation = aggregation
        self.channels = channels
        # The project's own aggregators sort for themselves, and know what an empty set gives.
        # So do sums and means, which take an index in any order and give 0 to a vertex alone.
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
        """Draw the aggregator's parameters again."""
        self.aggregation.reset_parameters()


def find_aggregation(name_or_module: Any, channels: int) -> MessageAggregation | None:
    """The aggregator for messages of width `channels`; None for the convolution's own.

    Args:
        name_or_module: an `Aggregation`, a name that `graphagg.nn.aggr.aggregation` knows, or None.
        channels: width of a message, all heads together.
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


def aggregate(
    aggregation: torch.nn.Module, messages: Tensor, target: Tensor, vertices: int
) -> Tensor:
    """Messages `[E, d]` aggregated at their targets `[E]`: `[vertices, d]`."""
    out: Tensor = aggregation(messages, target, dim_size=vertices)
    return out
