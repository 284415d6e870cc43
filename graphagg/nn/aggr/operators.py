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
    return find("operator", operator, {"gru": SymmetricGRU}, otherwise)(channels)
