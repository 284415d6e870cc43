"""Exact attention on small graphs by the compiled kernel, as one function of autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphagg.nn import native
from graphagg.nn.attention.kernel import SIDE, Heads, attend, differentiate
from graphagg.nn.attention.packed import drop_step
from graphagg.nn.segments import Segments

LARGEST = 64  # vertices of a graph; above, PyTorch's fused kernel is faster


def serves(x: Tensor, graphs: Segments) -> bool:
    """Whether the kernel is for such a batch."""
    return native.serves(x) and 0 < graphs.longest <= LARGEST


def small_softmax(qkv: Tensor, graphs: Segments, heads: int, dropout: float) -> Tensor:
    """Softmax attention within each graph: `[N, 3 H d]` to `[N, H d]`, float32.

    Args:
        qkv: queries, keys and values of all heads.
        graphs: N rows in G graphs.
        heads: H.
        dropout: probability with which an attention weight is dropped.
    """
    out: Tensor = _Attend.apply(qkv, graphs, heads, dropout)
    return out


class _Attend(torch.autograd.Function):
    """Keeps qkv and the weights."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, graphs: Segments, heads: int, dropout: float) -> Tensor:
        step = drop_step(dropout) if dropout else 0
        seed = np.uint64(int(torch.randint(2**62, (1,))) if step else 0)
        ctx.settings, ctx.longest = (native.array(graphs.ptr), heads, step, seed), graphs.longest
        keep = ctx.needs_input_grad[0]
        weights = qkv.new_empty(heads * squares(graphs) if keep else _filled(graphs.longest) ** 2)
        out = qkv.new_empty(len(qkv), qkv.size(1) // 3)
        rows = Heads(native.array(qkv), *ctx.settings)
        attend(rows, ctx.longest, keep, weights.numpy(), out.numpy())
        if keep:
            ctx.save_for_backward(qkv, weights)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        qkv, weights = ctx.saved_tensors
        into = torch.empty_like(qkv, memory_format=torch.contiguous_format)
        rows = Heads(native.array(qkv), *ctx.settings)
        differentiate(rows, ctx.longest, weights.numpy(), native.array(grad), into.numpy())
        return into, None, None, None


def squares(graphs: Segments) -> int:
    """Weights of one head, each graph's side filled up; computed once for the layers of a model."""
    return graphs.plan("squares", lambda: int(_filled(graphs.sizes).square().sum()))


def _filled(size: Any) -> Any:
    return (size + SIDE - 1) // SIDE * SIDE
