"""Layers in 8 bits, layer norm, softmax and attention follow their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.rag import SentenceTransformerEncoder
from graphagg.rag.models.encoding import int8
from graphagg.rag.models.encoding.int8 import (
    Int8Linear,
    Int8Weights,
    OutputTerms,
    QuantizedRows,
    activate,
    gelu,
    integer_product,
    multiplies_exactly,
    product_by_floats,
    quantized,
)
from graphagg.rag.models.encoding.layers import (
    BY_NUMPY,
    COMPILED,
    attention_within,
    normalize,
    softmax,
)

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 40)


def restored(rows: QuantizedRows) -> np.ndarray:
    """The values that quantized rows stand for, `[r, d]` float64."""
    return rows.scale[:, None].astype(float) * rows.values + rows.least[:, None]


def drawn(seed: int, *shape: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * 10 ** rng.uniform(-3, 3)).astype(np.float32)


def drawn_sums(seed: int, r: int, d: int, o: int) -> tuple[np.ndarray, QuantizedRows, OutputTerms]:
    """The integer sums of a layer; the first row has one value, the second is 0."""
    x = drawn(seed, max(r, 2), d)
    x[0], x[1] = x[0, 0], 0
    linear = Int8Linear(Int8Weights.of(drawn(seed + 1, d, o)), drawn(seed + 1, o))
    rows = quantized(x)
    return linear.sums(rows), rows, linear.columns


def outputs_of(sums: np.ndarray, rows: QuantizedRows, columns: OutputTerms) -> np.ndarray:
    """The outputs of a layer by the formula, `[r, o]` float64."""
    scale, least = (each[:, None].astype(float) for each in (rows.scale, rows.least))
    return scale * columns.scale * sums + least * columns.sums + columns.bias


def exact_gelu(x: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda y: y * 0.5 * math.erfc(-y / math.sqrt(2)))(x.astype(float))


@settings(max_examples=30)
@given(seed=SEEDS, r=SIZES, d=SIZES)
def test_a_row_is_kept_to_half_a_step(seed: int, r: int, d: int) -> None:
    x = drawn(seed, r, d)
    x[0] = x[0, 0]  # a row of one value is kept as it is
    rows = quantized(x)
    span = np.ptp(x.astype(float), axis=1, keepdims=True)
    apart = np.abs(restored(rows) - x)
    assert (apart <= span / 510 + 1e-4 * np.abs(x).max()).all()
    assert (apart[0] <= 1e-6 * np.abs(x[0])).all()
    np.testing.assert_allclose(rows.scale, span[:, 0] / 255, rtol=1e-5)


@settings(max_examples=20)
@given(seed=SEEDS, r=SIZES, i=SIZES, o=SIZES)
def test_a_layer_is_that_of_its_quantized_rows_and_weights(
    seed: int, r: int, i: int, o: int
) -> None:
    x, weight, bias = drawn(seed, r, i), drawn(seed + 1, i, o), drawn(seed + 2, o)
    column_scale = np.maximum(np.abs(weight).max(axis=0) / np.float32(127), np.float32(1e-38))
    weights = np.rint(weight / column_scale) * column_scale.astype(float)
    kept = restored(quantized(x))
    exact = kept @ weights + bias
    # Float32 rounds each of the terms that are added: q . v, m sum v, and b.
    room = 4e-5 * (np.abs(kept) @ np.abs(weights) + np.abs(bias))
    room += 4e-5 * 256 * np.ptp(x, axis=1, keepdims=True) * np.abs(weights).sum(axis=0)
    linear = Int8Linear(Int8Weights.of(weight), bias)
    assert (np.abs(linear(x) - exact) <= room).all()


def test_gelu_is_exact_to_a_millionth() -> None:
    near, far = np.linspace(-9, 9, 40_001, dtype=np.float32), np.float32([-1e30, -99, 50, 1e30, 0])
    for x in (near, far):
        row = x.copy()
        gelu(row)
        np.testing.assert_allclose(row, exact_gelu(x), rtol=2e-7, atol=1e-6)


@settings(max_examples=30)
@given(seed=SEEDS, r=SIZES, d=SIZES, o=SIZES)
def test_gelu_of_a_product_is_its_formula_row_by_row(seed: int, r: int, d: int, o: int) -> None:
    sums, rows, columns = drawn_sums(seed, r, d, o)
    outputs = outputs_of(sums, rows, columns)
    # Each output is a sum of three terms in float32.
    terms = np.abs(outputs_of(np.abs(sums), rows, OutputTerms(*map(np.abs, columns))))
    terms += 2 * np.abs(rows.least[:, None] * columns.sums) + 2 * np.abs(columns.bias)
    room = 1e-6 * terms.max(axis=1, keepdims=True) + 1e-6

    activated = QuantizedRows.empty(len(sums), o)
    activate(sums, rows, columns, activated)
    wanted = exact_gelu(outputs)
    step = np.ptp(wanted, axis=1, keepdims=True) / 255
    assert (np.abs(restored(activated) - wanted) <= 0.51 * step + 4 * room).all()

    for i in range(len(sums)):  # a row alone has the same bits
        one = slice(i, i + 1)
        row, alone = QuantizedRows(*(each[one] for each in rows)), QuantizedRows.empty(1, o)
        activate(sums[one], row, columns, alone)
        assert all(np.array_equal(a, b[one]) for a, b in zip(alone, activated, strict=True))


def test_weights_of_zeros_leave_the_bias() -> None:
    linear = Int8Linear(Int8Weights.of(np.zeros((5, 3), "f4")), np.array([1, 2, 3], "f4"))
    assert linear(drawn(0, 2, 5)).tolist() == [[1, 2, 3], [1, 2, 3]]


def test_the_same_bits_on_a_processor_without_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["Ada Lovelace wrote notes on an engine.", "Who met Babbage in London?", ""]
    own = SentenceTransformerEncoder().encode(texts)
    monkeypatch.setattr(int8, "multiplies_exactly", lambda: False)
    assert np.array_equal(SentenceTransformerEncoder().encode(texts), own)


@settings(max_examples=30)
@given(seed=SEEDS, r=SIZES, d=st.integers(2, 40), o=st.integers(2, 40))
def test_numpy_takes_the_same_steps_as_compiled_loops(seed: int, r: int, d: int, o: int) -> None:
    """Where a value lies between two of 256 steps, they may round to either."""
    x, added, gain, shift = np.random.default_rng(seed).standard_normal((4, r, d)).astype("f4")
    first, second = (
        Int8Linear(Int8Weights.of(drawn(seed + i, *shape) / 99), np.zeros(shape[1], "f4"))
        for i, shape in enumerate([(d, o), (o, d)])
    )
    for one, other in (
        (COMPILED.linear(first, x), BY_NUMPY.linear(first, x)),
        (COMPILED.feed(x, first, second), BY_NUMPY.feed(x, first, second)),
    ):
        np.testing.assert_allclose(one, other, atol=0.05 * np.abs(one).max() + 1e-30)
    found = [x.copy(), x.copy()]
    COMPILED.normalize(found[0], added, gain[0], shift[0], 1e-5)
    BY_NUMPY.normalize(found[1], added, gain[0], shift[0], 1e-5)
    np.testing.assert_allclose(*found, atol=1e-4)
    COMPILED.softmax(found[0], np.float32(0.25))
    BY_NUMPY.softmax(found[1], np.float32(0.25))
    np.testing.assert_allclose(*found, atol=1e-4)


@settings(max_examples=20)
@given(seed=SEEDS, r=SIZES, i=st.integers(1, 3000), o=SIZES)
def test_products_are_exact_by_either_way(seed: int, r: int, i: int, o: int) -> None:
    """Also where all terms are as large as can be, which is where sums in 16 bits fail."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (r, i)).astype(np.uint8)
    weights = rng.integers(-128, 128, (i, o)).astype(np.int8)
    x[0], weights[:, 0] = 255, -128
    wanted = x.astype(np.int64) @ weights.astype(np.int64)
    assert np.array_equal(product_by_floats(x, weights), wanted)
    if multiplies_exactly():
        assert np.array_equal(integer_product(x, weights), wanted)


