"""Base class of the aggregators that reduce sorted segments."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor
from torch_geometric.nn.aggr import Aggregation

from graphagg.nn.aggr.inputs import by_head, check_rows, has_heads, shuffled, sorted_segments
from graphagg.nn.checks import check_finite
from graphagg.nn.segments import Segments


class SegmentAggregation(Aggregation):  # type: ignore[misc]  # PyG ships no types
    """Checks and sorts its input; a subclass reduces sorted segments.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        random_order: whether rows are permuted inside their segments in training.
        check_finite: whether NaN and infinity in the input are refused (one pass over it; on CUDA
            the device is waited for).
    """

    def __init__(
        self, in_channels: int, out_channels: int, random_order: bool, check_finite: bool
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.random_order, self.check_finite = random_order, check_finite

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
        max_num_elements: int | None = None,
    ) -> Tensor:
        """Aggregate.

        Args:
            x: `[N, in_channels]` floats, or `[N, H, in_channels]`: each of H heads alone.
            index: `[N]` segment of each row, in any order.
            ptr: `[S + 1]` offsets of sorted rows, instead of `index`.
            dim_size: S; by default one more than the largest index.
            dim: -2 or 0; of heads 0.
            max_num_elements: not needed; PyG's aggregators have it.

        Returns:
            `[S, out_channels]`, or `[S, H, out_channels]`.

        Raises:
            InvalidBatch: `index` or `ptr` out of range, unsorted with `ptr`, or of a float type.
            InvalidFeatures: `x` of another width or type, or with NaN or infinity in it.
        """
        if has_heads(x, dim):
            return by_head(lambda one: self(one, index, ptr, dim_size), x)
        check_rows(x, dim, self.in_channels)
        segments, order = sorted_segments(len(x), index, ptr, dim_size)
        if self.check_finite:
            check_finite(x)
        if self.random_order and self.training:
            drawn = shuffled(segments.index)
            order = drawn if order is None else order[drawn]
        return self.reduce_segments(x if order is None else x[order], segments)

    @abstractmethod
    def reduce_segments(self, x: Tensor, segments: Segments) -> Tensor:
        """`[N, in_channels]`, sorted, to `[S, out_channels]`."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels})"
