"""The binary operator psi(a, b) of `LCMAggregation`, commutative by construction.

Any module that maps two tensors `[P, d]` to one can replace it. Its commutativity is not checked
(`commutativity` in `graphagg.nn.aggr.losses` measures it).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from graphagg.errors import InvalidParameter
from graphagg.nn.resolver import find


class SymmetricGRU(nn.GRUCell):
    """psi(a, b) = (GRU(a, b) + GRU(b, a)) / 2, the Binary-GRU of arXiv 2212.08541, section 3.

    It has the parameters of `torch.nn.GRUCell`, and can load the state of one.

    Args:
        channels: width d.

    Examples:
        >>> import torch
        >>> from graphagg.nn.aggr import SymmetricGRU
        >>> psi, (a, b) = SymmetricGRU(4), torch.randn(2, 3, 4)
        >>> torch.allclose(psi(a, b), psi(b, a), atol=1e-6)
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, a: Tensor, b: Tensor | None = None) -> Tensor:
        """Combine the rows of two tensors `[P, d]`; return `[P, d]`.

        With W x for the input and U h for the hidden side, the gates of both orders are sigmoids of

            W a + U b and W b + U a  =  P (a + b) +- M (a - b),  P = (W + U) / 2, M = (W - U) / 2,

        so 8 d^2 multiplications replace 12 d^2.
        """
        b = torch.zeros_like(a) if b is None else b
        (w, w_n), (u, u_n) = (_gates_and_n(x) for x in (self.weight_ih, self.weight_hh))
        (c, c_n), (e, e_n) = (_gates_and_n(x) for x in (self.bias_ih, self.bias_hh))
        total, apart = linear(a + b, 0.5 * (w + u), c + e), linear(a - b, 0.5 * (w - u))
        r, z = torch.cat([total + apart, total - apart]).sigmoid().chunk(2, dim=1)
        hidden = torch.cat([b, a])
        n = linear(torch.cat([a, b]), w_n, c_n) + r * linear(hidden, u_n, e_n)
        one, other = torch.lerp(_tanh(n), hidden, z).chunk(2)
        return 0.5 * (one + other)


class SymmetricGate(nn.Module):
    """psi(a, b) = (1 - z) max(a, b) + z n, with gate z of |a - b| and candidate n of a + b.

    z is the sigmoid and n the tanh of a linear map: a quarter of the products of `SymmetricGRU`.
    With z = 0 it is the maximum, a monoid.

    Args:
        channels: width d.

    Examples:
        >>> import torch
        >>> from graphagg.nn.aggr import SymmetricGate
        >>> psi, (a, b) = SymmetricGate(4), torch.randn(2, 3, 4)
        >>> torch.equal(psi(a, b), psi(b, a))
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate, self.candidate = nn.Linear(channels, channels), nn.Linear(channels, channels)

    def forward(self, a: Tensor, b: Tensor | None = None) -> Tensor:
        """Combine the rows of two tensors `[P, d]`; return `[P, d]`."""
        b = torch.zeros_like(a) if b is None else b
        total, apart = a + b, (a - b).abs()
        largest = 0.5 * (total + apart)  # its gradient is cheaper than that of torch.maximum
        return torch.lerp(largest, _tanh(self.candidate(total)), self.gate(apart).sigmoid())


def _gates_and_n(stacked: Tensor) -> tuple[Tensor, Tensor]:
    """Split a parameter of `torch.nn.GRUCell`: gates r and z, and the candidate n."""
    last = len(stacked) // 3
    return stacked[:-last], stacked[-last:]


def _tanh(x: Tensor) -> Tensor:
    """Compute tanh with the sigmoid, in a tenth of the time of PyTorch's tanh on a CPU."""
    return 2 * (2 * x).sigmoid() - 1


_OPERATORS: dict[str, type[nn.Module]] = {"gate": SymmetricGate, "gru": SymmetricGRU}


def is_gate(operator: nn.Module, x: Tensor) -> bool:
    """Return whether `GateFold` can fold rows `x` with this operator."""
    own = isinstance(operator, SymmetricGate) and type(operator).forward is SymmetricGate.forward
    return own and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


def binary_operator(operator: str | nn.Module, channels: int) -> nn.Module:
    """Return the operator with this name, or the module itself.

    Raises `InvalidParameter` for an unknown name or a wrong width.
    """
    if isinstance(operator, nn.Module):
        if isinstance(operator, nn.GRUCell):
            widths = operator.input_size, operator.hidden_size
            if widths != (channels, channels):
                raise InvalidParameter(
                    f"the operator takes {widths[0]} and returns {widths[1]} channels; "
                    f"expected {channels}"
                )
        return operator
    otherwise = "a module that takes two tensors [P, channels] and returns one"
    return find("operator", operator, _OPERATORS, otherwise)(channels)
