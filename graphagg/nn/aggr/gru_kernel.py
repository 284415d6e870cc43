"""The symmetrized GRU on pairs of rows, with its gradient written out.

With W x for the input and U h for the hidden side, gates r and z of both orders are

    s(W a + U b) and s(W b + U a)  =  s(P (a + b) +- M (a - b)),  P = (W + U) / 2, M = (W - U) / 2,

two products of width d where the left side has four: 8 d^2 multiplications a combine
with the candidate n, not 12 d^2, and a third less in the backward pass too. The results differ from
`torch.nn.GRUCell` by rounding alone. tanh(v) is taken as 2 s(2 v) - 1, because torch's
sigmoid takes a tenth of the time of its tanh on a CPU.

Rows and gates are stored `[2, P, d]`: first the order (a, b), then (b, a).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graphagg.nn.compat import sigmoid_backward_, tanh_backward_


@dataclass(slots=True)
class Gates:
    """Results of the forward pass over P nodes that the backward pass reads.

    Attributes:
        rows: `[3, P, d]`: a, b, a.
        both: `[2, P, d]`: a + b and a - b.
        r, z, n, m: `[2, P, d]`: both gates, the candidate, and U_n h + b_n.
    """

    rows: Tensor
    both: Tensor
    r: Tensor
    z: Tensor
    n: Tensor
    m: Tensor


class GRUKernel:
    """See `graphagg.nn.aggr.fold.Kernel`.

    Args:
        weight_ih, weight_hh: `[3 d, d]`, gates r, z, n, as in `torch.nn.GRUCell`.
        bias_ih, bias_hh: `[3 d]`.
    """

    def __init__(
        self, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
    ) -> None:
        width = weight_ih.size(1)
        w, u = (x.detach().view(3, width, width) for x in (weight_ih, weight_hh))
        b, c = bias_ih.detach().view(3, -1), bias_hh.detach().view(3, -1)
        self._plus, self._minus = 0.5 * (w[:2] + u[:2]), 0.5 * (w[:2] - u[:2])
        self._gate_bias = b[:2] + c[:2]
        self._input, self._hidden = w[2], u[2]
        self._input_bias, self._hidden_bias = 2.0 * b[2], c[2]
        self._double = 2.0 * w[2].t()
        self._width = width
        # Gradients: of plus and minus (r, z), of input and hidden, and of the biases alike.
        self._grad = w.new_zeros(6, self._width, self._width)
        self._bias_grad = w.new_zeros(4, self._width)

    def prepare(self, values: Tensor, most: int, keep: bool) -> None:
        """Make the room that all passes share: 13 rows per node, and 7 for gradients."""
        self._room = values.new_empty(13, most * self._width)
        self._spare = values.new_empty(7 if keep else 1, most * self._width)

    def _gates(self, at: int, size: int) -> Gates:
        low, high, d = at * self._width, (at + size) * self._width, self._width

        def part(first: int, count: int) -> Tensor:
            flat = self._room[first : first + count].view(-1)
            return flat[count * low : count * high].view(count, size, d)

        return Gates(*(part(f, c) for f, c in ((0, 3), (3, 2), (5, 2), (7, 2), (9, 2), (11, 2))))

    def _scratch(self, count: int, size: int) -> Tensor:
        return self._spare.view(-1)[: count * size * self._width].view(count, size, self._width)

    def forward(self, values: Tensor, left: Tensor, right: Tensor, out: Tensor, at: int) -> Gates:
        """See `Kernel`."""
        size = len(left)
        g = self._gates(at, size)
        (spare,) = self._scratch(1, size)
        torch.index_select(values, 0, left, out=g.rows[0])
        torch.index_select(values, 0, right, out=g.rows[1])
        g.rows[2] = g.rows[0]
        torch.add(g.rows[0], g.rows[1], out=g.both[0])
        torch.sub(g.rows[0], g.rows[1], out=g.both[1])
        for row, gate in enumerate((g.r, g.z)):
            torch.addmm(self._gate_bias[row], g.both[0], self._plus[row].t(), out=gate[1])
            torch.mm(g.both[1], self._minus[row].t(), out=spare)
            torch.add(gate[1], spare, out=gate[0])
            gate[1].sub_(spare)
            gate.sigmoid_()
        flat = (-1, self._width)
        inputs, hidden = g.rows[:2].view(flat), g.rows[1:].view(flat)
        torch.addmm(self._input_bias, inputs, self._double, out=g.n.view(flat))
        torch.addmm(self._hidden_bias, hidden, self._hidden.t(), out=g.m.view(flat))
        g.n.addcmul_(g.r, g.m, value=2.0).sigmoid_()
        g.n.mul_(2.0).sub_(1.0)
        torch.lerp(g.n[0], g.rows[1], g.z[0], out=out)
        torch.lerp(g.n[1], g.rows[0], g.z[1], out=spare)
        out.add_(spare).mul_(0.5)
        return g

    def backward(
        self, saved: Gates, grad_out: Tensor, into: Tensor, lr: tuple[Tensor, Tensor]
    ) -> None:
        """See `Kernel`."""
        g, size = saved, len(grad_out)
        spare = self._scratch(7, size)
        half, grad_z, grad_n, grad_x = spare[0], spare[1:3], spare[3:5], spare[5:7]
        torch.mul(grad_out, 0.5, out=half)
        hidden = g.rows[1:]
        # h = n + z (hidden - n)
        torch.sub(hidden, g.n, out=grad_z)
        grad_z.mul_(half)
        sigmoid_backward_(grad_z, g.z, grad_z)
        g.z.mul_(half)  # now the gradient that goes straight to the hidden side
        torch.sub(half, g.z, out=grad_n)
        tanh_backward_(grad_n, g.n, grad_n)
        g.m.mul_(grad_n)
        sigmoid_backward_(g.m, g.r, g.m)  # of r's sum
        g.r.mul_(grad_n)  # of m
        self._sum_weights(g, grad_n, g.r)
        self._to_children(g, grad_n, grad_z, half, grad_x)
        into.index_copy_(0, lr[0], grad_x[0])
        into.index_copy_(0, lr[1], grad_x[1])

    def _sum_weights(self, g: Gates, grad_n: Tensor, grad_m: Tensor) -> None:
        flat = (-1, self._width)
        for side, (grad, rows) in enumerate(((grad_n, g.rows[:2]), (grad_m, g.rows[1:]))):
            grad = grad.view(flat)
            self._grad[4 + side].addmm_(grad.t(), rows.view(flat))
            self._bias_grad[2 + side] += grad.sum(0)

    def _to_children(
        self, g: Gates, grad_n: Tensor, grad_z: Tensor, spare: Tensor, grad_x: Tensor
    ) -> None:
        flat = (-1, self._width)
        torch.mm(grad_n.view(flat), self._input, out=grad_x.view(flat))
        for order in (0, 1):
            grad_x[1 - order].addmm_(g.r[order], self._hidden)
            grad_x[1 - order].add_(g.z[order])
        plus, minus = grad_n[0], grad_n[1]
        for row, grad in enumerate((g.m, grad_z)):
            torch.add(grad[0], grad[1], out=spare)
            grad[0].sub_(grad[1])
            self._grad[row].addmm_(spare.t(), g.both[0])
            self._grad[2 + row].addmm_(grad[0].t(), g.both[1])
            self._bias_grad[row] += spare.sum(0)
            beta = 0 if row == 0 else 1
            plus.addmm_(spare, self._plus[row], beta=beta)
            minus.addmm_(grad[0], self._minus[row], beta=beta)
        grad_x[0].add_(plus).add_(minus)
        grad_x[1].add_(plus).sub_(minus)

    def gradients(self) -> Sequence[Tensor]:
        """Gradients of `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`."""
        plus, minus = self._grad[:2], self._grad[2:4]
        candidate, bias = self._grad[4:], self._bias_grad[2:]
        weights = (0.5 * (plus + minus), 0.5 * (plus - minus))
        return (
            *(torch.cat([w.flatten(0, 1), candidate[i]]) for i, w in enumerate(weights)),
            *(torch.cat([self._bias_grad[:2].view(-1), bias[i]]) for i in (0, 1)),
        )
