"""A cache of plans; each is kept as long as the tensor that it was made from is alive.

The layers of a model, and the epochs of a training, aggregate along the same `edge_index`. A layer
gets a fresh view of it (`edge_index[1]`), so plans are stored in a weak table under the tensor that
owns the view's memory, and freed with it. After a change in place that tensor has another version,
and the plan is made again. Some changes do not raise the version (see `graphagg.nn.compat`), so on
a CPU the values are compared too, which takes microseconds. On CUDA it would wait for the device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from graphagg.nn import compat
from graphagg.nn.aggr.plan import LCMPlan

_Key = tuple[int | None, ...]
_MOST = 4  # views of one tensor that are kept: both rows of edge_index, and a few sizes


@dataclass(slots=True)
class _VersionPlans:
    """The plans of one version of a tensor, each with the values that it was made from."""

    version: int
    plans: dict[_Key, tuple[Tensor | None, LCMPlan]]


_cache: Any = WeakIdKeyDictionary()  # the _VersionPlans of each tensor
_lock = Lock()


def cached_plan(tensor: Tensor, count: int | None, make: Callable[[], LCMPlan]) -> LCMPlan:
    """Return the plan for `tensor` and `count`; call `make` on a miss. Thread-safe."""
    origin = compat.owner_and_version(tensor)
    if origin is None:
        return make()
    key = (tensor.data_ptr(), *tensor.shape, *tensor.stride(), count)
    with _lock:
        values, plan = _plans(*origin).get(key, (None, None))
    if plan is not None and (values is None or torch.equal(values, tensor)):
        return plan
    with torch.inference_mode(False):  # training may use the plan of an evaluation
        plan = make()
        values = None if tensor.is_cuda else tensor.clone()
    with _lock:
        plans = _plans(*origin)
        while len(plans) >= _MOST and key not in plans:
            plans.pop(next(iter(plans)))
        plans[key] = values, plan
    return plan


def _plans(owner: Tensor, version: int) -> dict[_Key, tuple[Tensor | None, LCMPlan]]:
    entry: _VersionPlans | None = _cache.get(owner)
    if entry is None or entry.version != version:
        entry = _VersionPlans(version, {})
        _cache[owner] = entry
    return entry.plans


def cached_ptr_plan(ptr: Tensor, rows: int) -> LCMPlan:
    """Cached `LCMPlan.from_ptr`."""
    return cached_plan(ptr, None, lambda: LCMPlan.from_ptr(ptr, rows))
