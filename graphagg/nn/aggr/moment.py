"""First and second moments of each neighborhood, after Moment Probing (arXiv 2307.11342).

Moment Probing reads a set of tokens through its mean and a multi-head cross-covariance: the tokens
are projected to h heads of two narrow parts each, and the second moment is taken between the two
parts of a head only, h small matrices in place of one large. Departures: the moments are central
(the mean is already in the first), for a vertex with one neighbor has a second moment of 0 then
rather than a copy of the first; and the matrices are flattened into one linear layer with the mean
where the paper's head has convolutions on images' patches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphagg.checks import integer
from graphagg.nn.aggr.base import SegmentAggregation
from graphagg.nn.segments import Segments
from graphagg.nn.settings import part_width


class MomentAggregation(SegmentAggregation):
    """Linear layer on mean and multi-head cross-covariance; for any order of the rows the same.

    For N rows: time and memory O(N heads moment^2). Empty segments have moments of 0.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        heads: h; `in_channels` must be a multiple of it.
        moment: width of both parts of a head; by default `in_channels / heads`, at most 8.
        check_finite: whether NaN and infinity in the input are refused.

    Raises:
        InvalidParameter: `heads` does not divide `in_channels`, or a width below 1.

    Examples:
        >>> import torch
        >>> from graphagg.nn import MomentAggregation
        >>> out = MomentAggregation(8, 4)(torch.randn(5, 8), torch.tensor([0, 0, 1, 1, 1]))
        >>> tuple(out.shape)
        (2, 4)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        heads: int = 4,
        moment: int | None = None,
        check_finite: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, False, check_finite)
        head_width = part_width("heads", heads, "in_channels", in_channels)
        moment = integer("moment", min(head_width, 8) if moment is None else moment, 1)
        self.heads, self.moment = heads, moment
        self.parts = nn.Linear(in_channels, 2 * heads * moment, bias=False)
        self.lin = nn.Linear(in_channels + heads * moment * moment, out_channels)

    def reset_parameters(self) -> None:
        """Draw both layers again."""
        self.parts.reset_parameters()
        self.lin.reset_parameters()

    def reduce_segments(self, x: Tensor, segments: Segments) -> Tensor:
        """Reduce each segment; see the class."""
        mean = segments.mean(x)
        scaled = self.parts(x - mean[segments.index]).view(-1, 2, self.heads, self.moment)
        products = torch.einsum("nhi,nhj->nhij", scaled[:, 0], scaled[:, 1])
        covariance = segments.mean(products).flatten(1)
        out: Tensor = self.lin(torch.cat([mean, covariance], dim=1))
        return out

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, heads={self.heads}, "
            f"moment={self.moment})"
        )
