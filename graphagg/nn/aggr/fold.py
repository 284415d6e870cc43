"""The fold of a tree plan with a binary operator, forward and backward, block by block.

For the backward pass only the input, the parameters and the plan are saved; for a small plan also
the gates of the operator. Backward folds each block again from its elements and walks back through
it. A row of a block is the child of one node, or a root, never more. So each gradient of a row is
written once, and only those of the parameters are summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphagg.errors import InvalidParameter
from graphagg.nn.aggr.gru_kernel import GRUKernel
from graphagg.nn.aggr.plan import FoldBlock, LCMPlan

# Largest plan whose gates forward saves for backward: a small graph trains a quarter faster.
KEPT_BY_FORWARD = 1 << 12
# Largest block whose gates backward saves from its own forward pass. In a larger block (one long
# segment) the gates of each pass are computed again instead, so that memory is bounded.
_KEPT, _KEPT_ON_CUDA = 1 << 13, 1 << 21


Saved = list[tuple[Tensor, list[Any]]]
"""The values of each block, and the gates of each pass."""


def fold(
    x: Tensor, plan: LCMPlan, identity: Tensor, kernel: GRUKernel, kept: Saved | None = None
) -> Tensor:
    """Fold `x` `[N, d]`, sorted by segment, to `[segments, d]`.

    Empty segments give `identity` `[d]`. `kept` is an empty list that gets the values and gates for
    `unfold`.
    """
    out = identity.to(x.dtype).repeat(plan.count, 1)
    largest, keep, done = _largest_pass(plan), kept is not None, 0
    kernel.prepare(x, plan.combines if keep else largest, largest, keep)
    room = x.new_empty(plan.rows + plan.combines if keep else _largest_block(plan), x.size(1))
    for block in plan.blocks:
        saved: list[Any] | None = None if kept is None else []
        values = _fold_block(x, block, kernel, room, saved, done)
        if kept is not None and saved is not None:
            kept.append((values, saved))
            room, done = room[len(values) :], done + len(block.left)
        out.index_copy_(0, block.filled, values[block.roots])
    return out


def unfold(
    x: Tensor, plan: LCMPlan, grad_out: Tensor, kernel: GRUKernel, kept: Saved | None = None
) -> Tensor:
    """The gradient of `fold` for `x`; the kernel then holds the gradients of its parameters.

    Consumes what `fold` put into `kept` with this kernel.
    """
    largest = _largest_pass(plan)
    if not kept:
        nodes = max((len(block.left) for block in plan.blocks if _is_kept(block)), default=0)
        kernel.prepare(x, max(nodes, largest), largest, keep=True)
    room = x.new_empty(_largest_block(plan), x.size(1))
    grad_room, grad_x = torch.empty_like(room), torch.empty_like(x)
    for block in plan.blocks:
        saved: list[Any] | None = [] if _is_kept(block) else None
        if kept:
            values, saved = kept.pop(0)
        else:
            values = _fold_block(x, block, kernel, room, saved)
        grad = grad_room[: len(values)]
        grad.index_copy_(0, block.roots, grad_out[block.filled])
        for step in range(len(block.passes) - 1, -1, -1):
            low, high = block.passes[step]
            pair = block.children(low, high)
            rows = slice(block.elements + low, block.elements + high)
            gates = kernel.forward(values, *pair, values[rows], 0) if saved is None else saved[step]
            kernel.backward(gates, grad[rows], grad, pair)
        grad_x[slice(*block.rows)] = grad[: block.elements]
    return grad_x


def _fold_block(
    x: Tensor, block: FoldBlock, kernel: GRUKernel, room: Tensor, saved: list[Any] | None,
    done: int = 0,
) -> Tensor:  # fmt: skip
    """Values of the block's elements and nodes; `done` nodes were saved before."""
    values = room[: block.elements + len(block.left)]
    values[: block.elements] = x[slice(*block.rows)]
    for low, high in block.passes:
        at = 0 if saved is None else done + low
        into = values[block.elements + low : block.elements + high]
        gates = kernel.forward(values, *block.children(low, high), into, at)
        if saved is not None:
            saved.append(gates)
    return values


