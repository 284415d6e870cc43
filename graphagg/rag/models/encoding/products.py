"""Products of activations with the weights of a layer, for a few rows at a time.

For the twenty tokens of a question most of a product's time goes into reading the weights and
laying them out for the processor. Here they are laid out once, by oneDNN, where PyTorch has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    Product = Callable[[torch.Tensor], torch.Tensor]
"""Takes `[r, i]` to `[r, o]`."""


def product_of(weight: torch.Tensor, bias: torch.Tensor, gelu: bool, *, packed: bool) -> Product:
    """A linear layer, with GELU behind it or without.

    Args:
        weight: `[o, i]`.
        bias: `[o]`.
        gelu: whether GELU follows.
        packed: lay the weights out for a few rows; the product is the same to a few roundings.
    """
    from torch.nn.functional import gelu as activation
    from torch.nn.functional import linear

    if packed and (ops := _packing()) is not None:
        laid_out, name = ops._reorder_linear_weight(weight), "gelu" if gelu else "none"

        def product(x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = ops._linear_pointwise(x, laid_out, bias, name, [], "none")
            return found

        return product
    if gelu:
        return lambda x: activation(linear(x, weight, bias))
    return lambda x: linear(x, weight, bias)


def _packing() -> Any:
    """What PyTorch's compiler uses for it; None where this PyTorch has none.

    The names are not promised to anybody: `tests/unit/rag/models/test_products.py` states what is
    taken for granted.
    """
    import torch

    ops = torch.ops.mkldnn
    names = ("_reorder_linear_weight", "_linear_pointwise")
    is_there = torch._C._has_mkldnn and all(hasattr(ops, name) for name in names)
    return ops if is_there else None
