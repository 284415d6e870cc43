"""Plans kept for as long as the tensor lives that they were made of.

The layers of a model, and the epochs of a training, aggregate along the same `edge_index`. What a
layer is given is a fresh view of it (`edge_index[1]`), so plans are kept by the tensor the view is
of, in a weak table: they go when the graph goes. A tensor that was changed in place has another
version number, and its plans are made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from graphagg.nn.aggr.plan import LCMPlan

_Key = tuple[int | None, ...]


@dataclass(slots=True)
class _Entry:
    version: int
    plans: dict[_Key, LCMPlan]


# Views of one tensor that are kept: both rows of edge_index, and a few sizes.
_MOST = 4
# A mapping from tensor to entry; torch's class is not typed.
_known: Any = WeakIdKeyDictionary()


def cached(tensor: Tensor, count: int | None, make: Callable[[], LCMPlan]) -> LCMPlan:
    """The plan made of `tensor` and `count`, now or before."""
    if tensor.is_inference():  # such tensors have no version
        return make()
    owner = tensor if tensor._base is None else tensor._base
    entry: _Entry | None = _known.get(owner)
    if entry is None or entry.version != owner._version:
        entry = _Entry(owner._version, {})
        _known[owner] = entry
    key = (tensor.storage_offset(), *tensor.shape, *tensor.stride(), count)
    if key not in entry.plans:
        if len(entry.plans) >= _MOST:
            entry.plans.pop(next(iter(entry.plans)))
        entry.plans[key] = make()
    return entry.plans[key]


def plan_of_ptr(ptr: Tensor, rows: int) -> LCMPlan:
    """`LCMPlan.from_ptr`, now or before."""
    return cached(ptr, None, lambda: LCMPlan.from_ptr(ptr, rows))
