"""Input of every aggregator: find the segments, refuse bad features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from graphagg.errors import InvalidBatch, InvalidFeatures
from graphagg.nn.segments import Segments, check_index


def sorted_segments(
    rows: int, index: Tensor | None, ptr: Tensor | None, count: int | None
) -> tuple[Segments, Tensor | None]:
    """Segments of `rows` rows, and the stable order that sorts the rows (None where sorted).

    Args:
        rows: N.
        index: `[N]` integers in any order, or None.
        ptr: `[S + 1]` offsets, or None. Where both are given they must agree.
        count: S.

    Raises:
        InvalidBatch: they do not describe N rows in S segments.
    """
    if ptr is not None:
        segments = Segments.from_ptr(ptr, rows)
        if index is not None:
            check_agreement(index, segments.index)
        return segments, None
    if index is None:
        raise InvalidBatch("neither index nor ptr is given; wanted one of them")
    index = check_index(index, count)
    if len(index) != rows:
        raise InvalidBatch(f"index has {len(index)} entries for {rows} rows; wanted one per row")
    if len(index) < 2 or not bool((index[1:] < index[:-1]).any()):
        return Segments.from_index(index, count), None
    index, order = torch.sort(index, stable=True)
    return Segments.from_index(index, count), order


def check_agreement(index: Tensor, described: Tensor) -> None:
    """Refuse an index beside a ptr that describes another one.

    Raises:
        InvalidBatch: they differ.
    """
    if not torch.equal(check_index(index), described):
        raise InvalidBatch(
            "index is not the sorted index that ptr describes; sort the rows by it, or give one of "
            "them alone"
        )


def check_rows(x: Tensor, dim: int, channels: int) -> None:
    """Refuse anything but `[N, channels]` with rows in the first dimension.

    Raises:
        InvalidFeatures: another shape, or integers.
    """
    if x.dim() != 2 or dim not in (-2, 0):
        raise InvalidFeatures(
            f"x has {x.dim()} dimensions and is aggregated along {dim}; wanted [rows, channels] "
            "along -2, or [rows, heads, channels] along 0"
        )
    if x.size(1) != channels:
        raise InvalidFeatures(
            f"x is {x.size(1)} wide; wanted {channels}, the in_channels of the aggregator (in an "
            "attention layer the width of one head, in SAGEConv the width of x)"
        )
    if not x.is_floating_point():
        raise InvalidFeatures(f"x is of type {x.dtype}; wanted floats")


def has_heads(x: Tensor, dim: int) -> bool:
    """Whether `x` is `[N, H, C]` with rows in the first dimension, as attention layers give it."""
    return x.dim() == 3 and dim in (-3, 0)


def by_head(aggregate: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Each head alone: `[N, H, C]` to `[S, H, out]`.

    Args:
        aggregate: from `[N, C]` to `[S, out]`; the same weights for all heads.
        x: `[N, H, C]`.
    """
    return torch.stack([aggregate(head) for head in x.unbind(1)], dim=1)


def random_order_within(index: Tensor) -> Tensor:
    """`[N]`: an order by segment that is random inside of each segment.

    Args:
        index: `[N]` int64, the segment of each row, in any order.
    """
    return torch.argsort(index + torch.rand(len(index), dtype=torch.float64, device=index.device))
