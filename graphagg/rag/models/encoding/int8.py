"""Layers of a BERT with products of whole numbers of 8 bits, whose sums no order of terms changes.

A row of activations is kept as `x_j = s q_j + m` with q of 8 bits, s and m of the row alone: s from
its least to its largest value in 255 steps. A column of weights is `w_j = t v_j`, v of 8 bits. Then

    x . w + b  =  s t (q . v)  +  m t sum_j v_j  +  b

where `q . v` is exact: a text's vector depends on nothing but the text, whatever the shape of the
product is. All between two products is one pass over its rows, in float32; attention is PyTorch's.

On a processor with instructions for it a product takes half the time of bfloat16's. The idea of a
range for each row and column is that of Dettmers et al., LLM.int8(), arXiv 2208.07339, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.kernels import Kernel, kernel
from graphagg.rag.models.encoding.bert_files import BertShape
from graphagg.rag.models.encoding.layers import JOINT, attention_within, parameters_of
from graphagg.rag.models.encoding.products import exact_product

if TYPE_CHECKING:
    import torch

    from graphagg.rag.models.encoding.layers import Weights
    from graphagg.rag.models.encoding.products import Product

# Numba looks at the sign of an index, since a negative one counts from the end. A column is told to
# have none: a look at each lane's index turns loads of a row into gathers.
_place = np.uintp
_beside = partial(Kernel, fastmath=True, nogil=True)  # batches run side by side


class Rows(NamedTuple):
    """Activations `x_ij = scale_i values_ij + middle_i`.

    Attributes:
        values: `[r, d]` int8.
        scale, middle: `[r]` float32.
    """

    values: Any
    scale: Any
    middle: Any


class Columns(NamedTuple):
    """What a layer adds to a product, `[o]` float32 each.

    Attributes:
        scale: of its weights.
        sums: of its weights, as they are kept.
        bias: of the layer.
    """

    scale: Any
    sums: Any
    bias: Any


class Norm(NamedTuple):
    """A layer norm: `[d]`, `[d]`, and what keeps it from a division by zero; float32."""

    weight: Any
    bias: Any
    epsilon: Any


@kernel
def power(x: Any) -> Any:
    """2^x for float32 x <= 0, to 2e-7 of it; NaN for NaN."""
    x = np.float32(-126.0) if x < np.float32(-126.0) else x
    whole = np.floor(x + np.float32(0.5))
    rest = x - whole
    # Taylor's series of 2^rest on [-1/2, 1/2]: (ln 2)^k / k!.
    series = np.float32(0.00015403530393381606)
    series = series * rest + np.float32(0.0013333558146428443)
    series = series * rest + np.float32(0.009618129107628477)
    series = series * rest + np.float32(0.05550410866482158)
    series = series * rest + np.float32(0.2402265069591007)
    series = series * rest + np.float32(0.6931471805599453)
    series = series * rest + np.float32(1.0)
    # 2^whole: its bits are the exponent alone.
    bits = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23))
    return series * bits.view(np.float32)


@_beside
def quantize_row(row: Any, size: int, i: int, into: Rows) -> None:
    """Keep the first `size` numbers of a row as row i."""
    least = most = row[0]
    for j in range(size):
        value = row[_place(j)]
        least = value if value < least else least
        most = value if value > most else most
    scale = (most - least) * np.float32(1 / 255)
    steps = np.divide(np.float32(1), scale) if scale > 0 else np.float32(0)
    into.scale[i], into.middle[i] = scale, least + np.float32(128) * scale
    for j in range(size):
        step = np.floor((row[_place(j)] - least) * steps + np.float32(0.5))
        into.values[i, _place(j)] = np.int8(np.int32(step) - np.int32(128))


@_beside
def quantize(x: Any, into: Rows) -> None:
    """Keep `[r, d]` float32 as rows of 8 bits."""
    for i in range(len(x)):
        quantize_row(x[i], x.shape[1], i, into)


@_beside
def finish(product: Any, rows: Rows, columns: Columns, out: Any) -> None:
    """Write what a layer makes of rows, `[r, o]` float32."""
    for i in range(len(product)):
        scale, middle = rows.scale[i], rows.middle[i]
        for j in range(product.shape[1]):
            at = _place(j)
            added = middle * columns.sums[at] + columns.bias[at]
            out[i, at] = np.float32(product[i, at]) * (scale * columns.scale[at]) + added


@_beside
def finish_with_gelu(product: Any, rows: Rows, columns: Columns, into: Rows) -> None:
    """Likewise, with GELU behind it: `x Phi(x)`, Phi to 1e-7.

    Phi by Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
    """
    size = product.shape[1]
    row = np.empty(size, np.float32)
    for i in range(len(product)):
        scale, middle = rows.scale[i], rows.middle[i]
        for j in range(size):
            at = _place(j)
            added = middle * columns.sums[at] + columns.bias[at]
            x = np.float32(product[i, at]) * (scale * columns.scale[at]) + added
            z = abs(x) * np.float32(0.7071067811865476)
            t = np.divide(np.float32(1), np.float32(1) + np.float32(0.3275911) * z)
            tail = np.float32(1.061405429) * t - np.float32(1.453152027)
            tail = tail * t + np.float32(1.421413741)
            tail = tail * t - np.float32(0.284496736)
            tail = (tail * t + np.float32(0.254829592)) * t
            tail *= np.float32(0.5) * power(-z * z * np.float32(1.4426950408889634))
            row[at] = x * (np.float32(1) - tail if x > np.float32(0) else tail)
        quantize_row(row, size, i, into)


@_beside
def finish_and_norm(
    product: Any, rows: Rows, columns: Columns, x: Any, norm: Norm, into: Rows
) -> None:
    """Add what a layer makes of rows to `x`, `[r, d]`, and norm its rows; in place, and kept."""
    size = product.shape[1]
    row = np.empty(size, np.float32)
    share = np.float32(1 / size)
    for i in range(len(product)):
        scale, middle = rows.scale[i], rows.middle[i]
        total = np.float32(0)
        for j in range(size):
            at = _place(j)
            added = middle * columns.sums[at] + columns.bias[at] + x[i, at]
            row[at] = np.float32(product[i, at]) * (scale * columns.scale[at]) + added
            total += row[at]
        mean, squares = total * share, np.float32(0)
        for j in range(size):
            apart = row[_place(j)] - mean
            squares += apart * apart
        factor = np.divide(np.float32(1), np.sqrt(squares * share + norm.epsilon))
        for j in range(size):
            at = _place(j)
            row[at] = (row[at] - mean) * factor * norm.weight[at] + norm.bias[at]
            x[i, at] = row[at]
        quantize_row(row, size, i, into)


class Linear(NamedTuple):
    """A linear layer, its weights in 8 bits."""

    product: Product
    columns: Columns

    @classmethod
    def made(cls, weight: torch.Tensor, bias: torch.Tensor) -> Linear:
        """Keep `[o, i]` weights, each output's by its largest."""
        import torch

        scale = (weight.abs().amax(dim=1) / 127).clamp(min=torch.finfo(torch.float32).tiny)
        kept = (weight / scale[:, None]).round().to(torch.int8)
        sums = kept.sum(dim=1) * scale
        return cls(exact_product(kept), Columns(scale.numpy(), sums.numpy(), bias.numpy()))

    def of(self, values: torch.Tensor) -> npt.NDArray[np.int32]:
        """The product with the values of rows, `[r, o]`."""
        return self.product(values).numpy()


