"""A cache of plans that lives as long as the tensors the plans were made from.

The layers of a model and the epochs of a training aggregate along the same `edge_index`. A layer
gets a new view of it (`edge_index[1]`), so the key is the tensor that owns the view's memory, held
weakly. An in-place change raises that tensor's version, and the plan is made again. Some changes do
not raise the version (see `graphagg.nn.compat`), so on a CPU the values are compared too, which
takes microseconds. On CUDA the comparison would wait for the device, so it is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from graphagg.nn import compat
from graphagg.nn.aggr.plan import LCMPlan

_Key = tuple[int | None, ...]
_MOST = 4  # cached views of one tensor: both rows of edge_index, and a few sizes


_Plans = dict[_Key, tuple[Tensor | None, LCMPlan]]  # each with the values that it was made from

_cache: Any = WeakIdKeyDictionary()  # owner -> (version, _Plans)
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


def _plans(owner: Tensor, version: int) -> _Plans:
    entry: tuple[int, _Plans] | None = _cache.get(owner)
    if entry is None or entry[0] != version:
        entry = _cache[owner] = (version, {})
    return entry[1]


def cached_ptr_plan(ptr: Tensor, rows: int) -> LCMPlan:
    """Cached `LCMPlan.from_ptr`."""
    return cached_plan(ptr, None, lambda: LCMPlan.from_ptr(ptr, rows))