@settings(max_examples=20)
@given(seed=SEEDS, r=SIZES, d=st.integers(2, 40))
def test_norm_and_softmax_are_their_formulas(seed: int, r: int, d: int) -> None:
    x, added, gain, shift = (
        drawn(seed + i, *shape) for i, shape in enumerate([(r, d)] * 2 + [(d,)] * 2)
    )
    total = x.astype(float) + added
    apart = total - total.mean(axis=1, keepdims=True)
    deviation = np.sqrt((apart * apart).mean(axis=1, keepdims=True) + 1e-5)
    wanted, found = apart / deviation * gain + shift, x.copy()
    normalize(found, added, gain, shift, 1e-5)
    # The mean is rounded to the largest value of the row.
    room = 1e-6 * d * np.abs(total).max(axis=1, keepdims=True) / deviation * np.abs(gain) + 1e-5
    assert (np.abs(found - wanted) <= room + 1e-5 * np.abs(shift)).all()

    scores, scale = np.clip(x, -300, 300), np.float32(0.25)
    powers = np.exp((scores - scores.max(axis=1, keepdims=True)).astype(float) * scale)
    softmax(found := scores.copy(), scale)
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), atol=1e-6)


def test_attention_stays_inside_each_text() -> None:
    lengths, heads, d = [4, 4, 1, 3], 3, 12
    joint = np.random.default_rng(0).standard_normal((sum(lengths) + 2, 3 * d)).astype(np.float32)
    found, start = attention_within(joint, lengths, heads, COMPILED), 0
    for length in lengths:
        q, k, v = joint[start : start + length].reshape(length, 3, heads, -1).transpose(1, 2, 0, 3)
        weights = np.exp(q @ k.swapaxes(1, 2) / np.sqrt(d / heads))
        mixed = (weights / weights.sum(axis=2, keepdims=True)) @ v
        wanted = mixed.swapaxes(0, 1).reshape(length, d)
        np.testing.assert_allclose(found[start : start + length], wanted, atol=1e-5)
        start += length
    assert not found[start:].any()
