"""A cache of plans, each kept as long as the tensor that it was made from is alive.

The layers of a model, and the epochs of a training, aggregate along the same `edge_index`. A layer
gets a fresh view of it (`edge_index[1]`), so plans are stored in a weak table under the tensor that
the view shows: they are freed with the graph. A tensor that was changed in place has another
version number, and its plans are made again. Not every change raises the number (see
`graphagg.nn.compat.change_counter`), so on a CPU the values are compared too; that takes a few
microseconds for a thousand of them. On CUDA it would wait for the device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor

from graphagg.nn.aggr.plan import LCMPlan
from graphagg.nn.compat import change_counter, storage_owner, weak_table

_Key = tuple[int | None, ...]


@dataclass(slots=True)
class _Entry:
    """The plans of one version of a tensor, each with the values that it was made from."""

    version: int
    plans: dict[_Key, tuple[Tensor | None, LCMPlan]]


# Views of one tensor that are kept: both rows of edge_index, and a few sizes.
_MOST = 4
_known = weak_table()  # the _Entry of each tensor
_lock = Lock()


def cached_plan(tensor: Tensor, count: int | None, make: Callable[[], LCMPlan]) -> LCMPlan:
    """The plan made from `tensor` and `count`, from the cache where it is there; thread-safe."""
    if tensor.is_inference():  # such tensors have no version
        return make()
    owner = storage_owner(tensor)
    key = (tensor.data_ptr(), *tensor.shape, *tensor.stride(), count)
    with _lock:
        kept = _plans(owner).get(key)
    if kept is not None and (kept[0] is None or torch.equal(kept[0], tensor)):
        return kept[1]
    with torch.inference_mode(False):  # training may want the plan of an evaluation
        plan = make()
        values = None if tensor.is_cuda else tensor.clone()
    with _lock:
        plans = _plans(owner)
        while len(plans) >= _MOST and key not in plans:
            plans.pop(next(iter(plans)))
        plans[key] = values, plan
    return plan


def _plans(owner: Tensor) -> dict[_Key, tuple[Tensor | None, LCMPlan]]:
    entry: _Entry | None = _known.get(owner)
    if entry is None or entry.version != change_counter(owner):
        entry = _Entry(change_counter(owner), {})
        _known[owner] = entry
    return entry.plans


def cached_ptr_plan(ptr: Tensor, rows: int) -> LCMPlan:
    """`LCMPlan.from_ptr`, from the cache where it is there."""
    return cached_plan(ptr, None, lambda: LCMPlan.from_ptr(ptr, rows))
