"""A cache of recent plans, because layers and epochs aggregate over the same `edge_index`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from graphagg.nn.aggr.plan import LCMPlan

# Plans, and the inputs they were built from. Room for the training, validation and test graphs.
_recent: deque[tuple[tuple[Any, ...], Tensor, LCMPlan]] = deque(maxlen=4)


def cached_plan(
    values: Tensor, count: int | None, make: Callable[[], LCMPlan], *, offsets: bool = False
) -> LCMPlan:
    """Return the plan of an index (or `offsets`) with `count` segments; call `make` on a miss.

    The cache compares values, not tensor objects: layers get a new view each time, and tensors can
    change in place. This takes microseconds on a CPU. Thread-safe.
    """
    kind = (offsets, count, values.shape, values.dtype, values.device)
    for of_kind, of_values, plan in _recent.copy():
        if of_kind == kind and torch.equal(of_values, values):
            return plan
    with torch.inference_mode(False):  # training may reuse a plan built during evaluation
        plan = make()
        _recent.append((kind, values.clone(), plan))
    return plan
