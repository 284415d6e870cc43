"""Uses of PyTorch without a public name, each with a public fallback.

`tests/unit/nn/test_compat.py` tests each assumption and each fallback.
"""

from __future__ import annotations

import torch
from torch import Tensor

_HAS_VERSIONS = hasattr(Tensor, "_base") and hasattr(Tensor, "_version")
_FUSED = hasattr(torch.ops.aten, "sigmoid_backward") and hasattr(torch.ops.aten, "tanh_backward")


def owner_and_version(tensor: Tensor) -> tuple[Tensor, int] | None:
    """The tensor that owns the memory of a view, and a counter that in-place changes raise.

    Changes through `tensor.data`, or through numpy's view of the memory, do not raise it. Returns
    None for tensors made in inference mode, which have no counter; do not cache those.
    """
    if tensor.is_inference() or not _HAS_VERSIONS:
        return None
    owner = tensor if tensor._base is None else tensor._base
    return owner, owner._version


def sigmoid_backward_(grad: Tensor, output: Tensor, into: Tensor) -> None:
    """Write `grad * output * (1 - output)` into `into`, in one pass; it may be `grad`."""
    if _FUSED:
        torch.ops.aten.sigmoid_backward.grad_input(grad, output, grad_input=into)
    else:
        torch.mul(grad, output * (1 - output), out=into)


def tanh_backward_(grad: Tensor, output: Tensor, into: Tensor) -> None:
    """Write `grad * (1 - output^2)` into `into`, in one pass; it may be `grad`."""
    if _FUSED:
        torch.ops.aten.tanh_backward.grad_input(grad, output, grad_input=into)
    else:
        torch.mul(grad, 1 - output * output, out=into)
