"""BERT operations other than matrix products, as compiled loops and in numpy.

Passages use the compiled loops. Questions use numpy, so that the first question of a process
does not wait for compilation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Floats
from graphagg.kernels import kernel
from graphagg.rag.models.encoding.int8 import GELU, Int8Linear, QuantizedRows, int8_feed


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
    """Replace rows `[r, n]` float32 by `softmax(scale * row)`.

    `exp(x) = 2^k e^f` with integer k and |f| at most log(2)/2, where the Taylor polynomial of
    degree 6 has an error of 1e-7; 2^k is built from its bits. The compiler vectorizes this loop.
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
    """Like `normalize`, in numpy; for few rows `np.add.reduce` takes half the time of `mean`."""
    size = np.float32(x.shape[1])
    x += added
    x -= np.add.reduce(x, axis=1, keepdims=True) / size
    variance = np.add.reduce(np.square(x), axis=1, keepdims=True) / size
    x *= 1 / np.sqrt(variance + np.float32(eps))
    x *= gain
    x += shift


def softmax_by_numpy(scores: Floats, scale: np.float32) -> None:
    """Like `softmax`, in numpy."""
    scores -= scores.max(axis=1, keepdims=True)
    scores *= scale
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)


def gelu_by_numpy(x: Floats) -> Floats:
    """Like `int8.gelu`, in numpy, for `[r, d]`."""
    a = np.minimum(np.abs(x), np.float32(9))
    p = a * np.float32(GELU[0])
    for coefficient in GELU[1:-1]:
        p += np.float32(coefficient)
        p *= a
    p += np.float32(GELU[-1])
    for _ in range(4):
        np.square(p, out=p)
    a *= np.float32(0.5)
    a /= p
    activated: Floats = np.maximum(x, np.float32(0)) - a
    return activated


def linear_by_numpy(linear: Int8Linear, x: Floats) -> Floats:
    """Like `linear(x)`, in numpy."""
    least = np.minimum.reduce(x, axis=1)
    scale = (np.maximum.reduce(x, axis=1) - least) / np.float32(255)
    steps_per_unit = np.float32(1) / np.maximum(scale, np.float32(1e-30))
    values = x - least[:, None]
    values *= steps_per_unit[:, None]
    values += np.float32(0.5)
    sums = linear.sums(QuantizedRows(values.astype(np.uint8), scale, least))
    out: Floats = sums.astype(np.float32)
    out *= scale[:, None] * linear.columns.scale
    out += least[:, None] * linear.columns.sums + linear.columns.bias
    return out


def feed_by_numpy(x: Floats, widen: Int8Linear, narrow: Int8Linear) -> Floats:
    """Like `int8_feed`, in numpy."""
    return linear_by_numpy(narrow, gelu_by_numpy(linear_by_numpy(widen, x)))


class Steps(NamedTuple):
    """The functions that run a BERT."""

    linear: Callable[[Int8Linear, Floats], Floats]
    feed: Callable[[Floats, Int8Linear, Int8Linear], Floats]
    normalize: Callable[[Floats, Floats, Floats, Floats, float], None]
    softmax: Callable[[Floats, np.float32], None]


COMPILED = Steps(Int8Linear.__call__, int8_feed, normalize, softmax)
BY_NUMPY = Steps(linear_by_numpy, feed_by_numpy, normalize_by_numpy, softmax_by_numpy)


def attention_within(joint: Floats, lengths: Sequence[int], heads: int, steps: Steps) -> Floats:
    """Compute attention within each text, `[r, d]`; `joint` `[r, 3 d]`: queries, keys, values."""
    d = joint.shape[1] // 3
    attended, start = np.zeros((len(joint), d), np.float32), 0
    scale = np.float32((d // heads) ** -0.5)
    for length, same in groupby(lengths):
        count = len(list(same))
        rows = slice(start, start + count * length)
        split = joint[rows].reshape(count, length, 3, heads, d // heads)
        queries, keys, values = split.transpose(2, 0, 3, 1, 4)
        scores = np.matmul(queries, keys.swapaxes(2, 3))
        steps.softmax(scores.reshape(-1, length), scale)
        mixed = np.matmul(scores, values)
        attended[rows] = mixed.transpose(0, 2, 1, 3).reshape(count * length, d)
        start = rows.stop
    return attended