def _is_kept(block: FoldBlock) -> bool:
    return len(block.left) <= (_KEPT_ON_CUDA if block.left.is_cuda else _KEPT)


def _largest_pass(plan: LCMPlan) -> int:
    return max((high - low for b in plan.blocks for low, high in b.passes), default=0)


def _largest_block(plan: LCMPlan) -> int:
    return max((block.elements + len(block.left) for block in plan.blocks), default=0)


class GRUFold(torch.autograd.Function):
    """`fold` with the symmetrized GRU; differentiable once."""

    @staticmethod
    def forward(
        ctx: Any, plan: LCMPlan, keep: bool, x: Tensor, identity: Tensor, *weights: Tensor
    ) -> Tensor:
        """`weights` are the four of `GRUKernel`; `keep`: a backward pass may follow."""
        ctx.save_for_backward(x, *weights)
        ctx.plan, ctx.kernel = plan, GRUKernel(*weights)
        ctx.kept = [] if keep and plan.combines <= KEPT_BY_FORWARD else None
        return fold(x, plan, identity, ctx.kernel, ctx.kept)

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> Any:
        """Gradients of `x`, of the identity and of the four weights."""
        x, *weights = ctx.saved_tensors
        with torch.no_grad():
            kernel = ctx.kernel if ctx.kept else GRUKernel(*weights)  # a second time: a new one
            grad_x = unfold(x, ctx.plan, grad_out, kernel, ctx.kept)
            # The identity is the result of the empty segments.
            grad_identity = grad_out[ctx.plan.ptr.diff() == 0].sum(0)
            grads = (grad_x, grad_identity, *kernel.gradients())
            ctx.kernel = None
        return None, None, *_once(grads, grad_out, x, *weights)


def fold_module(x: Tensor, plan: LCMPlan, identity: Tensor, operator: nn.Module) -> Tensor:
    """`fold` with any module psi(a, b), differentiated by PyTorch.

    Of a large plan, backward computes each block again.
    """
    results, small = [x[:0]], plan.combines <= KEPT_BY_FORWARD or not torch.is_grad_enabled()
    for block in plan.blocks:
        rows = x[slice(*block.rows)]
        if small:
            results.append(_roots(rows, block, operator))
        else:
            results.append(checkpoint(_roots, rows, block, operator, use_reentrant=False))
    filled = torch.cat([plan.ptr[:0], *(block.filled for block in plan.blocks)])
    empty = identity.to(x.dtype).repeat(plan.count, 1)
    return empty.index_copy(0, filled, torch.cat(results))


def _roots(values: Tensor, block: FoldBlock, operator: nn.Module) -> Tensor:
    """The results of a block's segments, from its elements."""
    for low, high in block.passes:
        a, b = values[torch.cat(block.children(low, high))].chunk(2)
        combined = operator(a, b)
        if combined.shape != a.shape:
            raise InvalidParameter(
                f"the operator makes {tuple(combined.shape)} of two tensors {tuple(a.shape)}; "
                "wanted a module that gives the shape it takes"
            )
        values = torch.cat([values, combined.to(values.dtype)])
    return values[block.roots]


def _once(grads: Sequence[Tensor | None], *sources: Tensor) -> Sequence[Tensor | None]:
    """Wrap gradients so that differentiating them again raises an error.

    They depend on the sources in ways that autograd did not record. PyTorch's `once_differentiable`
    is silent if `grad_out` needs no gradient, and the second derivative then lacks a part.
    """
    if not torch.is_grad_enabled():
        return grads
    apply: Any = _Once.apply  # typed in some versions of torch only
    return tuple(g if g is None else apply(g, *sources) for g in grads)


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, grad: Tensor, *sources: Tensor) -> Tensor:
        return grad.clone()

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> Any:
        raise InvalidParameter(
            "LCMAggregation is differentiated twice, and has first derivatives only; take another "
            "aggregator, or do not differentiate its gradient"
        )
