"""Linear layers by products of 8-bit integers, whose sums no order of terms changes.

A row of activations is kept as `x_j = s q_j + m` with q of 8 bits, s and m of the row alone: s is
the range of the row over 255 steps. A column of weights is `w_j = t v_j`, v of 8 bits. Then

    x . w + b  =  s t (q . v)  +  m t sum_j v_j  +  b

where `q . v` is exact: a text's vector depends on nothing but the text, whatever the shape of the
product is. Everything between two products is float32, and so is attention.

On a processor with instructions for it such a product takes half the time of bfloat16's. A range
per row and per column is the idea of Dettmers et al., LLM.int8(), arXiv 2208.07339, section 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.kernels import kernel
from graphagg.rag.models.encoding.products import exact_product

if TYPE_CHECKING:
    import torch

    from graphagg.rag.models.encoding.products import Product


@kernel(fastmath=True, nogil=True)
def quantize(x: Any, scale: Any, middle: Any, values: Any) -> None:
    """Round rows to 256 steps.

    Args:
        x: `[r, d]` float32.
        scale: `[r]` float32, the step of each row.
        middle: `[r]` float32, the value of each row that becomes 0.
        values: `[r, d]` int8, written: `x_ij` is about `scale_i values_ij + middle_i`.
    """
    for i in range(len(x)):
        steps_per_unit = np.float32(1) / scale[i] if scale[i] > 0 else np.float32(0)
        for j in range(x.shape[1]):
            shifted = (x[i, j] - middle[i]) * steps_per_unit + np.float32(128.5)
            values[i, j] = np.int8(np.int32(shifted) - np.int32(128))


@kernel(fastmath=True, nogil=True)
def dequantize(
    product: Any, scale: Any, middle: Any, columns: tuple[Any, Any, Any], out: Any
) -> None:
    """Turn integer products into the output of the layer; see the formula above.

    Args:
        product: `[r, o]` int32, `q . v`.
        scale: `[r]` float32, of the quantized rows.
        middle: `[r]` float32, of the quantized rows.
        columns: `[o]` float32 each: t, t sum_j v_j, and the bias.
        out: `[r, o]` float32, written.
    """
    column_scale, column_sums, bias = columns
    for i in range(len(product)):
        for j in range(len(bias)):
            shift = middle[i] * column_sums[j] + bias[j]
            out[i, j] = np.float32(product[i, j]) * (scale[i] * column_scale[j]) + shift


def int8_product(weight: torch.Tensor, bias: torch.Tensor, gelu: bool) -> Product:
    """Make a linear layer with its weights in 8 bits, followed by GELU if `gelu`.

    Args:
        weight: `[o, i]` float32; the largest weight of an output becomes 127.
        bias: `[o]` float32.
        gelu: whether GELU follows.
    """
    import torch

    tiny = torch.finfo(torch.float32).tiny
    column_scale = (weight.abs().amax(dim=1) / 127).clamp(min=tiny)
    weights = (weight / column_scale[:, None]).round().to(torch.int8)
    column_sums = weights.sum(dim=1) * column_scale
    columns = column_scale.numpy(), column_sums.numpy(), bias.numpy()
    multiply = exact_product(weights)

    def product(x: torch.Tensor) -> torch.Tensor:
        least, values = x.amin(dim=1), torch.empty(x.shape, dtype=torch.int8)
        scale = (x.amax(dim=1) - least) / 255
        rows = scale.numpy(), (least + 128 * scale).numpy()
        quantize(x.numpy(), *rows, values.numpy())
        out = torch.empty(len(x), len(bias))
        dequantize(multiply(values).numpy(), *rows, columns, out.numpy())
        return torch.ops.aten.gelu_(out) if gelu else out

    return product
