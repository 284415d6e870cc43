"""The binary operator psi(a, b) of `LCMAggregation`, commutative by construction.

Any module from two tensors `[P, d]` to one can replace it. Nothing checks that it commutes
(`commutativity` in `graphagg.nn.aggr.losses` measures it).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphagg.errors import InvalidParameter
from graphagg.nn.resolver import find


class SymmetricGRU(nn.GRUCell):
    """psi(a, b) = (GRU(a, b) + GRU(b, a)) / 2, the Binary-GRU of arXiv 2212.08541, section 3.

    The parameters are those of `torch.nn.GRUCell`, whose state can be loaded.

    Args:
        channels: width d.

    Examples:
        >>> import torch
        >>> from graphagg.nn.aggr import SymmetricGRU
        >>> psi, (a, b) = SymmetricGRU(4), torch.randn(2, 3, 4)
        >>> torch.equal(psi(a, b), psi(b, a))
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, a: Tensor, b: Tensor | None = None) -> Tensor:
        """`[P, d]` and `[P, d]` to `[P, d]`."""
        if b is None:
            b = torch.zeros_like(a)
        return 0.5 * (super().forward(a, b) + super().forward(b, a))


class SymmetricGate(nn.Linear):
    """psi(a, b) = (1 - z) max(a, b) + z n, with gate z and candidate n of a + b and |a - b|.

    Half of the products of `SymmetricGRU`. With z = 0 it is the maximum, a monoid. The parameters
    are those of `torch.nn.Linear(2 d, 2 d)`.

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
        super().__init__(2 * channels, 2 * channels)

    def forward(self, a: Tensor, b: Tensor | None = None) -> Tensor:
        """`[P, d]` and `[P, d]` to `[P, d]`."""
        b = torch.zeros_like(a) if b is None else b
        total, apart = a + b, (a - b).abs()
        z, n = super().forward(torch.cat([total, apart], dim=1)).chunk(2, dim=1)
        largest = 0.5 * (total + apart)  # its gradient is cheaper than that of torch.maximum
        # tanh(n), by the sigmoid, which takes a tenth of its time on a CPU.
        return torch.lerp(largest, 2 * (2 * n).sigmoid() - 1, z.sigmoid())


_OPERATORS: dict[str, type[nn.Module]] = {"gru": SymmetricGRU, "gate": SymmetricGate}


def is_gru(operator: nn.Module) -> bool:
    """Whether `GRUKernel` computes what the module does."""
    return isinstance(operator, SymmetricGRU) and type(operator).forward is SymmetricGRU.forward


def binary_operator(operator: str | nn.Module, channels: int) -> nn.Module:
    """The operator of that name, or the module itself.

    Raises `InvalidParameter` for an unknown name or another width.
    """
    if isinstance(operator, nn.Module):
        if isinstance(operator, nn.GRUCell):
            widths = operator.input_size, operator.hidden_size
            if widths != (channels, channels):
                raise InvalidParameter(
                    f"the operator takes {widths[0]} and gives {widths[1]} channels; "
                    f"wanted {channels}"
                )
        return operator
    otherwise = "a module that takes two tensors [P, channels] and returns one"
    return find("operator", operator, _OPERATORS, otherwise)(channels)
