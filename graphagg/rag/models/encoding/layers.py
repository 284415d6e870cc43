"""The layers of a BERT over texts that lie end to end, in float32 or 8 bits, without PyTorch.

In float32, numpy runs every step, so that the first question of a process waits for no compiled
code. In 8 bits, compiled loops run between the integer products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from graphagg.arrays import Array, Floats
from graphagg.kernels import kernel
from graphagg.rag.models.encoding.int8 import GELU, Int8Linear, Int8Weights, int8_feed

Weights: TypeAlias = Mapping[str, "Array | Int8Weights"]
"""By their names in BERT: matrices `[o, i]` float, or `[i, o]` in 8 bits; vectors float."""
Norm: TypeAlias = tuple[Floats, Floats]
_Softmax: TypeAlias = Callable[[Floats, np.float32], None]
_JOINT = tuple(f"attention.self.{name}" for name in ("query", "key", "value"))
"""Modules that run as one product: queries, keys and values."""


@kernel(checked=False, fastmath=True, nogil=True)
def normalize(x: Any, added: Any, gain: Any, shift: Any, epsilon: float) -> None:
    """Replace `x`, `[r, d]` float32, by the layer norm of `x + added`."""
    size = np.float32(x.shape[1])
    for i in range(len(x)):
        row, other = x[i], added[i]
        total = np.float32(0)
        for j in range(len(row)):
            row[j] += other[j]
            total += row[j]
        mean, squares = total / size, np.float32(0)
        for j in range(len(row)):
            row[j] -= mean
            squares += row[j] * row[j]
        factor = np.float32(1.0 / np.sqrt(squares / size + epsilon))
        for j in range(len(row)):
            row[j] = row[j] * factor * gain[j] + shift[j]


@kernel(checked=False, fastmath=True, nogil=True)
def softmax(scores: Any, scale: Any) -> None:
    """Replace rows `[r, n]` float32 by the softmax of `scale` times them.

    `exp(x) = 2^k e^f` with k whole and |f| at most log(2)/2, where Taylor's polynomial of degree 6
    is right to 1e-7; 2^k is made from its bits. Such a loop runs in SIMD lanes.
    """
    for i in range(len(scores)):
        row = scores[i]
        most = row[0]
        for j in range(len(row)):
            most = max(most, row[j])
        total = np.float32(0)
        for j in range(len(row)):
            x = max((row[j] - most) * scale, np.float32(-87))
            k = np.int32(x * np.float32(1.4426950408889634) - np.float32(0.5))
            f = x - np.float32(k) * np.float32(0.6931471805599453)
            p = np.float32(1 / 720) * f + np.float32(1 / 120)
            p = p * f + np.float32(1 / 24)
            p = p * f + np.float32(1 / 6)
            p = p * f + np.float32(0.5)
            p = (p * f + np.float32(1)) * f + np.float32(1)
            power = np.int32((k + np.int32(127)) << np.int32(23)).view(np.float32)
            row[j] = p * power
            total += row[j]
        share = np.float32(1) / total
        for j in range(len(row)):
            row[j] *= share


def normalize_by_numpy(x: Floats, added: Floats, gain: Floats, shift: Floats, eps: float) -> None:
    """The same as `normalize`."""
    x += added
    x -= x.mean(axis=1, keepdims=True)
    variance = np.square(x).mean(axis=1, keepdims=True)
    x *= 1 / np.sqrt(variance + np.float32(eps))
    x *= gain
    x += shift


def softmax_by_numpy(scores: Floats, scale: np.float32) -> None:
    """The same as `softmax`."""
    scores -= scores.max(axis=1, keepdims=True)
    scores *= scale
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)


def gelu_by_numpy(x: Floats) -> Floats:
    """The same as `int8.gelu`, of `[r, d]`."""
    a = np.minimum(np.abs(x), np.float32(9))
    p = np.full_like(x, GELU[0])
    for coefficient in GELU[1:]:
        p *= a
        p += np.float32(coefficient)
    for _ in range(4):
        np.square(p, out=p)
    a *= np.float32(0.5)
    a /= p
    activated: Floats = np.maximum(x, np.float32(0)) - a
    return activated


class Linear:
    """A linear layer in float32, from weights `[i, o]`."""

    def __init__(self, weight: Floats, bias: Floats) -> None:
        self._weight, self._bias = np.ascontiguousarray(weight), bias

    def __call__(self, x: Floats) -> Floats:
        """Map `[r, i]` to `[r, o]`."""
        product: Floats = x @ self._weight
        product += self._bias
        return product


class _Layer(NamedTuple):
    """The steps of a layer: attention's products, the first norm, the feed-forward, the second."""

    attend: Callable[[Floats], Floats]  # queries, keys and values, `[r, 3 d]`
    project: Callable[[Floats], Floats]
    first_norm: Norm
    feed: Callable[[Floats], Floats]
    second_norm: Norm


