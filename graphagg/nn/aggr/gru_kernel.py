"""The symmetrized GRU on pairs of rows, with its gradient written out.

With W x for the input and U h for the hidden side, the gates r and z of both orders are

    s(W a + U b) and s(W b + U a)  =  s(P (a + b) +- M (a - b)),  P = (W + U) / 2, M = (W - U) / 2.

The right side has two products of width d, the left side four: 8 d^2 multiplications per combine
with the candidate n, not 12 d^2, and a third less in the backward pass too. The results differ from
`torch.nn.GRUCell` by rounding alone. tanh(v) is computed as 2 s(2 v) - 1, because torch's sigmoid
takes a tenth of the time of its tanh on a CPU.

Rows and gates are stored `[2, P, d]`: first the order (a, b), then (b, a). Both gates of both
orders lie in one tensor, so that a step of the formula is one operation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(slots=True)
class Gates:
    """Results of the forward pass over P nodes for the backward pass."""

    rows: Tensor  # `[3, P, d]`: a, b, a
    both: Tensor  # `[2, P, d]`: a + b and a - b
    gates: Tensor  # `[2, 2, P, d]`: r and z, each in both orders
    n: Tensor  # `[2, P, d]`: the candidate
    m: Tensor  # `[2, P, d]`: U_n h + b_n


class GRUKernel:
    """psi(a, b) on chosen rows of a block's values `[rows, d]`, and its gradient.

    `weight_ih` and `weight_hh` are `[3 d, d]`, the biases `[3 d]`, gates r, z, n as in
    `torch.nn.GRUCell`. `left` and `right` are `[P]` int64.
    """

    def __init__(
        self, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
    ) -> None:
        width = weight_ih.size(1)
        w, u = (x.detach().view(3, width, width) for x in (weight_ih, weight_hh))
        b, c = bias_ih.detach().view(3, -1), bias_hh.detach().view(3, -1)
        self._plus, self._minus = 0.5 * (w[:2] + u[:2]), 0.5 * (w[:2] - u[:2])
        self._gate_bias = (b[:2] + c[:2]).unsqueeze(1)
        self._input, self._hidden = w[2], u[2]
        self._input_bias, self._hidden_bias = 2.0 * b[2], c[2]
        self._double, self._minus_one = 2.0 * w[2].t(), w.new_tensor(-1.0)
        self._width = width
        # Gradients: of plus and minus (r, z), of input and hidden, and of the biases alike.
        self._grad = w.new_zeros(6, self._width, self._width)
        self._bias_grad = w.new_zeros(4, self._width)

    def prepare(self, values: Tensor, nodes: int, largest: int, keep: bool) -> None:
        """Allocate for passes of up to `largest` nodes, and save the gates of `nodes` nodes.

        13 rows per saved node; without `keep` nothing can be given to `backward`.
        """
        self._room = values.new_empty(13, nodes * self._width)
        self._spare = values.new_empty(13 if keep else 4, largest, self._width)

    def _gates(self, at: int, size: int) -> Gates:
        low, high, d = at * self._width, (at + size) * self._width, self._width

        def part(first: int, *count: int) -> Tensor:
            rows = math.prod(count)
            flat = self._room[first : first + rows].view(-1)
            return flat[rows * low : rows * high].view(*count, size, d)

        return Gates(part(0, 3), part(3, 2), part(5, 2, 2), part(9, 2), part(11, 2))

    def _scratch(self, size: int, *counts: int) -> tuple[Tensor, ...]:
        rows = self._spare.view(-1, self._width)[: sum(counts) * size].view(-1, size, self._width)
        pieces: tuple[Tensor, ...] = torch.split_with_sizes(rows, list(counts))
        return pieces

    def forward(self, values: Tensor, left: Tensor, right: Tensor, out: Tensor, at: int) -> Gates:
        """Write psi into `out` `[P, d]`; `at` is the number of nodes saved before."""
        size, flat = len(left), (-1, self._width)
        g = self._gates(at, size)
        plus, minus = self._scratch(size, 2, 2)
        torch.index_select(values, 0, torch.cat([left, right, left]), out=g.rows.view(flat))
        torch.add(g.rows[0], g.rows[1], out=g.both[0])
        torch.sub(g.rows[0], g.rows[1], out=g.both[1])
        sums, differences = g.both.unsqueeze(1).expand(2, 2, size, self._width)
        torch.baddbmm(self._gate_bias, sums, self._plus.transpose(1, 2), out=plus)
        torch.bmm(differences, self._minus.transpose(1, 2), out=minus)
        torch.add(plus, minus, out=g.gates[:, 0])
        torch.sub(plus, minus, out=g.gates[:, 1])
        r, z = g.gates.sigmoid_()
        inputs, hidden = g.rows[:2].view(flat), g.rows[1:].view(flat)
        torch.addmm(self._input_bias, inputs, self._double, out=g.n.view(flat))
        torch.addmm(self._hidden_bias, hidden, self._hidden.t(), out=g.m.view(flat))
        g.n.addcmul_(r, g.m, value=2.0).sigmoid_()
        torch.add(self._minus_one, g.n, alpha=2.0, out=g.n)
        torch.lerp(g.n, g.rows[1:], z, out=plus)
        torch.add(plus[0], plus[1], out=out).mul_(0.5)
        return g

    def backward(
        self, saved: Gates, grad_out: Tensor, into: Tensor, lr: tuple[Tensor, Tensor]
    ) -> None:
        """Write the children's gradients into rows `lr` of `into`; add those of the weights."""
        g, (r, z), hidden = saved, saved.gates, saved.rows[1:]
        half, of_gates, grad_n, plus, minus, grad_x = self._scratch(len(grad_out), 1, 4, 2, 2, 2, 2)
        grad_r, grad_z = of_gates[:2], of_gates[2:]
        torch.mul(grad_out, 0.5, out=half[0])
        # h = n + z (hidden - n)
        torch.sub(hidden, g.n, out=grad_z)
        grad_z.mul_(half).mul_(torch.addcmul(z, z, z, value=-1.0, out=plus))
        z.mul_(half)  # now the gradient that goes straight to the hidden side
        torch.sub(half, z, out=grad_n)
        grad_n.addcmul_(grad_n, torch.mul(g.n, g.n, out=plus), value=-1.0)
        torch.mul(g.m, grad_n, out=grad_r).mul_(torch.addcmul(r, r, r, value=-1.0, out=plus))
        r.mul_(grad_n)  # now the gradient of m
        torch.add(of_gates[::2], of_gates[1::2], out=plus)
        torch.sub(of_gates[::2], of_gates[1::2], out=minus)
        self._sum_weights(g, grad_n, plus, minus)
        self._to_children(g, grad_n, plus, minus, of_gates[:2], grad_x)
        into.index_copy_(0, torch.cat(lr), grad_x.view(-1, self._width))

    def _sum_weights(self, g: Gates, grad_n: Tensor, plus: Tensor, minus: Tensor) -> None:
        sums, differences = g.both.unsqueeze(1).expand(2, *plus.shape)
        self._grad[:2].baddbmm_(plus.transpose(1, 2), sums)
        self._grad[2:4].baddbmm_(minus.transpose(1, 2), differences)
        self._bias_grad[:2] += plus.sum(1)
        for at, grad, rows in ((4, grad_n, g.rows[:2]), (5, g.gates[0], g.rows[1:])):
            self._grad[at].addmm_(grad.flatten(0, 1).t(), rows.flatten(0, 1))
            self._bias_grad[at - 2] += grad.sum((0, 1))

    def _to_children(
        self, g: Gates, grad_n: Tensor, plus: Tensor, minus: Tensor, spare: Tensor, grad_x: Tensor
    ) -> None:
        grad_m, to_hidden = g.gates
        torch.mm(grad_n.flatten(0, 1), self._input, out=grad_x.view(-1, self._width))
        to_hidden.flatten(0, 1).addmm_(grad_m.flatten(0, 1), self._hidden)
        grad_x.add_(to_hidden.flip(0))
        for grad, weights, total in (
            (plus, self._plus, spare[0]), (minus, self._minus, spare[1])
        ):  # fmt: skip
            torch.mm(grad[0], weights[0], out=total).addmm_(grad[1], weights[1])
        grad_x.add_(spare[0])
        grad_x[0].add_(spare[1])
        grad_x[1].sub_(spare[1])

    def gradients(self) -> Sequence[Tensor]:
        """Gradients of `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`."""
        plus, minus = self._grad[:2], self._grad[2:4]
        candidate, bias = self._grad[4:], self._bias_grad[2:]
        weights = (0.5 * (plus + minus), 0.5 * (plus - minus))
        return (
            *(torch.cat([w.flatten(0, 1), candidate[i]]) for i, w in enumerate(weights)),
            *(torch.cat([self._bias_grad[:2].view(-1), bias[i]]) for i in (0, 1)),
        )
