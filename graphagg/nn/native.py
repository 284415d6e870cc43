"""Where compiled kernels stand in for PyTorch's operations.

A layer on a batch of molecules is some hundreds of small operations in PyTorch, forward and
backward, and a third of its time goes to starting them and to carrying their results through
memory. `graphagg.nn.attention.kernel`, `graphagg.nn.norms` and `graphagg.nn.conv.gine` do what
lies between two products of matrices in one pass. They are for plain training and prediction in
float32 on a CPU, by one thread; elsewhere PyTorch's own operations do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from graphagg.nn.compat import is_transformed

# Numbers of a tensor. From here on PyTorch's operations are faster where they share the work among
# several threads.
_ALONE = 1 << 16


def reads(x: Tensor) -> bool:
    """Whether a kernel may read `x` and the tensors beside it, in this call."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    plain = x.dtype == torch.float32 and x.device.type == "cpu" and x.layout == torch.strided
    return plain and not (torch.is_autocast_enabled("cpu") or is_transformed())


def serves(x: Tensor, *others: Tensor | None) -> bool:
    """Whether a kernel may read `x` and the others, and one thread is faster than PyTorch's."""
    if not (torch.get_num_threads() == 1 or x.numel() <= _ALONE):
        return False
    return reads(x) and all(o is not None and o.dtype == x.dtype for o in others)


def array(tensor: Tensor) -> Any:
    """The numbers of a tensor, for a kernel; row after row."""
    return tensor.detach().contiguous().numpy()


def differentiable(
    plain: Callable[..., Tensor],
    inputs: Sequence[Tensor | None],
    wanted: Sequence[bool],
    grad: Tensor,
) -> list[Tensor | None]:
    """Gradients that can be differentiated again, by PyTorch's operations.

    Args:
        plain: what a kernel computed, by PyTorch's operations.
        inputs: its arguments, as they were saved.
        wanted: which of them want a gradient.
        grad: of the result.
    """
    with torch.enable_grad():
        out = plain(*inputs)
        leaves = [x for x, want in zip(inputs, wanted, strict=True) if want]
        found = iter(torch.autograd.grad(out, leaves, grad, create_graph=True))
    return [next(found) if want else None for want in wanted]
