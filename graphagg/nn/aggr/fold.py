"""The fold of a tree plan with a binary operator, forward and backward, block by block.

Only the input, the parameters and the plan are kept for the backward pass, and of a small plan what
the operator computed. Backward folds each block again from its elements, and walks back through it
at once. A row of a block is the child of
one node or a root, never more, so gradients are written once and only the parameters' are
summed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from graphagg.errors import InvalidParameter
from graphagg.nn.aggr.plan import FoldBlock, LCMPlan


class FoldKernel(Protocol):
    """An operator that can be applied to chosen rows, and differentiated there.

    `values` is `[rows, d]`, the rows of a block; `left` and `right` are `[P]` int64.
    """

    def prepare(self, values: Tensor, nodes: int, largest: int, keep: bool) -> None:
        """Allocate for passes of at most `largest` nodes, and to keep what `nodes` nodes gave.

        Where `keep` is not set, nothing is given to `backward`.
        """

    def forward(self, values: Tensor, left: Tensor, right: Tensor, out: Tensor, at: int) -> Any:
        """Write psi into `out` `[P, d]`; what it returns is given back to `backward`.

        `at` is the number of nodes of this block that are kept already.
        """

    def backward(
        self, saved: Any, grad_out: Tensor, into: Tensor, lr: tuple[Tensor, Tensor]
    ) -> None:
        """Write the gradients of both children into rows `lr` of `into`; add the parameters'."""


# Nodes of a plan whose gates forward keeps for backward: a small graph trains a quarter faster.
KEPT_BY_FORWARD = 1 << 12
# Nodes of a block whose gates backward keeps from its own forward pass. In a larger block (a
# segment with more elements) the gates are computed once more instead, so that memory is bounded.
_KEPT, _KEPT_ON_CUDA = 1 << 13, 1 << 21


Kept = list[tuple[Tensor, list[Any]]]
"""The values of each block, and what the kernel gave for each pass."""


def fold(
    x: Tensor, plan: LCMPlan, identity: Tensor, kernel: FoldKernel, kept: Kept | None = None
) -> Tensor:
    """Fold every segment.

    Args:
        x: `[N, d]`, sorted by segment.
        plan: the tree of every segment.
        identity: `[d]`, the result of an empty segment.
        kernel: the operator.
        kept: an empty list, which gets what `unfold` would compute again.

    Returns:
        `[segments, d]`.
    """
    out = identity.to(x.dtype).repeat(plan.count, 1)
    largest, keep = _largest_pass(plan), kept is not None
    kernel.prepare(x, plan.combines if keep else largest, largest, keep)
    room = x.new_empty(plan.rows + plan.combines if keep else _largest_block(plan), x.size(1))
    for block in plan.blocks:
        saved: list[Any] | None = None if kept is None else []
        values = _fold_block(x, plan, block, kernel, room, saved, block.nodes[0])
        if kept is not None and saved is not None:
            kept.append((values, saved))
            room = room[len(values) :]
        roots = slice(*block.roots)
        out.index_copy_(0, plan.filled[roots], values[plan.roots[roots]])
    return out


def unfold(
    x: Tensor, plan: LCMPlan, grad_out: Tensor, kernel: FoldKernel, kept: Kept | None = None
) -> Tensor:
    """The gradient of `fold` for `x`; the kernel then holds the gradients of its parameters.

    What `fold` put into `kept`, with this kernel, is used up.
    """
    largest = _largest_pass(plan)
    if not kept:
        nodes = max([b.nodes[1] - b.nodes[0] for b in plan.blocks if _is_kept(b, plan)], default=0)
        kernel.prepare(x, max(nodes, largest), largest, keep=True)
    room = x.new_empty(_largest_block(plan), x.size(1))
    grad_room, grad_x = torch.empty_like(room), torch.empty_like(x)
    for block in plan.blocks:
        saved: list[Any] | None = [] if _is_kept(block, plan) else None
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
    x: Tensor, plan: LCMPlan, block: FoldBlock, kernel: FoldKernel, room: Tensor,
    saved: list[Any] | None, before: int = 0,
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


class ModuleKernel:
    """Any module psi(a, b): recomputed under autograd in the backward pass.

    Args:
        operator: the module.
        parameters: its parameters that need a gradient, by name, as they were in the forward pass.
    """

    def __init__(self, operator: nn.Module, parameters: Mapping[str, Tensor]) -> None:
        self._operator = operator
        self._parameters = {
            name: value.detach().requires_grad_() for name, value in parameters.items()
        }
        self._sums: list[Tensor | None] = [None] * len(parameters)

    def prepare(self, values: Tensor, nodes: int, largest: int, keep: bool) -> None:
        """Nothing: what autograd keeps lives no longer than a block."""
        self._keep = keep

    def forward(self, values: Tensor, left: Tensor, right: Tensor, out: Tensor, at: int) -> Any:
        """See `FoldKernel`."""
        a, b = values[left], values[right]
        with torch.set_grad_enabled(self._keep):
            a.requires_grad_(self._keep)
            b.requires_grad_(self._keep)
            result = functional_call(self._operator, self._parameters, (a, b))
        if result.shape != a.shape:
            raise InvalidParameter(
                f"the operator makes {tuple(result.shape)} of two tensors {tuple(a.shape)}; wanted "
                "a module that gives the shape it takes"
            )
        out.copy_(result.detach())
        return a, b, result

    def backward(
        self, saved: Any, grad_out: Tensor, into: Tensor, lr: tuple[Tensor, Tensor]
    ) -> None:
        """See `FoldKernel`."""
        a, b, result = saved
        inputs = [a, b, *self._parameters.values()]
        grads = torch.autograd.grad(result, inputs, grad_out, allow_unused=True)
        for rows, grad, like in zip(lr, grads[:2], (a, b), strict=True):
            into.index_copy_(0, rows, torch.zeros_like(like) if grad is None else grad)
        for position, grad in enumerate(grads[2:]):
            total = self._sums[position]
            if grad is not None:
                self._sums[position] = grad.clone() if total is None else total.add_(grad)

    def gradients(self) -> Sequence[Tensor | None]:
        """See `FoldKernel`."""
        return self._sums


class ModuleFold(torch.autograd.Function):
    """`fold` with a module, as one function that is differentiable once."""

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
        """`params`, by `names`, are the module's parameters that need a gradient."""
        ctx.save_for_backward(x, *params)
        ctx.operator, ctx.names, ctx.plan = operator, names, plan
        named = dict(zip(names, params, strict=True))
        return fold(x, plan, identity, ModuleKernel(operator, named))

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> Any:
        """Gradients of `x`, of the identity and of the parameters."""
        saved = ctx.saved_tensors
        named = dict(zip(ctx.names, saved[1:], strict=True))
        with torch.no_grad():
            kernel = ModuleKernel(ctx.operator, named)
            grad_x = unfold(saved[0], ctx.plan, grad_out, kernel)
            grads = (grad_x, identity_gradient(ctx.plan, grad_out), *kernel.gradients())
        return None, None, None, *once(grads, grad_out, *saved)


def once(grads: Sequence[Tensor | None], *sources: Tensor) -> Sequence[Tensor | None]:
    """Gradients that raise an error where they are differentiated again.

    They depend on the sources in ways that autograd did not record.

    `torch.autograd.function.once_differentiable` is silent where the gradient that came in wants
    none itself, and the second derivative then lacks a part.
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
    """`[d]`: the gradients of the empty segments, summed."""
    empty = plan.ptr.diff() == 0
    return grad_out[empty].sum(0)
