"""The fold with the symmetrized GRU, as an autograd function and as PyTorch operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from graphagg.nn.aggr.cache import cached_ptr_plan
from graphagg.nn.aggr.fold import KEPT_BY_FORWARD, fold, identity_gradient, once, unfold
from graphagg.nn.aggr.gru_kernel import GRUKernel
from graphagg.nn.aggr.plan import LCMPlan


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
            grads = (grad_x, identity_gradient(ctx.plan, grad_out), *kernel.gradients())
            ctx.kernel = None
        return None, None, *once(grads, grad_out, x, *weights)


@torch.library.custom_op("graphagg::lcm_gru", mutates_args=())
def lcm_gru(x: Tensor, ptr: Tensor, identity: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """`GRUFold` as one operator for torch.compile and torch.export."""
    return fold(x, cached_ptr_plan(ptr, len(x)), identity, GRUKernel(*weights))


@lcm_gru.register_fake
def _(x: Tensor, ptr: Tensor, identity: Tensor, weights: Sequence[Tensor]) -> Tensor:
    return x.new_empty(ptr.size(0) - 1, x.size(1))


@torch.library.custom_op("graphagg::lcm_gru_backward", mutates_args=())
def _lcm_gru_backward(
    grad_out: Tensor, x: Tensor, ptr: Tensor, weights: Sequence[Tensor]
) -> list[Tensor]:
    plan = cached_ptr_plan(ptr, len(x))
    kernel = GRUKernel(*weights)
    grad_x = unfold(x, plan, grad_out, kernel)
    return [grad_x, identity_gradient(plan, grad_out), *kernel.gradients()]


@_lcm_gru_backward.register_fake
def _(grad_out: Tensor, x: Tensor, ptr: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    return [torch.empty_like(x), x.new_empty(x.size(1)), *map(torch.empty_like, weights)]


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, ptr, _, weights = inputs
    ctx.save_for_backward(x, ptr, *weights)


def _differentiate(ctx: Any, grad_out: Tensor) -> Any:
    x, ptr, *weights = ctx.saved_tensors
    grad_x, grad_identity, *grads = _lcm_gru_backward(grad_out, x, ptr, weights)
    return grad_x, None, grad_identity, grads


lcm_gru.register_autograd(_differentiate, setup_context=_save)
