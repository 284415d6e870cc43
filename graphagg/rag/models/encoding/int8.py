"""Linear layers with 8-bit integer products, whose sums are exact in any order.

A row of activations is stored as `x_j = s q_j + m` with q from 0 to 255; each row has its own s
and m. A column of weights is `w_j = t v_j` with v in 8 bits. Then

    x . w + b  =  s t (q . v)  +  m t sum_j v_j  +  b

where `q . v` is exact, so a text's vector does not depend on the shape of the product. All other
computations, including attention, use float32. Dequantization, GELU and quantization run row by
row, so a row stays in the fastest cache.

Scales per row and per column follow Dettmers et al., LLM.int8(), arXiv 2208.07339, section 2. The
products are computed by `MatMulInteger` of ONNX Runtime.
"""

from __future__ import annotations

from functools import cache, reduce
from operator import iadd
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Floats
from graphagg.errors import needs
from graphagg.kernels import kernel

Int8 = npt.NDArray[np.int8]
GELU = (
    6.769842377785727e-06, 3.730919756722668e-05, 7.421235824870742e-05, 0.003224529844480561,
    0.021178297435539586, 0.049856083134932276, 1.0000010167954045,
)  # fmt: skip
"""Coefficients of p in `gelu`; they minimize its maximum error."""
_PRODUCT = bytes.fromhex(
    "08083a560a180a01780a0177120179220d4d61744d756c496e7465676572120770726f647563745a0f0a0178120a0a"
    "08080212040a000a005a0f0a0177120a0a08080312040a000a00620f0a0179120a0a08080612040a000a0042040a00"
    "100a"
)
"""ONNX model with one node: y = MatMulInteger(x, w); x is uint8, w int8, y int32."""
_EXACT_TERMS = 512  # the sum of 512 products of 8-bit integers is below 2^24: exact in float32


class QuantizedRows(NamedTuple):
    """Quantized rows: `x_ij` is approximately `scale_i values_ij + least_i`."""

    values: Any  # `[r, d]` uint8
    scale: Any  # `[r]` float32
    least: Any  # `[r]` float32

    @classmethod
    def empty(cls, r: int, d: int) -> QuantizedRows:
        """Allocate r rows."""
        return cls(np.empty((r, d), np.uint8), np.empty(r, np.float32), np.empty(r, np.float32))


class OutputTerms(NamedTuple):
    """Per-output terms of a layer, each `[o]` float32: t, t sum_j v_j, and b."""

    scale: Any
    sums: Any
    bias: Any


