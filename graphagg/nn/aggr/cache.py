"""A cache of the last plans: layers and epochs aggregate along the same `edge_index`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

from graphagg.nn.aggr.plan import LCMPlan

_Made = tuple[bool, int | None, Tensor, LCMPlan]  # a plan, and what it was made of
_recent: deque[_Made] = deque(maxlen=4)  # a few graphs: of training, validation and test


def cached_plan(
    values: Tensor, count: int | None, make: Callable[[], LCMPlan], *, offsets: bool = False
) -> LCMPlan:
    """Return the plan of an index (or `offsets`) with `count` segments; call `make` on a miss.

    Values are compared, not tensors, since layers get a new view each time, and tensors change in
    place. That takes microseconds on a CPU. Thread-safe.
    """
    for of_offsets, of_count, of_values, plan in _recent.copy():
        if (of_offsets, of_count) == (offsets, count) and _same(of_values, values):
            return plan
    with torch.inference_mode(False):  # training may use the plan of an evaluation
        plan = make()
        _recent.append((offsets, count, values.clone(), plan))
    return plan


def _same(one: Tensor, other: Tensor) -> bool:
    alike = (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device)
    return alike and torch.equal(one, other)