class BertLayers:
    """The layers of a BERT; in 8 bits, everything but products is float32."""

    def __init__(
        self, weights: Weights, layers: int, heads: int, epsilon: float, *, in_int8: bool
    ) -> None:
        self._heads, self._epsilon = heads, epsilon
        self._softmax = softmax if in_int8 else softmax_by_numpy
        self.normalize = normalize if in_int8 else normalize_by_numpy
        self._layers = []
        for layer in (f"encoder.layer.{index}" for index in range(layers)):
            make: Any = _int8_linear if in_int8 else _linear
            attend, project, widen, narrow = (
                make(weights, [f"{layer}.{module}" for module in modules])
                for modules in (
                    _JOINT, ["attention.output.dense"], ["intermediate.dense"], ["output.dense"]
                )
            )  # fmt: skip
            first, second = (
                norm_of(weights, f"{layer}.{name}.LayerNorm")
                for name in ("attention.output", "output")
            )
            feed: Any = int8_feed if in_int8 else _feed
            feed = partial(feed, widen=widen, narrow=narrow)
            self._layers.append(_Layer(attend, project, first, feed, second))

    def run(self, x: Floats, lengths: Sequence[int]) -> Floats:
        """Run texts of these lengths, end to end in `x` `[r, d]`; further rows are padding."""
        for layer in self._layers:
            joint = layer.attend(x)
            mixed = layer.project(attention_within(joint, lengths, self._heads, self._softmax))
            self.normalize(mixed, x, *layer.first_norm, self._epsilon)
            x = layer.feed(mixed)
            self.normalize(x, mixed, *layer.second_norm, self._epsilon)
        return x


def norm_of(weights: Weights, module: str) -> Norm:
    """Gain and shift of a layer norm."""
    gain, shift = (np.asarray(weights[f"{module}.{name}"]) for name in ("weight", "bias"))
    return gain, shift


def _bias(weights: Weights, modules: Sequence[str]) -> Floats:
    bias: Floats = np.concatenate([weights[f"{module}.bias"] for module in modules])
    return bias


def _linear(weights: Weights, modules: Sequence[str]) -> Linear:
    """Modules of one input as one layer in float32."""
    matrices = [weights[f"{module}.weight"] for module in modules]
    floats = [w.restored() if isinstance(w, Int8Weights) else w.T for w in matrices]
    return Linear(np.concatenate(floats, axis=1), _bias(weights, modules))


def _int8_linear(weights: Weights, modules: Sequence[str]) -> Int8Linear:
    """Modules of one input as one layer in 8 bits."""
    matrices = [weights[f"{module}.weight"] for module in modules]
    rounded = [w if isinstance(w, Int8Weights) else Int8Weights.of(w.T) for w in matrices]
    joint = Int8Weights(*(np.concatenate(parts, axis=1) for parts in zip(*rounded, strict=True)))
    return Int8Linear(joint, _bias(weights, modules))


def _feed(x: Floats, widen: Linear, narrow: Linear) -> Floats:
    return narrow(gelu_by_numpy(widen(x)))


def attention_within(
    joint: Floats, lengths: Sequence[int], heads: int, softmax: _Softmax = softmax
) -> Floats:
    """Attend inside each text, `[r, d]`; `joint` `[r, 3 d]` holds queries, keys and values."""
    d = joint.shape[1] // 3
    attended, start = np.zeros((len(joint), d), np.float32), 0
    scale = np.float32((d // heads) ** -0.5)
    for length, same in groupby(lengths):
        count = len(list(same))
        rows = slice(start, start + count * length)
        split = joint[rows].reshape(count, length, 3, heads, d // heads)
        queries, keys, values = split.transpose(2, 0, 3, 1, 4)
        scores = np.matmul(queries, keys.swapaxes(2, 3))
        softmax(scores.reshape(-1, length), scale)
        mixed = np.matmul(scores, values)
        attended[rows] = mixed.transpose(0, 2, 1, 3).reshape(count * length, d)
        start = rows.stop
    return attended