@kernel(checked=False)
def _flipped(bits: Any) -> Any:
    """Map the bits of a float32 to an integer that sorts the same way, or back."""
    return np.int32(bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@kernel(checked=False, fastmath=True, nogil=True)
def _quantize_row(x: Any, i: int, rows: QuantizedRows) -> None:
    """Quantize `x`, `[d]`, to 256 steps; store it as row i."""
    bits = x.view(np.int32)
    low = high = _flipped(bits[0])
    for j in range(len(x)):  # LLVM vectorizes minimum and maximum only for integers
        low = min(low, _flipped(bits[j]))
        high = max(high, _flipped(bits[j]))
    least, most = (
        np.int32(_flipped(low)).view(np.float32),
        np.int32(_flipped(high)).view(np.float32),
    )
    scale = (most - least) / np.float32(255)
    rows.scale[i] = scale
    rows.least[i] = least
    steps_per_unit = np.float32(1) / scale if scale > 0 else np.float32(0)
    values = rows.values[i]
    for j in range(len(x)):
        values[j] = np.uint8(np.int32((x[j] - least) * steps_per_unit + np.float32(0.5)))


@kernel(checked=False, fastmath=True, nogil=True)
def _output_row(products: Any, i: int, rows: QuantizedRows, columns: OutputTerms, out: Any) -> None:
    """Compute the output `[o]` of the layer from the integer sums of row i (formula above)."""
    scale, least, sums = rows.scale[i], rows.least[i], products[i]
    for j in range(len(out)):
        shift = least * columns.sums[j] + columns.bias[j]
        out[j] = np.float32(sums[j]) * (scale * columns.scale[j]) + shift


@kernel(checked=False, fastmath=True, nogil=True)
def gelu(x: Any) -> None:
    """Replace `x`, `[d]` float32, by `x Phi(x)`, to 1e-6 for |x| up to 9.

    `Phi(-a)` is about `1 / (2 p(a)^16)`, as in Abramowitz and Stegun, Handbook of Mathematical
    Functions, 7.1.28. The compiler vectorizes this loop, but not one with `erf`.
    """
    for j in range(len(x)):
        a = min(abs(x[j]), np.float32(9))  # Phi(-9) is below 1e-18
        p = np.float32(GELU[0]) * a + np.float32(GELU[1])
        p = p * a + np.float32(GELU[2])
        p = p * a + np.float32(GELU[3])
        p = p * a + np.float32(GELU[4])
        p = p * a + np.float32(GELU[5])
        p = p * a + np.float32(GELU[6])
        p *= p
        p *= p
        p *= p
        p *= p
        # `np.divide`, because `/` checks for 0, which prevents vectorization.
        x[j] = max(x[j], np.float32(0)) - np.divide(np.float32(0.5) * a, p)


@kernel(checked=False, fastmath=True, nogil=True)
def quantize(x: Any, rows: QuantizedRows) -> None:
    """Quantize `x`, `[r, d]` float32, to 256 steps per row."""
    for i in range(len(x)):
        _quantize_row(x[i], i, rows)


@kernel(checked=False, fastmath=True, nogil=True)
def dequantize(products: Any, rows: QuantizedRows, columns: OutputTerms, out: Any) -> None:
    """Convert integer sums `[r, o]` int32 of a layer to its outputs `[r, o]` float32."""
    for i in range(len(out)):
        _output_row(products, i, rows, columns, out[i])


@kernel(checked=False, fastmath=True, nogil=True)
def activate(
    products: Any, rows: QuantizedRows, columns: OutputTerms, activated: QuantizedRows
) -> None:
    """Apply GELU to the outputs of a layer and quantize the result."""
    row = np.empty(products.shape[1], np.float32)
    for i in range(len(products)):
        _output_row(products, i, rows, columns, row)
        gelu(row)
        _quantize_row(row, i, activated)


class Int8Weights(NamedTuple):
    """Weights `[i, o]` in 8 bits: approximately `scale * values`."""

    values: Int8
    scale: Floats  # `[1, o]` per output, or `[i, 1]` per table row

    @classmethod
    def of(cls, weight: Floats) -> Int8Weights:
        """Quantize weights `[i, o]`; the largest weight of each output becomes 127."""
        most = np.abs(weight).max(axis=0, keepdims=True)
        scale = np.maximum(most / np.float32(127), np.float32(1e-38))
        return cls(np.rint(weight / scale).astype(np.int8), scale)

    def restored(self) -> Floats:
        """Return the weights in float32."""
        return self.values * self.scale


class Int8Linear:
    """A linear layer in 8 bits."""

    def __init__(self, weights: Int8Weights, bias: Floats) -> None:
        self._values = np.ascontiguousarray(weights.values)
        scale: Floats = weights.scale.ravel()
        sums = weights.values.sum(axis=0, dtype=np.int32) * scale
        self.columns = OutputTerms(scale, sums.astype(np.float32), bias)

    def __call__(self, x: Floats) -> Floats:
        """Map `[r, i]` to `[r, o]`, float32."""
        return self.apply(quantized(x))

    def apply(self, rows: QuantizedRows) -> Floats:
        """Map quantized rows to `[r, o]` float32."""
        out = np.empty((len(rows.values), len(self.columns.bias)), np.float32)
        dequantize(self.sums(rows), rows, self.columns, out)
        return out

    def sums(self, rows: QuantizedRows) -> Array:
        """Return the integer sums `[r, o]` int32 of quantized rows."""
        multiply = integer_product if multiplies_exactly() else product_by_floats
        return multiply(rows.values, self._values)


def quantized(x: Floats) -> QuantizedRows:
    """Quantize rows, `[r, d]` float32."""
    rows = QuantizedRows.empty(*x.shape)
    quantize(x, rows)
    return rows


def int8_feed(x: Floats, widen: Int8Linear, narrow: Int8Linear) -> Floats:
    """Run two layers with GELU between; the floats between them stay in cache."""
    rows, activated = quantized(x), QuantizedRows.empty(len(x), len(widen.columns.bias))
    activate(widen.sums(rows), rows, widen.columns, activated)
    return narrow.apply(activated)


def integer_product(x: Array, weights: Int8) -> Array:
    """Multiply uint8 rows `[r, i]` by int8 weights `[i, o]`; returns `[r, o]` int32."""
    product: Array = _session().run(None, {"x": x, "w": weights})[0]
    return product


def product_by_floats(x: Array, weights: Int8) -> Array:
    """Compute the same product with floats: exact on every processor, but slower."""
    parts = (
        (x[:, start : start + _EXACT_TERMS].astype(np.float32)
         @ weights[start : start + _EXACT_TERMS].astype(np.float32)).astype(np.int32)
        for start in range(0, len(weights), _EXACT_TERMS)
    )  # fmt: skip
    return reduce(iadd, parts)


@cache
def multiplies_exactly() -> bool:
    """Whether ONNX Runtime multiplies integers exactly on this CPU, as with AVX512-VNNI or AMX.

    Other processors sum pairs of products in 16 bits, which may saturate.
    """
    x, weights = np.full((32, 384), 255, np.uint8), np.full((384, 32), 127, np.int8)
    weights[:, ::2] = -128
    return np.array_equal(integer_product(x, weights), product_by_floats(x, weights))


@cache
def _session() -> Any:
    """Return an ONNX Runtime session that runs one `MatMulInteger` on the calling thread."""
    with needs("onnxruntime", "rag"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(_PRODUCT, options, providers=["CPUExecutionProvider"])