class _Layer(NamedTuple):
    """The steps of a layer; `widen` is the one with GELU behind it."""

    attend: Linear
    project: Linear
    first_norm: Norm
    widen: Linear
    narrow: Linear
    second_norm: Norm


class Int8Layers:
    """The layers of a BERT; what is between their products is float32.

    Args:
        weights: by their names in BERT.
        shape: of the model.
    """

    def __init__(self, weights: Weights, shape: BertShape) -> None:
        self._heads = shape.heads

        def linear(*modules: str) -> Linear:
            return Linear.made(*parameters_of(weights, *modules))

        def norm(module: str) -> Norm:
            weight, bias = parameters_of(weights, module)
            return Norm(weight.numpy(), bias.numpy(), np.float32(shape.epsilon))

        self._layers = [
            _Layer(
                linear(*(f"{layer}.{name}" for name in JOINT)),
                linear(f"{layer}.attention.output.dense"),
                norm(f"{layer}.attention.output.LayerNorm"),
                linear(f"{layer}.intermediate.dense"),
                linear(f"{layer}.output.dense"),
                norm(f"{layer}.output.LayerNorm"),
            )
            for layer in (f"encoder.layer.{number}" for number in range(shape.layers))
        ]

    def run(self, x: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """As `Layers` says; `x` is float32, and holds the result."""
        import torch

        (r, d), values = x.shape, x.numpy()
        kept, rows = _room(r, d)
        kept_wide, wide = _room(r, len(self._layers[0].widen.columns.bias))
        joint = torch.empty(r, 3 * d)
        quantize(values, rows)
        for layer in self._layers:
            finish(layer.attend.of(kept), rows, layer.attend.columns, joint.numpy())
            quantize(attention_within(joint, lengths, self._heads).numpy(), rows)
            step, norm = layer.project, layer.first_norm
            finish_and_norm(step.of(kept), rows, step.columns, values, norm, rows)
            finish_with_gelu(layer.widen.of(kept), rows, layer.widen.columns, wide)
            step, norm = layer.narrow, layer.second_norm
            finish_and_norm(step.of(kept_wide), wide, step.columns, values, norm, rows)
        return x


def _room(r: int, d: int) -> tuple[torch.Tensor, Rows]:
    """Room for rows, and their values as a tensor."""
    import torch

    values = torch.empty(r, d, dtype=torch.int8)
    return values, Rows(values.numpy(), np.empty(r, np.float32), np.empty(r, np.float32))
