"""Checks of an aggregator's input: its segments and its features."""

from __future__ import annotations

import torch
from torch import Tensor

from graphagg.errors import InvalidBatch, InvalidFeatures
from graphagg.nn.segments import Segments, check_index


def sorted_segments(
    rows: int, index: Tensor | None, ptr: Tensor | None, count: int | None
) -> tuple[Segments, Tensor | None]:
    """Segments of `rows` rows, and the stable order that sorts the rows (None if sorted).

    `index` `[N]` may be in any order; `ptr` `[S + 1]` are offsets, which must agree with an index
    beside them. Raises `InvalidBatch` if they do not describe N rows in `count` segments.
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
    """Raise `InvalidBatch` if `index` is not the index that `ptr` describes."""
    if not torch.equal(check_index(index), described):
        raise InvalidBatch(
            "index is not the sorted index that ptr describes; sort the rows by it, or give one of "
            "them alone"
        )


def check_rows(x: Tensor, dim: int, channels: int) -> None:
    """Raise `InvalidFeatures` unless `x` is `[N, channels]` floats with `dim` -2 or 0."""
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


def random_order_within(index: Tensor) -> Tensor:
    """`[N]`: sorts rows by their segment `index` `[N]`, at random within each segment."""
    return torch.argsort(index + torch.rand(len(index), dtype=torch.float64, device=index.device))
