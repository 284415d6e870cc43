"""Exact attention as one operation for `torch.compile` and `torch.export`.

Its steps depend on the sizes of the graphs, which a compiler does not know. As one operation it has
known shapes: `[N, 3 C]` and the graphs' offsets in, `[N, C]` out. So a layer is one graph with
symbolic sizes, compiled once for all batches. The backward operation repeats the forward pass,
which costs some products and stores nothing in between.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphagg.nn.attention.buckets import Buckets, bucketed_softmax
from graphagg.nn.segments import Segments


@torch.library.custom_op("graphagg::ragged_softmax", mutates_args=())
def ragged_softmax(
    qkv: Tensor, ptr: Tensor, index: Tensor, heads: int, dropout: float, seed: Tensor
) -> Tensor:
    """Attend within each graph: `[N, 3 H d]` queries, keys and values to `[N, H d]`.

    `ptr` `[G + 1]` and `index` `[N]` are int64; `seed` `[1]` int64 determines the dropped weights.
    """
    return _attend(qkv, ptr, index, heads, dropout, seed)


@ragged_softmax.register_fake
def _(qkv: Tensor, ptr: Tensor, index: Tensor, heads: int, dropout: float, seed: Tensor) -> Tensor:
    return qkv.new_empty(qkv.shape[0], qkv.shape[1] // 3)


@torch.library.custom_op("graphagg::ragged_softmax_backward", mutates_args=())
def ragged_softmax_backward(
    grad: Tensor, qkv: Tensor, ptr: Tensor, index: Tensor, heads: int, dropout: float, seed: Tensor
) -> Tensor:
    """The gradient of `qkv` from that of the result."""
    # Inside an operation autograd records nothing; `torch.func` does.
    pull_back = torch.func.vjp(lambda x: _attend(x, ptr, index, heads, dropout, seed), qkv)[1]
    gradient: Tensor = pull_back(grad)[0]
    return gradient.contiguous()


@ragged_softmax_backward.register_fake
def _(
    grad: Tensor, qkv: Tensor, ptr: Tensor, index: Tensor, heads: int, dropout: float, seed: Tensor
) -> Tensor:
    return torch.empty_like(qkv, memory_format=torch.contiguous_format)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    qkv, ptr, index, heads, dropout, seed = inputs
    ctx.save_for_backward(qkv, ptr, index, seed)
    ctx.heads, ctx.dropout = heads, dropout


def _back(ctx, grad: Tensor):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    qkv, ptr, index, seed = ctx.saved_tensors
    gradient = ragged_softmax_backward(grad, qkv, ptr, index, ctx.heads, ctx.dropout, seed)
    return gradient, None, None, None, None, None


ragged_softmax.register_autograd(_back, setup_context=_keep)


def _attend(
    qkv: Tensor, ptr: Tensor, index: Tensor, heads: int, dropout: float, seed: Tensor
) -> Tensor:
    if not len(qkv):
        return qkv.new_empty(0, qkv.shape[1] // 3)
    buckets = Buckets.from_graphs(Segments(ptr, index))
    wide = qkv if qkv.dtype in (torch.float32, torch.float64) else qkv.float()
    rows = buckets.sort(wide)
    queries, keys, values = rows.view(len(rows), 3, heads, -1).unbind(1)
    mixed = bucketed_softmax(queries, keys, values, buckets, dropout=dropout, seed=seed)
    return buckets.restore(mixed.flatten(1)).to(qkv.dtype)
