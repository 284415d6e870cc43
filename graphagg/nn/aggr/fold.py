"""The fold of a tree plan with a binary operator, forward and backward, block by block.

For the backward pass only the input, the parameters and the plan are saved; for a small plan also
the gates of the GRU. Backward folds each block again from its elements and walks back through it.
A row of a block is the child of one node, or a root, never more. So each gradient of a row is
written once, and only those of the parameters are summed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from graphagg.errors import InvalidParameter
from graphagg.nn.aggr.gru_kernel import Gates, GRUKernel
from graphagg.nn.aggr.plan import FoldBlock, LCMPlan

# Largest plan whose gates forward saves for backward: a small graph trains a quarter faster.
KEPT_BY_FORWARD = 1 << 12
# Largest block whose gates backward saves from its own forward pass. In a larger block (one long
# segment) the gates of each pass are computed again instead, so that memory is bounded.
_KEPT, _KEPT_ON_CUDA = 1 << 13, 1 << 21


Saved = list[tuple[Tensor, list[Gates]]]
"""The values of each block, and the gates of each pass."""


def fold(
    x: Tensor, plan: LCMPlan, identity: Tensor, kernel: GRUKernel, kept: Saved | None = None
) -> Tensor:
    """Fold `x` `[N, d]`, sorted by segment, to `[segments, d]`.

    Empty segments give `identity` `[d]`. `kept` is an empty list that gets the values and gates for
    `unfold`.
    """
    out = identity.to(x.dtype).repeat(plan.count, 1)
    largest, keep = _largest_pass(plan), kept is not None
    kernel.prepare(x, plan.combines if keep else largest, largest, keep)
    room = x.new_empty(plan.rows + plan.combines if keep else _largest_block(plan), x.size(1))
    for block in plan.blocks:
        saved: list[Gates] | None = None if kept is None else []
        values = _fold_block(x, plan, block, kernel, room, saved, block.nodes[0])
        if kept is not None and saved is not None:
            kept.append((values, saved))
            room = room[len(values) :]
        roots = slice(*block.roots)
        out.index_copy_(0, plan.filled[roots], values[plan.roots[roots]])
    return out


def unfold(
    x: Tensor, plan: LCMPlan, grad_out: Tensor, kernel: GRUKernel, kept: Saved | None = None
) -> Tensor:
    """The gradient of `fold` for `x`; the kernel then holds the gradients of its parameters.

    Consumes what `fold` put into `kept` with this kernel.
    """
    largest = _largest_pass(plan)
    if not kept:
        nodes = max([b.nodes[1] - b.nodes[0] for b in plan.blocks if _is_kept(b, plan)], default=0)
        kernel.prepare(x, max(nodes, largest), largest, keep=True)
    room = x.new_empty(_largest_block(plan), x.size(1))
    grad_room, grad_x = torch.empty_like(room), torch.empty_like(x)
    for block in plan.blocks:
        saved: list[Gates] | None = [] if _is_kept(block, plan) else None
        if kept:
            values, saved = kept.pop(0)
        else:
            values = _fold_block(x, plan, block, kernel, room, saved)
        elements = block.rows[1] - block.rows[0]
        grad = grad_room[: len(values)]
        roots = slice(*block.roots)
        grad.index_copy_(0, plan.roots[roots], grad_out[plan.filled[roots]])
        for step in range(len(block.passes) - 1, -1, -1):
            low, high = block.passes[step]
            pair = _children(plan, block, low, high)
            into = grad[elements + low : elements + high]
            if saved is None:
                result = values[elements + low : elements + high]
                gates = kernel.forward(values, *pair, result, 0)
            else:
                gates = saved[step]
            kernel.backward(gates, into, grad, pair)
        grad_x[block.rows[0] : block.rows[1]] = grad[:elements]
    return grad_x


def _fold_block(
    x: Tensor, plan: LCMPlan, block: FoldBlock, kernel: GRUKernel, room: Tensor,
    saved: list[Gates] | None, before: int = 0,
) -> Tensor:  # fmt: skip
    elements = block.rows[1] - block.rows[0]
    values = room[: elements + block.nodes[1] - block.nodes[0]]
    values[:elements] = x[block.rows[0] : block.rows[1]]
    for low, high in block.passes:
        at = 0 if saved is None else before + low
        pair = _children(plan, block, low, high)
        gates = kernel.forward(values, *pair, values[elements + low : elements + high], at)
        if saved is not None:
            saved.append(gates)
    return values


def _children(plan: LCMPlan, block: FoldBlock, low: int, high: int) -> tuple[Tensor, Tensor]:
    nodes = slice(block.nodes[0] + low, block.nodes[0] + high)
    return plan.left[nodes], plan.right[nodes]


def _is_kept(block: FoldBlock, plan: LCMPlan) -> bool:
    most = _KEPT_ON_CUDA if plan.left.is_cuda else _KEPT
    return block.nodes[1] - block.nodes[0] <= most


def _largest_pass(plan: LCMPlan) -> int:
    return max((high - low for b in plan.blocks for low, high in b.passes), default=0)


def _largest_block(plan: LCMPlan) -> int:
    return max((b.rows[1] - b.rows[0] + b.nodes[1] - b.nodes[0] for b in plan.blocks), default=0)


class ModuleFold(torch.autograd.Function):
    """The fold with any module psi(a, b); the backward pass folds each block again under autograd.

    `params`, by `names`, are the module's parameters that need a gradient, as they were in the
    forward pass.
    """

    @staticmethod
    def forward(
        ctx: Any,
        operator: nn.Module,
        names: Sequence[str],
        plan: LCMPlan,
        x: Tensor,
        identity: Tensor,
        *params: Tensor,
    ) -> Tensor:
        """Fold every segment of `x` `[N, d]`."""
        ctx.save_for_backward(x, *params)
        ctx.operator, ctx.names, ctx.plan = operator, names, plan
        named = dict(zip(names, params, strict=True))
        out = identity.to(x.dtype).repeat(plan.count, 1)
        for block in plan.blocks:
            results = _apply_module(operator, named, plan, block, x[slice(*block.rows)])
            out.index_copy_(0, plan.filled[slice(*block.roots)], results)
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> Any:
        """Gradients of `x`, of the identity and of the parameters."""
        x, *saved = ctx.saved_tensors
        params = [value.detach().requires_grad_() for value in saved]
        named, plan = dict(zip(ctx.names, params, strict=True)), ctx.plan
        sums: list[Tensor | None] = [None] * len(params)
        with torch.no_grad():
            grad_x = torch.zeros_like(x)
            for block in plan.blocks:
                elements = x[slice(*block.rows)].detach().requires_grad_()
                with torch.enable_grad():
                    results = _apply_module(ctx.operator, named, plan, block, elements)
                grads = torch.autograd.grad(
                    results,
                    [elements, *params],
                    grad_out[plan.filled[slice(*block.roots)]],
                    allow_unused=True,
                )
                grad_x[slice(*block.rows)] = grads[0]
                for at, grad in enumerate(grads[1:]):
                    total = sums[at]
                    sums[at] = total if grad is None else grad if total is None else total + grad
            first = (grad_x, identity_gradient(plan, grad_out), *sums)
        return None, None, None, *once(first, grad_out, x, *saved)


def _apply_module(
    operator: nn.Module,
    parameters: Mapping[str, Tensor],
    plan: LCMPlan,
    block: FoldBlock,
    values: Tensor,
) -> Tensor:
    """Fold the elements `[n, d]` of a block to the results of its non-empty segments."""
    for low, high in block.passes:
        left, right = _children(plan, block, low, high)
        a, b = values.index_select(0, left), values.index_select(0, right)
        combined = functional_call(operator, dict(parameters), (a, b))
        if combined.shape != a.shape:
            raise InvalidParameter(
                f"the operator makes {tuple(combined.shape)} of two tensors {tuple(a.shape)}; "
                "wanted a module that gives the shape it takes"
            )
        values = torch.cat([values, combined.to(values.dtype)])
    return values[plan.roots[slice(*block.roots)]]


def once(grads: Sequence[Tensor | None], *sources: Tensor) -> Sequence[Tensor | None]:
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


def identity_gradient(plan: LCMPlan, grad_out: Tensor) -> Tensor:
    """`[d]`: the sum of the gradients of the empty segments."""
    return grad_out[plan.ptr.diff() == 0].sum(0)
