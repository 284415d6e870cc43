"""Norms over features `[rows, channels]`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from graphagg.kernels import kernel
from graphagg.nn import native
from graphagg.nn.resolver import find


class BatchNorm(torch.nn.BatchNorm1d):
    """`BatchNorm1d` that trains on a batch of one row or none.

    Such a batch has no variance: it is normalized by the running statistics and leaves them as
    they are, where `BatchNorm1d` raises. The edges of a small mini-batch can be that few.
    """

    def forward(self, input: Tensor) -> Tensor:
        """`[rows, channels]` to the same."""
        if self.training and input.size(0) < 2:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        known = self.affine and self.track_running_stats and self.momentum is not None
        if not (self.training and known and native.serves(input, self.weight, self.running_mean)):
            return super().forward(input)
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        running = native.array(self.running_mean), native.array(self.running_var)
        out: Tensor = _Normalize.apply(
            input, self.weight, self.bias, (*running, self.momentum), self.eps
        )
        return out


NORMS: dict[str, Callable[[int], torch.nn.Module]] = {
    "batch": BatchNorm,
    "layer": torch.nn.LayerNorm,
    "none": lambda channels: torch.nn.Identity(),
}


def find_norm(name: str, channels: int) -> torch.nn.Module:
    """The norm over features `[rows, channels]`: one of `NORMS`."""
    return find("norm", name, NORMS)(channels)


class _Normalize(torch.autograd.Function):
    """Batch norm in training, by kernels; changes the running statistics."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, running: Any, eps: float
    ) -> Tensor:
        x = x.contiguous()
        out, stats = torch.empty_like(x), x.new_empty(2, x.size(1))
        both = native.array(weight), native.array(bias)
        normalize(native.array(x), both, running, eps, stats.numpy(), out.numpy())
        ctx.save_for_backward(x, weight, bias, stats)
        ctx.eps = eps
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, stats = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again

            def plain(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
                return F.batch_norm(x, None, None, weight, bias, True, eps=ctx.eps)

            wanted = ctx.needs_input_grad[:3]
            return *native.differentiable(plain, (x, weight, bias), wanted, grad), None, None
        into, sums = torch.empty_like(x), x.new_empty(2, x.size(1))
        arrays = map(native.array, (grad, x, weight))
        denormalize(*arrays, stats.numpy(), sums.numpy(), into.numpy())
        return into, sums[0], sums[1], None, None


_ROWS = 128  # added in float32; their sums are added in float64


@kernel
def normalize(x: Any, affine: Any, running: Any, eps: float, stats: Any, out: Any) -> None:
    """Write `(x - mean) / sqrt(variance + eps) * weight + bias`.

    Args:
        x: `[n, channels]` float32, two rows at least.
        affine: weight and bias, `[channels]`.
        running: running mean and variance, `[channels]`, and by how much they change.
        eps: of the square root.
        stats: `[2, channels]`: gets the mean, and 1 / sqrt(variance + eps).
        out: `[n, channels]`.
    """
    n, channels = x.shape
    weight, bias = affine
    running_mean, running_variance, share = running
    mean, scale = stats[0], stats[1]
    part, total = np.zeros(channels, np.float32), np.zeros(channels)
    for low in range(0, n, _ROWS):
        high = min(low + _ROWS, n)
        fours = low + (high - low) // 4 * 4
        part[:] = 0
        # Four rows at a time: a sum is read and written once for all of them.
        for r in range(low, fours, 4):
            for c in range(channels):
                part[c] += (x[r, c] + x[r + 1, c]) + (x[r + 2, c] + x[r + 3, c])
        for r in range(fours, high):
            for c in range(channels):
                part[c] += x[r, c]
        for c in range(channels):
            total[c] += part[c]
    for c in range(channels):
        mean[c] = total[c] / n
        running_mean[c] += share * (total[c] / n - running_mean[c])
        total[c] = 0
    for low in range(0, n, _ROWS):
        high = min(low + _ROWS, n)
        fours = low + (high - low) // 4 * 4
        part[:] = 0
        for r in range(low, fours, 4):
            for c in range(channels):
                a, b = x[r, c] - mean[c], x[r + 1, c] - mean[c]
                d, e = x[r + 2, c] - mean[c], x[r + 3, c] - mean[c]
                part[c] += (a * a + b * b) + (d * d + e * e)
        for r in range(fours, high):
            for c in range(channels):
                a = x[r, c] - mean[c]
                part[c] += a * a
        for c in range(channels):
            total[c] += part[c]
    for c in range(channels):
        running_variance[c] += share * (total[c] / (n - 1) - running_variance[c])
        scale[c] = 1 / np.sqrt(total[c] / n + eps)
        part[c] = scale[c] * weight[c]
    for r in range(n):
        for c in range(channels):
            out[r, c] = (x[r, c] - mean[c]) * part[c] + bias[c]


@kernel
def denormalize(grad: Any, x: Any, weight: Any, stats: Any, sums: Any, into: Any) -> None:
    """The gradients of `normalize`.

    With y = (x - mean) scale, the gradient of x is
    `weight scale (grad - mean(grad) - y mean(grad y))`.

    Args:
        grad: `[n, channels]`, of the result.
        x: what was normalized.
        weight: `[channels]`.
        stats: what `normalize` wrote.
        sums: `[2, channels]`: gets those of weight and bias.
        into: `[n, channels]`: gets that of x.
    """
    n, channels = x.shape
    mean, scale = stats[0], stats[1]
    part, along = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
    total, total_along = np.zeros(channels), np.zeros(channels)
    for low in range(0, n, _ROWS):
        high = min(low + _ROWS, n)
        fours = low + (high - low) // 4 * 4
        part[:] = 0
        along[:] = 0
        for r in range(low, fours, 4):
            for c in range(channels):
                a, b, d, e = grad[r, c], grad[r + 1, c], grad[r + 2, c], grad[r + 3, c]
                part[c] += (a + b) + (d + e)
                along[c] += (a * (x[r, c] - mean[c]) + b * (x[r + 1, c] - mean[c])) + (
                    d * (x[r + 2, c] - mean[c]) + e * (x[r + 3, c] - mean[c])
                )
        for r in range(fours, high):
            for c in range(channels):
                part[c] += grad[r, c]
                along[c] += grad[r, c] * (x[r, c] - mean[c])
        for c in range(channels):
            total[c] += part[c]
            total_along[c] += along[c]
    for c in range(channels):
        sums[0, c] = total_along[c] * scale[c]
        sums[1, c] = total[c]
        part[c] = total[c] / n
        along[c] = total_along[c] / n * scale[c] * scale[c]
    factor = weight * scale
    for r in range(n):
        for c in range(channels):
            into[r, c] = (grad[r, c] - part[c] - (x[r, c] - mean[c]) * along[c]) * factor[c]
