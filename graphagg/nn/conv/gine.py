"""GINE (arXiv 1905.12265) as a local part.

    x'_i = nn((1 + eps) x_i + sum_j ReLU(x_j + C e_ij))

C is a linear map if the widths of edges and vertices differ, else the identity. Without edge
features the message is ReLU(x_j).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn.aggr import Aggregation

from graphagg.nn.conv.base import LocalPart
from graphagg.nn.conv.messages import find_aggregation, gather


class GINE(LocalPart):
    """Sums the messages of neighbors and edges, then applies an MLP d -> d -> d.

    Paper: Hu et al., Strategies for Pre-training Graph Neural Networks, arXiv 1905.12265;
    GraphGPS, arXiv 2205.12454 (its MLP).

    Does not include residual, norm or dropout, and does not change edge features. O(E d + N d^2).

    Args:
        channels: d, the width of the vertices' features.
        edge_channels: width of the edges' features; None for edges without features.
        aggregation: aggregator of the messages; the default is the sum.

    Raises:
        InvalidParameter: the aggregator does not exist.

    Examples:
        >>> import torch
        >>> from graphagg.nn.conv import GINE
        >>> x, _ = GINE(4, 2)(torch.randn(3, 4), torch.tensor([[0], [1]]), torch.randn(1, 2))
        >>> tuple(x.shape)
        (3, 4)
    """

    eps: Tensor  # 0, as in GraphGPS

    def __init__(
        self,
        channels: int,
        edge_channels: int | None = None,
        *,
        aggregation: Aggregation | str | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.edge_channels = channels, edge_channels
        self.nn = torch.nn.Sequential(
            torch.nn.Linear(channels, channels),
            torch.nn.ReLU(inplace=True),
            torch.nn.Linear(channels, channels),
        )
        self.register_buffer("eps", torch.zeros(1))
        self.edges: torch.nn.Linear | None = None
        if edge_channels is not None and edge_channels != channels:
            self.edges = torch.nn.Linear(edge_channels, channels)
        self.aggregation = find_aggregation(aggregation, channels)

    def update(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Aggregate the messages and apply the MLP."""
        if self.edges is not None and edge_attr is not None:
            self.check_type("edge_attr", edge_attr)
        messages = x.index_select(0, edge_index[0])
        if self.edge_channels is not None and edge_attr is not None:
            edges = edge_attr if self.edges is None else self.edges(edge_attr)
            same = edges.dtype == messages.dtype  # not under autocast, nor for categories
            messages = messages.add_(edges) if same else messages + edges
        messages = messages.relu_()  # in place: the messages are the largest tensor of a batch
        out = (1 + self.eps) * x
        if self.aggregation is None:
            out = out.index_add_(0, edge_index[1], messages.to(out.dtype))
        else:
            out = out + gather(self.aggregation, messages, edge_index[1], x.size(0))
        return self.nn(out), edge_attr
