"""GatedGCN with edge updates (arXiv 1711.07553), in the form of GraphGPS (arXiv 2205.12454).

For an edge from j to i:

    e'_ij = D x_i + E x_j + C e_ij
    s_ij  = sigmoid(e'_ij)
    x'_i  = A x_i + sum_j s_ij * B x_j / (sum_j s_ij + 1e-6)
    x_i  <- x_i  + dropout(relu(norm(x'_i)))
    e_ij <- e_ij + dropout(relu(norm(e'_ij)))

Two additions to the paper: edges without features (no C, and no edge output), and any aggregator
instead of the sum over j. Gates are normalized before messages are aggregated, so that the sum
yields the formula above.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn.aggr import Aggregation

from graphagg.checks import number
from graphagg.errors import InvalidParameter
from graphagg.nn.conv.base import LocalPart, find_norm
from graphagg.nn.conv.messages import find_aggregation, gather
from graphagg.nn.dropout import Dropout
from graphagg.nn.settings import PROBABILITY

_EPSILON = 1e-6


class GatedGCN(LocalPart):
    """Gated messages; the logits of the gates become edge features of the next layer.

    Paper: Bresson and Laurent, Residual Gated Graph ConvNets, arXiv 1711.07553; GraphGPS,
    arXiv 2205.12454, Appendix.

    Includes residual, norm, activation and dropout (`own_residual`). Takes O(E d + N d^2) time, or
    O(E d^2 + N d^2) with edge features.

    Args:
        channels: d, the width of the vertices' and the edges' features.
        edge_channels: `channels`, or None for edges without features; the residual of the edges
            allows no other width.
        aggregation: aggregator of the gated messages; the default is the sum.
        dropout: probability of the dropout after the activation.
        norm: "batch", "layer" or "none".

    Raises:
        InvalidParameter: a width, norm or probability is invalid.

    Examples:
        >>> import torch
        >>> from graphagg.nn.conv import GatedGCN
        >>> edges = torch.tensor([[0, 1], [1, 2]])
        >>> x, edge_attr = GatedGCN(4, edge_channels=4)(torch.randn(3, 4), edges, torch.randn(2, 4))
        >>> tuple(x.shape), tuple(edge_attr.shape)
        ((3, 4), (2, 4))
    """

    own_residual = True

    def __init__(
        self,
        channels: int,
        edge_channels: int | None = None,
        *,
        aggregation: Aggregation | str | None = None,
        dropout: float = 0.0,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        if edge_channels not in (None, channels):
            raise InvalidParameter(
                f"GatedGCN: edge_channels is {edge_channels}; expected {channels}, its channels "
                "(or None): edge features are carried by a residual, embed them to that width first"
            )
        self.channels, self.edge_channels = channels, edge_channels
        # Compute A, D, B and E with one matrix product.
        self.vertices = torch.nn.Linear(channels, 4 * channels)
        self.edges = None if edge_channels is None else torch.nn.Linear(channels, channels)
        self.aggregation = find_aggregation(aggregation, channels)
        self.norm_x = find_norm(norm, channels)
        self.norm_e = None if edge_channels is None else find_norm(norm, channels)
        self.dropout = Dropout(number("dropout", dropout, **PROBABILITY))

    def update(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Compute gates and messages; update vertices and edges."""
        if self.edges is not None and edge_attr is not None:
            self.check_type("edge_attr", edge_attr)
        source, target = edge_index[0], edge_index[1]
        widths = [self.channels, self.channels, 2 * self.channels]
        # Make the tables contiguous, so that each row is one read.
        itself, at_target, at_source = (
            table.contiguous() for table in self.vertices(x).split(widths, 1)
        )
        message, logit = at_source.index_select(0, source).chunk(2, dim=1)
        logits = at_target.index_select(0, target) + logit
        if self.edges is not None:
            logits = logits + self.edges(edge_attr)
        gates = logits.sigmoid()
        total = gather(None, gates, target, x.size(0)) + _EPSILON
        if self.aggregation is None:
            gathered = gather(None, gates * message, target, x.size(0)) / total
        else:
            weighted = gates / total.index_select(0, target) * message
            gathered = gather(self.aggregation, weighted, target, x.size(0))
        if self.norm_e is not None and edge_attr is not None:
            edge_attr = self._update(edge_attr, logits, self.norm_e)
        return self._update(x, itself + gathered, self.norm_x), edge_attr

    def _update(self, old: Tensor, new: Tensor, norm: torch.nn.Module) -> Tensor:
        added: Tensor = self.dropout(norm(new).relu())
        return old + added
