"""Checks the input of an aggregator: its segments and its features."""

from __future__ import annotations

import torch
from torch import Tensor

from graphagg.errors import InvalidFeatures
from graphagg.nn.segments import Segments, check_index, offsets


def sorted_segments(index: Tensor, count: int | None) -> tuple[Segments, Tensor | None]:
    """Return segments of an index `[N]`, and the stable order that sorts it (None if sorted).

    Raises `InvalidBatch` if a value is not in `[0, count)`.
    """
    index, order = check_index(index, count), None
    if bool((index[1:] < index[:-1]).any()):
        index, order = torch.sort(index, stable=True)
    return Segments(offsets(torch.bincount(index, minlength=count or 0)), index), order


def check_rows(x: Tensor, dim: int, channels: int) -> None:
    """Raise `InvalidFeatures` unless `x` is `[N, channels]` floats with `dim` -2 or 0."""
    if x.dim() != 2 or dim not in (-2, 0):
        raise InvalidFeatures(
            f"x has {x.dim()} dimensions and is aggregated along {dim}; expected [rows, channels] "
            "along -2, or [rows, heads, channels] along 0"
        )
    if x.size(1) != channels:
        raise InvalidFeatures(
            f"x has {x.size(1)} channels; expected {channels}, the in_channels of the aggregator "
            "(in an attention layer the width of one head, in SAGEConv the width of x)"
        )
    if not x.is_floating_point():
        raise InvalidFeatures(f"x is of type {x.dtype}; expected floats")


def sorted_within(index: Tensor, keys: Tensor) -> Tensor:
    """Return positions `[N]` that sort rows by segment (`index`, sorted), then by `keys` `[N]`."""
    order = keys.argsort(stable=True)
    return order[index[order].argsort(stable=True)]
