"""One batch on several devices: each takes a share, and all have about as much to do.

A ragged batch cut by number leaves one device waiting for the one with the largest graphs. Here
graphs go by what they cost, largest first, each to the device that has least so far; no device
holds more than its largest graph above the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """The share of one device in a batch.

    Attributes:
        positions: `[n]` int64, its part of the batch, ascending; never empty.
        weight: by which the mean over its part is multiplied, so that the mean over the devices is
            the mean over the batch; 0 where it only keeps the others company.
    """

    positions: Tensor
    weight: float


def share_of(costs: Tensor, rank: int, world: int) -> Share:
    """The share of device `rank` of `world`.

    Args:
        costs: `[B]` non-negative, of the batch's graphs or seeds; B is at least 1.
        rank: from 0.
        world: number of devices.
    """
    if world == 1:
        return Share(torch.arange(len(costs)), 1.0)
    loads = [0.0] * world
    counts = [0] * world
    chosen: list[int] = []
    order = torch.argsort(costs, descending=True, stable=True).tolist()
    for position, cost in zip(order, costs[order].tolist(), strict=True):
        # Fewer graphs break ties, so that graphs that cost nothing are dealt out, too.
        least = min(range(world), key=lambda r: (loads[r], counts[r], r))
        loads[least] += cost
        counts[least] += 1
        if least == rank:
            chosen.append(position)
    if not chosen:  # fewer graphs than devices: all must take the same number of steps
        return Share(torch.tensor(order[:1]), 0.0)
    return Share(torch.tensor(sorted(chosen)), len(chosen) * world / len(order))


def here() -> tuple[int, int]:
    """Number of this process among those that train together, and how many they are."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
