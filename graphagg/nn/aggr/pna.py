"""Mean, minimum, maximum and deviation side by side, mixed by a linear layer (PNA)."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn.aggr import MultiAggregation

from graphagg.nn.aggr.base import SegmentAggregation
from graphagg.nn.segments import Segments


class PNAAggregation(SegmentAggregation):
    """The aggregators of Principal Neighborhood Aggregation, arXiv 2004.05718.

    Of the paper's scalers only the identity is here: the others need the mean degree of the
    training graphs, and belong to a layer that knows it (`torch_geometric.nn.PNAConv`).

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        check_finite: whether NaN and infinity in the input are refused.

    Examples:
        >>> import torch
        >>> from graphagg.nn.aggr import PNAAggregation
        >>> out = PNAAggregation(3, 4)(torch.randn(5, 3), torch.tensor([0, 0, 1, 1, 1]))
        >>> tuple(out.shape)
        (2, 4)
    """

    def __init__(self, in_channels: int, out_channels: int, *, check_finite: bool = True) -> None:
        super().__init__(in_channels, out_channels, False, check_finite)
        self.parts = MultiAggregation(["mean", "min", "max", "std"])
        self.lin = nn.Linear(4 * in_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draw the linear layer again."""
        self.lin.reset_parameters()

    def reduce_segments(self, x: Tensor, segments: Segments) -> Tensor:
        """Reduce each segment; see the class."""
        out: Tensor = self.lin(self.parts(x, segments.index, dim_size=segments.count))
        return out
