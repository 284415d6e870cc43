"""Fold a tree plan with a binary operator, forward and backward, block by block.

`GateFold` uses compiled functions and works in place. The rows of a block are its elements, then
its nodes. Forward writes the value of each node. Backward replaces each value with its gradient;
this works because a row is either a root or the child of exactly one node. Only the input, the
parameters and the plan are saved, plus rows and gates for a small plan. Else backward refolds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphagg.errors import InvalidParameter
from graphagg.nn.aggr import gate_kernel
from graphagg.nn.aggr.plan import FoldBlock, LCMPlan

# Maximum number of combines for which forward saves rows and gates for backward.
KEPT_BY_FORWARD = 1 << 12

GateWeights = tuple[Tensor, Tensor, Tensor, Tensor]
"""Weight and bias of the gate, weight and bias of the candidate."""


@dataclass(slots=True)
class _Buffers:
    """Work arrays for folding one block with P nodes."""

    values: Tensor  # `[elements + P, d]`
    total: Tensor  # `[P, d]`, like the next three
    apart: Tensor
    z: Tensor
    s: Tensor
    grad_total: Tensor  # `[nodes of the largest pass, d]`, like the next
    grad_apart: Tensor

    @property
    def nodes(self) -> list[Tensor]:
        """Arrays with one row per node, in the argument order of `gate_kernel`."""
        return [self.total, self.apart, self.z, self.s]


def _allocate(plan: LCMPlan, x: Tensor) -> list[_Buffers]:
    """Allocate work arrays for each block; the blocks of a large plan share one buffer."""
    small, sizes = _is_small(plan), [_sizes(block) for block in plan.blocks]
    shared = x.new_empty((0 if small else max(map(sum, sizes)), x.size(1)))
    buffers = []
    for parts in sizes:
        memory = x.new_empty((sum(parts), x.size(1))) if small else shared[: sum(parts)]
        buffers.append(_Buffers(*torch.split_with_sizes(memory, parts)))
    return buffers


def _sizes(block: FoldBlock) -> list[int]:
    """Return the number of rows of each work array of a block."""
    nodes = len(block.left)
    largest = max((high - low for low, high in block.passes), default=0)
    return [block.elements + nodes, *[nodes] * 4, *[largest] * 2]


def _is_small(plan: LCMPlan) -> bool:
    return plan.combines <= KEPT_BY_FORWARD


def _fold_block(
    x: Tensor, order: Tensor | None, block: FoldBlock, work: _Buffers, weights: GateWeights
) -> None:
    rows, elements = slice(*block.rows), work.values[: block.elements]
    if order is None:
        elements.copy_(x[rows])
    else:
        torch.index_select(x, 0, order[rows], out=elements)
    values, left, right = (x.numpy() for x in (work.values, block.left, block.right))
    of_gate, gate_bias, of_n, n_bias = weights
    for low, high in block.passes:
        total, apart, z, s = (part[low:high] for part in work.nodes)
        gate_kernel.join(values, left[low:high], right[low:high], total.numpy(), apart.numpy())
        torch.addmm(gate_bias, apart, of_gate.t(), out=z).sigmoid_()
        torch.addmm(n_bias, total, of_n.t(), out=s).sigmoid_()
        out = values[block.elements + low : block.elements + high]
        gate_kernel.mix(total.numpy(), apart.numpy(), z.numpy(), s.numpy(), out)


def _unfold_block(block: FoldBlock, work: _Buffers, grad_out: Tensor, weights: GateWeights) -> None:
    """Overwrite `values`, `z` and `s` with gradients; `grad_out` has a row per segment."""
    work.values.index_copy_(0, block.roots, grad_out[block.filled])
    values, left, right = (x.numpy() for x in (work.values, block.left, block.right))
    for low, high in reversed(block.passes):
        grad = values[block.elements + low : block.elements + high]
        total, apart, z, s = (part[low:high] for part in work.nodes)
        gate_kernel.unmix(total.numpy(), apart.numpy(), z.numpy(), s.numpy(), grad)
        of_total, of_apart = work.grad_total[: high - low], work.grad_apart[: high - low]
        torch.mm(s, weights[2], out=of_total)
        torch.mm(z, weights[0], out=of_apart)
        gate_kernel.part(
            grad, of_total.numpy(), of_apart.numpy(), left[low:high], right[low:high], values
        )


class GateFold(torch.autograd.Function):
    """Folds `x` `[N, d]` with `SymmetricGate` to `[segments, d]`; differentiable once."""

    @staticmethod
    def forward(
        ctx: Any, plan: LCMPlan, keep: bool, order: Tensor | None, x: Tensor, identity: Tensor,
        *weights: Tensor,
    ) -> Tensor:  # fmt: skip
        """Fold `x`; `order` sorts the rows by segment; `keep` is set if backward may follow."""
        ctx.save_for_backward(x, *weights)
        out = identity.to(x.dtype).repeat(plan.count, 1)
        buffers, doubled = _allocate(plan, x), _doubled(weights)
        for block, work in zip(plan.blocks, buffers, strict=True):
            _fold_block(x, order, block, work, doubled)
            out.index_copy_(0, block.filled, work.values[block.roots])
        ctx.plan, ctx.order, ctx.kept = plan, order, buffers if keep and _is_small(plan) else None
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> Any:
        """Return the gradients of `x`, of the identity and of the four weights."""
        x, *weights = ctx.saved_tensors
        plan, order, saved, ctx.kept = ctx.plan, ctx.order, ctx.kept, None
        with torch.no_grad():
            doubled, buffers = _doubled(weights), saved or _allocate(plan, x)
            grads, grad_x = [torch.zeros_like(each) for each in weights], torch.empty_like(x)
            for block, work in zip(plan.blocks, buffers, strict=True):
                if not saved:
                    _fold_block(x, order, block, work, doubled)
                _unfold_block(block, work, grad_out, doubled)
                grads[0].addmm_(work.z.t(), work.apart)
                grads[1] += work.z.sum(0)
                grads[2].addmm_(work.s.t(), work.total)
                grads[3] += work.s.sum(0)
                rows = torch.arange(*block.rows) if order is None else order[slice(*block.rows)]
                grad_x.index_copy_(0, rows, work.values[: block.elements])
            # The identity is the result of the empty segments.
            grad_identity = grad_out[plan.ptr.diff() == 0].sum(0)
            all_grads = grad_x, grad_identity, *_doubled(grads)
        return None, None, None, *_once(all_grads, grad_out, x, *weights)


def _doubled(weights: Sequence[Tensor]) -> GateWeights:
    """Double the weights of the candidate n, since tanh(n) = 2 sigmoid(2 n) - 1."""
    of_gate, gate_bias, of_n, n_bias = (each.detach() for each in weights)
    return of_gate, gate_bias, 2 * of_n, 2 * n_bias


def fold_module(x: Tensor, plan: LCMPlan, identity: Tensor, operator: nn.Module) -> Tensor:
    """Fold with any module psi(a, b); PyTorch computes the gradient.

    For a large plan, the backward pass recomputes each block.
    """
    results, small = [x[:0]], _is_small(plan) or not torch.is_grad_enabled()
    # With slices, each would allocate a gradient as large as x; the split parts share one.
    parts = torch.split_with_sizes(x, [block.elements for block in plan.blocks])
    for rows, block in zip(parts, plan.blocks, strict=True):
        if small:
            results.append(_roots(rows, block, operator))
        else:
            results.append(checkpoint(_roots, rows, block, operator, use_reentrant=False))
    filled = torch.cat([plan.ptr[:0], *(block.filled for block in plan.blocks)])
    empty = identity.to(x.dtype).repeat(plan.count, 1)
    return empty.index_copy(0, filled, torch.cat(results))


def _roots(values: Tensor, block: FoldBlock, operator: nn.Module) -> Tensor:
    """Fold the elements of a block; return one row per non-empty segment."""
    for low, high in block.passes:
        a, b = values.index_select(0, torch.cat(block.children(low, high))).chunk(2)
        combined = operator(a, b)
        if combined.shape != a.shape:
            raise InvalidParameter(
                f"the operator returns {tuple(combined.shape)} for two tensors {tuple(a.shape)}; "
                "expected the same shape"
            )
        values = torch.cat([values, combined.to(values.dtype)])
    return values.index_select(0, block.roots)


def _once(grads: Sequence[Tensor | None], *sources: Tensor) -> Sequence[Tensor | None]:
    """Wrap gradients so that differentiating them again raises an error.

    Autograd did not record how the gradients depend on the sources. PyTorch's `once_differentiable`
    raises no error if `grad_out` needs no gradient; the second derivative is then incomplete.
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
            "LCMAggregation has no second derivatives; use another aggregator, or do not "
            "differentiate its gradient"
        )
