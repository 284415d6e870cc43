"""Matrix products of a layer: fast ones for a few rows, and exact ones of 8-bit integers.

A question has about twenty tokens, so its product would spend most of its time on laying the
weights out for the processor; oneDNN does it once. This is the only file with private names of
PyTorch (`torch.ops.mkldnn`, `torch._C`, `torch._int_mm`, `torch.cpu._is...`). A public operation
replaces a missing one; `tests/unit/rag/models/test_int8.py` runs both.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    Product = Callable[[torch.Tensor], torch.Tensor]
"""Maps `[r, i]` to `[r, o]`."""

EXACT_TERMS = 1024  # the sum of 1024 products of 8-bit integers is below 2^24: exact in float32


def product_of(weight: torch.Tensor, bias: torch.Tensor, gelu: bool, *, packed: bool) -> Product:
    """Make a linear layer `[o, i]`, with or without GELU; `packed` is equal up to rounding."""
    from torch.nn.functional import gelu as activation
    from torch.nn.functional import linear

    if packed and (ops := _packing(weight.dtype)) is not None:
        laid_out, name = ops._reorder_linear_weight(weight), "gelu" if gelu else "none"

        def product(x: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = ops._linear_pointwise(x, laid_out, bias, name, [], "none")
            return output

        return product
    if gelu:
        return lambda x: activation(linear(x, weight, bias))
    return lambda x: linear(x, weight, bias)


def _packing(dtype: torch.dtype) -> Any:
    """PyTorch's operators for packed weights; None if PyTorch or the processor has none."""
    import torch

    ops = torch.ops.mkldnn
    names = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
    has_onednn = getattr(torch._C, "_has_mkldnn", False)
    if not has_onednn or not all(hasattr(ops, name) for name in names):
        return None
    return ops if dtype == torch.float32 or ops._is_mkldnn_bf16_supported() else None


def exact_product(weight: torch.Tensor) -> Product:
    """Make the exact int32 product of int8 rows with int8 weights `[o, i]`."""
    import torch
    from torch.nn.functional import linear

    if multiplies_exactly():
        turned = weight.t().contiguous()
        return lambda x: torch._int_mm(x, turned)
    cuts = [slice(at, at + EXACT_TERMS) for at in range(0, weight.shape[1], EXACT_TERMS)]
    blocks = [weight[:, cut].float() for cut in cuts]

    def product(x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(len(x), len(weight), dtype=torch.int32)
        for cut, block in zip(cuts, blocks, strict=True):
            total += linear(x[:, cut].float(), block).int()
        return total

    return product


@cache
def multiplies_exactly() -> bool:
    """Whether PyTorch's product of int8 is exact and fast, as with AVX512-VNNI and AMX.

    Other processors sum pairs of products in 16 bits, which saturate.
    """
    import torch

    if not hasattr(torch, "_int_mm") or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    a = torch.full((32, 384), 127, dtype=torch.int8)
    a[::2] = -128
    b = torch.full((384, 32), 127, dtype=torch.int8)
    b[:, ::2] = -128
    return torch.equal(torch._int_mm(a, b), (a.double() @ b.double()).int())


@cache
def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16."""
    import torch

    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)
