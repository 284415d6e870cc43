"""A GRU over each neighborhood: the recurrent aggregator that arXiv 2212.08541 compares with.

O(V) steps for a neighborhood of V, one after the other, where the tree of `LCMAggregation` has
O(log V). Segments are run longest first, so that the ones still running are a prefix of the state
and a step costs no more than its live segments: there is no padding, and the last state of a
segment is its own. `torch_geometric.nn.aggr.GRUAggregation` returns the state after the padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphagg.nn.aggr.base import SegmentAggregation
from graphagg.nn.compat import packed
from graphagg.nn.segments import Segments


class RecurrentAggregation(SegmentAggregation):
    """The last state of a GRU that reads a neighborhood in its order; 0 where it is empty.

    Time O(N) in all, in as many steps as the largest segment has rows; memory O(N).

    Args:
        in_channels: width of the input.
        out_channels: width of the state.
        random_order: whether rows are permuted inside their segments in training.
        check_finite: whether NaN and infinity in the input are refused.

    Examples:
        >>> import torch
        >>> from graphagg.nn import RecurrentAggregation
        >>> out = RecurrentAggregation(6, 4)(torch.randn(5, 6), torch.tensor([0, 0, 1, 1, 1]))
        >>> tuple(out.shape)
        (2, 4)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        random_order: bool = False,
        check_finite: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, random_order, check_finite)
        self.gru = nn.GRU(in_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draw the GRU again."""
        self.gru.reset_parameters()

    def reduce_segments(self, x: Tensor, segments: Segments) -> Tensor:
        """Reduce each segment; see the class."""
        out = x.new_zeros(segments.count, self.out_channels)
        if not len(x):
            return out + x.sum()  # 0, and differentiable
        rows, lengths, longest = _steps(segments)
        last: Tensor = self.gru(packed(x[rows], lengths))[1][0]
        return out.to(last.dtype).index_copy(0, longest, last)


def _steps(segments: Segments) -> tuple[Tensor, Tensor, Tensor]:
    """Rows step by step, live segments of each step (on the CPU), and segments longest first."""
    sizes = segments.sizes
    longest = torch.argsort(sizes, descending=True, stable=True)
    longest = longest[sizes[longest] > 0]
    rank = torch.empty_like(sizes)
    rank[longest] = torch.arange(len(longest), device=sizes.device)
    position = torch.arange(segments.rows, device=sizes.device) - segments.ptr[segments.index]
    rows = torch.argsort(position * len(longest) + rank[segments.index])
    return rows, torch.bincount(position).cpu(), longest
