"""Exact attention as one operation for `torch.compile` and `torch.export`.

Its steps depend on the sizes of the graphs, which a compiler does not know. Seen from outside it is
one operation with known shapes: `[N, 3 C]` and the graphs' offsets in, `[N, C]` out. So a layer is
one graph, with sizes as symbols, and is compiled once for all batches. Small graphs are done by the
kernel (`graphagg.nn.attention.small`), others in packs (`graphagg.nn.attention.packed`), so that
the scores are held: H sum n_g^2. The backward operation does the forward pass again, which costs
some products and holds nothing in between.
"""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from graphagg.nn.attention import packed, small
from graphagg.nn.segments import Segments


@torch.library.custom_op("graphagg::ragged_softmax", mutates_args=())
def ragged_softmax(
    qkv: Tensor, ptr: Tensor, index: Tensor, heads: int, dropout: float, seed: Tensor
) -> Tensor:
    """Softmax attention within each graph: `[N, 3 H d]` to `[N, H d]`.

    Args:
        qkv: queries, keys and values of all heads.
        ptr: `[G + 1]` int64, offsets of the graphs.
        index: `[N]` int64, the graph of each row.
        heads: H.
        dropout: probability with which a weight is dropped.
        seed: `[1]` int64, which weights are dropped.
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
    with torch.enable_grad():
        leaf = qkv.detach().requires_grad_()
        out = _attend(leaf, ptr, index, heads, dropout, seed)
        (found,) = torch.autograd.grad(out, leaf, grad)
    return found


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
    found = ragged_softmax_backward(grad, qkv, ptr, index, ctx.heads, ctx.dropout, seed)
    return found, None, None, None, None, None


ragged_softmax.register_autograd(_back, setup_context=_keep)


def _attend(
    qkv: Tensor, ptr: Tensor, index: Tensor, heads: int, dropout: float, seed: Tensor
) -> Tensor:
    if not len(qkv):
        return qkv.new_empty(0, qkv.shape[1] // 3)
    graphs = _segments(ptr, index)
    if small.serves(qkv, graphs):
        return small.small_softmax(qkv, graphs, heads, dropout, seed)
    wide = qkv if qkv.dtype in (torch.float32, torch.float64) else qkv.float()
    packs = packed.Packs.known(graphs, heads)
    return packed.attend(wide, packs, heads, dropout, seed).to(qkv.dtype)


class _Last(threading.local):
    """The graphs of this thread's last batch, whose plans its next layer wants."""

    ptr: Tensor | None = None
    graphs: Segments | None = None


_last = _Last()


def _segments(ptr: Tensor, index: Tensor) -> Segments:
    """The graphs; the same object where the last call had the same ones."""
    if _last.ptr is not None and _last.graphs is not None and ptr.device == _last.ptr.device:
        if torch.equal(_last.ptr, ptr):
            return _last.graphs
    _last.ptr, _last.graphs = ptr.clone(), Segments(ptr.clone(), index.clone())
    return _last.graphs
