"""Exact attention on small graphs by the compiled kernel, as one function of autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphagg.kernels.attention import SIDE, Heads, attend, differentiate
from graphagg.nn.attention.packed import drop_step
from graphagg.nn.compat import is_transformed
from graphagg.nn.segments import Segments

LARGEST = 256  # vertices of a graph; above, the weights that are kept take too much memory


_FEW, _ALONE = 4, 1 << 16


def serves(x: Tensor, graphs: Segments) -> bool:
    """Whether the kernel is the fastest way for such a batch.

    It runs in one thread: where PyTorch has more than a few, they are faster on a large batch.
    """
    few = torch.get_num_threads() <= _FEW or x.numel() <= _ALONE
    return few and reads(x) and 0 < graphs.longest <= LARGEST


def reads(x: Tensor) -> bool:
    """Whether the kernel can read `x` in this call: float32 on a CPU, and nothing traces it."""
    if x.dtype != torch.float32 or x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return False
    return not (torch.compiler.is_compiling() or is_transformed())


def small_softmax(
    qkv: Tensor, graphs: Segments, heads: int, dropout: float, seed: Tensor | None = None
) -> Tensor:
    """Softmax attention within each graph: `[N, 3 H d]` to `[N, H d]`, float32.

    Args:
        qkv: queries, keys and values of all heads.
        graphs: N rows in G graphs.
        heads: H.
        dropout: probability with which an attention weight is dropped.
        seed: `[1]` int64, which ones; by default drawn.
    """
    draws = np.uint64(0)
    if dropout:
        draws = np.uint64(int(torch.randint(2**62, (1,)) if seed is None else seed))
    step = drop_step(dropout) if dropout else 0
    out: Tensor = _Attend.apply(qkv, graphs, (heads, step, draws))
    return out


class _Attend(torch.autograd.Function):
    """Keeps qkv and the weights."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, graphs: Segments, settings: tuple[int, int, Any]) -> Tensor:
        ctx.settings, ctx.longest = (_array(graphs.ptr), *settings), graphs.longest
        keep = ctx.needs_input_grad[0]
        count = settings[0] * squares(graphs) if keep else _filled(graphs.longest) ** 2
        weights = qkv.new_empty(count)
        out = qkv.new_empty(len(qkv), qkv.size(1) // 3)
        rows = Heads(_array(qkv), *ctx.settings)
        attend(rows, ctx.longest, keep, weights.numpy(), out.numpy())
        if keep:
            ctx.save_for_backward(qkv, weights)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        qkv, weights = ctx.saved_tensors
        into = torch.empty_like(qkv, memory_format=torch.contiguous_format)
        rows = Heads(_array(qkv), *ctx.settings)
        differentiate(rows, ctx.longest, weights.numpy(), _array(grad), into.numpy())
        return into, None, None


def squares(graphs: Segments) -> int:
    """Weights of one head, each graph's side filled up; computed once for the layers of a model."""
    return graphs.plan("squares", lambda: int(_filled(graphs.sizes).square().sum()))


def _filled(size: Any) -> Any:
    return (size + SIDE - 1) // SIDE * SIDE


def _array(tensor: Tensor) -> Any:
    """The numbers of a tensor, row after row."""
    return tensor.detach().contiguous().numpy()
