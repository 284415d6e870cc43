"""Linear layers by products of 8-bit integers, whose sums no order of terms changes.

A row of activations is kept as `x_j = s q_j + m` with q of 8 bits, s and m of the row alone: s is
the range of the row over 255 steps. A column of weights is `w_j = t v_j`, v of 8 bits. Then

    x . w + b  =  s t (q . v)  +  m t sum_j v_j  +  b

where `q . v` is exact, so a text's vector does not depend on the shape of the product. Everything
between two products is float32, and so is attention. GELU runs row by row between integer sums and
the next integers, so a row stays in the fastest cache.

On a processor with instructions for it such a product takes half the time of bfloat16's. A range
per row and per column is the idea of Dettmers et al., LLM.int8(), arXiv 2208.07339, section 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphagg.kernels import kernel
from graphagg.rag.models.encoding.products import exact_product

if TYPE_CHECKING:
    import torch

    from graphagg.rag.models.encoding.products import Product

    Pair = tuple[torch.Tensor, torch.Tensor]


class QuantizedRows(NamedTuple):
    """Quantized rows: `x_ij` is about `scale_i values_ij + middle_i`."""

    values: Any  # `[r, d]` int8
    scale: Any  # `[r]` float32
    middle: Any  # `[r]` float32

    @classmethod
    def empty(cls, r: int, d: int) -> QuantizedRows:
        """Room for r rows."""
        return cls(np.empty((r, d), np.int8), np.empty(r, np.float32), np.empty(r, np.float32))


class OutputTerms(NamedTuple):
    """Terms of the outputs of a layer, `[o]` float32 each: t, t sum_j v_j, and b."""

    scale: Any
    sums: Any
    bias: Any


@kernel(checked=False)
def _flipped(bits: Any) -> Any:
    """Give bits of a float32 the order of integers, or such an integer its float32's bits."""
    return np.int32(bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@kernel(checked=False, fastmath=True, nogil=True)
def _quantize_row(x: Any, i: int, rows: QuantizedRows) -> None:
    """Round `x`, `[d]`, to 256 steps, as row i."""
    bits = x.view(np.int32)
    low = high = _flipped(bits[0])
    for j in range(len(x)):  # LLVM takes SIMD lanes for least and largest integers only
        low = min(low, _flipped(bits[j]))
        high = max(high, _flipped(bits[j]))
    least, most = (
        np.int32(_flipped(low)).view(np.float32),
        np.int32(_flipped(high)).view(np.float32),
    )
    scale = (most - least) / np.float32(255)
    rows.scale[i] = scale
    rows.middle[i] = least + np.float32(128) * scale
    steps_per_unit = np.float32(1) / scale if scale > 0 else np.float32(0)
    values = rows.values[i]
    for j in range(len(x)):
        step = np.int32((x[j] - least) * steps_per_unit + np.float32(0.5))
        values[j] = np.int8(step - np.int32(128))


@kernel(checked=False, fastmath=True, nogil=True)
def _output_row(products: Any, i: int, rows: QuantizedRows, columns: OutputTerms, out: Any) -> None:
    """Turn integer sums of row i into the output of the layer, `[o]`; see the formula above."""
    scale, middle, sums = rows.scale[i], rows.middle[i], products[i]
    for j in range(len(out)):
        shift = middle * columns.sums[j] + columns.bias[j]
        out[j] = np.float32(sums[j]) * (scale * columns.scale[j]) + shift


@kernel(checked=False, fastmath=True, nogil=True)
def gelu(x: Any) -> None:
    """Replace `x`, `[d]` float32, by `x Phi(x)`, to 1e-6 for |x| up to 9.

    `Phi(-a)` is about `1 / (2 p(a)^16)`, as in Abramowitz and Stegun, Handbook of Mathematical
    Functions, 7.1.28; these coefficients make the largest error of GELU least. Such a loop runs in
    SIMD lanes, and one with `erf` does not.
    """
    for j in range(len(x)):
        a = min(abs(x[j]), np.float32(9))  # Phi(-9) is below 1e-18
        p = np.float32(6.769842377785727e-06) * a + np.float32(3.730919756722668e-05)
        p = p * a + np.float32(7.421235824870742e-05)
        p = p * a + np.float32(0.003224529844480561)
        p = p * a + np.float32(0.021178297435539586)
        p = p * a + np.float32(0.049856083134932276)
        p = p * a + np.float32(1.0000010167954045)
        p *= p
        p *= p
        p *= p
        p *= p
        # `np.divide`, as `/` would test for 0 and leave the lanes.
        x[j] = max(x[j], np.float32(0)) - np.divide(np.float32(0.5) * a, p)


@kernel(checked=False, fastmath=True, nogil=True)
def quantize(x: Any, rows: QuantizedRows) -> None:
    """Round `x`, `[r, d]` float32, to 256 steps per row."""
    for i in range(len(x)):
        _quantize_row(x[i], i, rows)


@kernel(checked=False, fastmath=True, nogil=True)
def dequantize(products: Any, rows: QuantizedRows, columns: OutputTerms, out: Any) -> None:
    """Write the outputs of a layer, `[r, o]` float32, from its integer sums `[r, o]` int32."""
    for i in range(len(out)):
        _output_row(products, i, rows, columns, out[i])


@kernel(checked=False, fastmath=True, nogil=True)
def activate(
    products: Any, rows: QuantizedRows, columns: OutputTerms, activated: QuantizedRows
) -> None:
    """Quantize GELU of the outputs of a layer."""
    row = np.empty(products.shape[1], np.float32)
    for i in range(len(products)):
        _output_row(products, i, rows, columns, row)
        gelu(row)
        _quantize_row(row, i, activated)


class Int8Linear:
    """A linear layer in 8 bits, from float32 `[o, i]`; an output's largest weight becomes 127."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        import torch

        tiny = torch.finfo(torch.float32).tiny
        scale = (weight.abs().amax(dim=1) / 127).clamp(min=tiny)
        weights = (weight / scale[:, None]).round().to(torch.int8)
        sums = weights.sum(dim=1) * scale
        self.columns = OutputTerms(scale.numpy(), sums.numpy(), bias.numpy())
        self._multiply = exact_product(weights)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Map `[r, i]` to `[r, o]`, float32."""
        return self.apply(quantized(x))

    def apply(self, rows: QuantizedRows) -> torch.Tensor:
        """Map quantized rows to `[r, o]` float32."""
        import torch

        out = torch.empty(len(rows.values), len(self.columns.bias))
        dequantize(self.sums(rows), rows, self.columns, out.numpy())
        return out

    def sums(self, rows: QuantizedRows) -> Any:
        """The integer sums `[r, o]` int32 of quantized rows."""
        import torch

        return self._multiply(torch.from_numpy(rows.values)).numpy()


def quantized(x: torch.Tensor) -> QuantizedRows:
    """Quantize rows, `[r, d]` float32."""
    rows = QuantizedRows.empty(*x.shape)
    quantize(x.numpy(), rows)
    return rows


def int8_feed(widen: Pair, narrow: Pair) -> Product:
    """Make two layers, from weights and biases, with GELU between; their floats stay in cache."""
    first, second = Int8Linear(*widen), Int8Linear(*narrow)

    def product(x: torch.Tensor) -> torch.Tensor:
        rows, activated = quantized(x), QuantizedRows.empty(len(x), len(first.columns.bias))
        activate(first.sums(rows), rows, first.columns, activated)
        return second.apply(activated)

    return product
