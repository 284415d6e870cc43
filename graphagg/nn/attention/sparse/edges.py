"""Softmax attention over a list of edges, in memory O(N C + E H) instead of O(E C).

Scores and weighted sums gather a row of width C per edge. Both are made a few thousand edges at a
time, so the gathered rows stay in the cache and are never kept: the backward pass gathers again.
The derivative of either operation is the other one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 4096  # edges gathered at a time on a CPU
CHUNK_CUDA = 1 << 20


class _EdgeDot(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, target: Tensor, source: Tensor) -> Tensor:
        ctx.save_for_backward(left, right, target, source)
        out = left.new_empty(target.numel(), left.shape[1])
        for chunk in _chunks(target):
            torch.sum(left[target[chunk]] * right[source[chunk]], -1, out=out[chunk])
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        left, right, target, source = ctx.saved_tensors
        of_left = edge_sum(grads[0], right, target, source, left.shape[0])
        of_right = edge_sum(grads[0], left, source, target, right.shape[0])
        return of_left, of_right, None, None


class _EdgeSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weights: Tensor, values: Tensor, target: Tensor, source: Tensor, count: int
    ) -> Tensor:
        ctx.save_for_backward(weights, values, target, source)
        out = values.new_zeros(count, *values.shape[1:])
        for chunk in _chunks(target):
            out.index_add_(0, target[chunk], weights[chunk].unsqueeze(-1) * values[source[chunk]])
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weights, values, target, source = ctx.saved_tensors
        of_weights = edge_dot(grads[0], values, target, source)
        of_values = edge_sum(weights, grads[0], source, target, values.shape[0])
        return of_weights, of_values, None, None, None


def edge_dot(left: Tensor, right: Tensor, target: Tensor, source: Tensor) -> Tensor:
    """Product of the rows at both ends of each edge.

    Args:
        left: `[N, H, d]`, read at targets.
        right: `[M, H, d]`, read at sources.
        target: `[E]` int64, rows of `left`.
        source: `[E]` int64, rows of `right`.

    Returns:
        `[E, H]`.
    """
    apply: Any = _EdgeDot.apply  # typed in some versions of torch only
    out: Tensor = apply(left, right, target, source)
    return out


def edge_sum(weights: Tensor, values: Tensor, target: Tensor, source: Tensor, count: int) -> Tensor:
    """Weighted sum of the values at the sources of each target's edges.

    Args:
        weights: `[E, H]`.
        values: `[M, H, d]`, read at sources.
        target: `[E]` int64, in `[0, count)`.
        source: `[E]` int64, rows of `values`.
        count: rows of the result.

    Returns:
        `[count, H, d]`; 0 for a target without edges.
    """
    apply: Any = _EdgeSum.apply
    out: Tensor = apply(weights, values, target, source, count)
    return out


def edge_attention(
    scores: Tensor, values: Tensor, target: Tensor, source: Tensor, count: int, dropout: float
) -> Tensor:
    """Values averaged by the softmax of the scores `[E, H]` of each target: `[count, H, d]`."""
    weights = F.dropout(segment_softmax(scores, target, count), dropout)
    return edge_sum(weights, values, target, source, count)


def segment_softmax(scores: Tensor, target: Tensor, count: int) -> Tensor:
    """Softmax of scores `[E, H]` over the rows with the same target, of `count` targets.

    The maximum that keeps the exponential in range is the target's own, and cancels.
    """
    where = target.unsqueeze(-1).expand_as(scores)
    most = scores.new_full((count, scores.shape[1]), -math.inf)
    most = most.scatter_reduce(0, where, scores.detach(), "amax")
    powers = (scores - most[target]).exp()
    total = powers.new_zeros(count, scores.shape[1]).index_add(0, target, powers)
    return powers / total[target]


def _chunks(edges: Tensor) -> Iterator[slice]:
    step = CHUNK_CUDA if edges.is_cuda else CHUNK
    for start in range(0, edges.numel(), step):
        yield slice(start, start + step)
