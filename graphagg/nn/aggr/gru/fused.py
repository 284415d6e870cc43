"""`GRUKernel` with the arithmetic of the gates fused by `torch.compile`.

The products stay cuBLAS calls; the arithmetic between them, some thirty passes over memory,
becomes one kernel forward and one backward. Chosen on CUDA. On a CPU the products take most of the
time and the plain kernel works in the cache, so nothing would be gained; there the compiled
functions are run by the tests alone, which hold them to the plain kernel's
results.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from graphagg.nn.aggr.gru.kernel import Gates, GRUKernel


def gates(plus: Tensor, minus: Tensor, n: Tensor, m: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
    """All elementwise work of the forward pass.

    Args:
        plus: `[2, P, d]`, the products of a + b for r and z, with biases.
        minus: `[2, P, d]`, the products of a - b.
        n: `[2, P, d]`, twice the products of the candidate's input, with bias.
        m: `[2, P, d]`, the products of its hidden side, with bias.
        rows: `[3, P, d]`, a, b, a.

    Returns:
        `[P, d]` psi, then r, z and n as in `Gates`.
    """
    r = torch.stack([plus[0] + minus[0], plus[0] - minus[0]]).sigmoid()
    z = torch.stack([plus[1] + minus[1], plus[1] - minus[1]]).sigmoid()
    n = 2.0 * (n + 2.0 * r * m).sigmoid() - 1.0
    h = n + z * (rows[1:] - n)
    return 0.5 * (h[0] + h[1]), r, z, n


def gate_gradients(
    grad_out: Tensor, hidden: Tensor, r: Tensor, z: Tensor, n: Tensor, m: Tensor
) -> tuple[Tensor, ...]:
    """All elementwise work of the backward pass.

    Args:
        grad_out: `[P, d]`, of psi.
        hidden: `[2, P, d]`: b, a.
        r: this and the others as in `Gates`.
        z: the other gate.
        n: the candidate.
        m: its hidden side.

    Returns:
        `[2, P, d]` each: gradients of n's sum, of m, of the hidden side as it passes z by, of
        `plus` and of `minus`.
    """
    half = 0.5 * grad_out
    grad_z = half * (hidden - n) * z * (1.0 - z)
    straight = half * z
    grad_n = (half - straight) * (1.0 - n * n)
    grad_r = grad_n * m * r * (1.0 - r)
    plus = torch.stack([grad_r[0] + grad_r[1], grad_z[0] + grad_z[1]])
    minus = torch.stack([grad_r[0] - grad_r[1], grad_z[0] - grad_z[1]])
    return grad_n, grad_n * r, straight, plus, minus


@cache
def _compiled() -> tuple[Any, Any]:
    # Passes come in all sizes: without dynamic shapes each would be compiled again.
    return torch.compile(gates, dynamic=True), torch.compile(gate_gradients, dynamic=True)


class FusedGRUKernel(GRUKernel):
    """The same results as `GRUKernel`, with fewer passes over memory."""

    def prepare(self, values: Tensor, most: int, keep: bool) -> None:
        """Nothing: the device's allocator keeps freed memory."""

    def forward(self, values: Tensor, left: Tensor, right: Tensor, out: Tensor, at: int) -> Gates:
        """See `Kernel`."""
        a, b = values[left], values[right]
        rows, both = torch.stack([a, b, a]), torch.stack([a + b, a - b])
        plus = torch.baddbmm(
            self._gate_bias.unsqueeze(1), both[:1].expand(2, -1, -1), self._plus.mT
        )
        minus = both[1] @ self._minus.mT
        n = self._input_bias + rows[:2] @ self._double
        m = self._hidden_bias + rows[1:] @ self._hidden.t()
        result, r, z, n = _compiled()[0](plus, minus, n, m, rows)
        out.copy_(result)
        return Gates(rows, both, r, z, n, m)

    def backward(
        self, saved: Gates, grad_out: Tensor, into: Tensor, lr: tuple[Tensor, Tensor]
    ) -> None:
        """See `Kernel`."""
        g = saved
        grad_n, grad_m, straight, plus, minus = _compiled()[1](
            grad_out, g.rows[1:], g.r, g.z, g.n, g.m
        )
        self._grad += torch.cat(
            [
                plus.mT @ g.both[0],
                minus.mT @ g.both[1],
                (grad_n.flatten(0, 1).t() @ g.rows[:2].flatten(0, 1)).unsqueeze(0),
                (grad_m.flatten(0, 1).t() @ g.rows[1:].flatten(0, 1)).unsqueeze(0),
            ]
        )
        sums = [*plus.sum(1), grad_n.sum((0, 1)), grad_m.sum((0, 1))]
        self._bias_grad += torch.stack(sums)
        of_input, of_hidden = grad_n @ self._input, grad_m @ self._hidden + straight
        of_sum = plus[0] @ self._plus[0] + plus[1] @ self._plus[1]
        of_difference = minus[0] @ self._minus[0] + minus[1] @ self._minus[1]
        into.index_copy_(0, lr[0], of_input[0] + of_hidden[1] + of_sum + of_difference)
        into.index_copy_(0, lr[1], of_input[1] + of_hidden[0] + of_sum - of_difference)
