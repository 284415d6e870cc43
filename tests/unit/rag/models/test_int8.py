"""Layers in 8 bits: exact products, and kernels that follow their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.rag import SentenceTransformerEncoder
from graphagg.rag.models import encoder as encoder_module
from graphagg.rag.models.encoding import products
from graphagg.rag.models.encoding.int8 import int8_product, quantize

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 40)


def quantized(x: np.ndarray) -> np.ndarray:
    """The values that the quantized rows stand for, `[r, d]` float64."""
    values, least = np.empty(x.shape, np.int8), x.min(axis=1)
    scale = (x.max(axis=1) - least) / np.float32(255)
    middle = least + np.float32(128) * scale
    quantize(x, scale, middle, values)
    return scale[:, None].astype(float) * values + middle[:, None]


def drawn(seed: int, *shape: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * 10 ** rng.uniform(-3, 3)).astype(np.float32)


@settings(max_examples=30)
@given(seed=SEEDS, r=SIZES, d=SIZES)
def test_a_row_is_kept_to_half_a_step(seed: int, r: int, d: int) -> None:
    x = drawn(seed, r, d)
    x[0] = x[0, 0]  # a row of one value is kept as it is
    kept = quantized(x)
    span = np.ptp(x.astype(float), axis=1, keepdims=True)
    apart = np.abs(kept - x)
    assert (apart <= span / 510 + 1e-4 * np.abs(x).max()).all()
    assert (apart[0] <= 1e-6 * np.abs(x[0])).all()


@settings(max_examples=20)
@given(seed=SEEDS, r=SIZES, i=SIZES, o=SIZES)
def test_a_layer_is_that_of_its_quantized_rows_and_weights(
    seed: int, r: int, i: int, o: int
) -> None:
    x, weight, bias = drawn(seed, r, i), drawn(seed + 1, o, i), drawn(seed + 2, o)
    column_scale = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / np.float32(127), 1e-38)
    weights = np.round(weight / column_scale) * column_scale.astype(float)
    exact = quantized(x) @ weights.T + bias
    # Float32 rounds each of the terms that are added: q . v, m sum v, and b.
    room = 4e-5 * (np.abs(quantized(x)) @ np.abs(weights).T + np.abs(bias))
    room += 4e-5 * 256 * np.ptp(x, axis=1, keepdims=True) * np.abs(weights).sum(axis=1)
    tensors = torch.from_numpy(weight), torch.from_numpy(bias)
    linear = int8_product(*tensors, False)(torch.from_numpy(x)).numpy()
    assert (np.abs(linear - exact) <= room).all()
    with_gelu = int8_product(*tensors, True)(torch.from_numpy(x)).numpy()
    expected = np.vectorize(lambda y: y * 0.5 * math.erfc(-y / math.sqrt(2)))(linear.astype(float))
    np.testing.assert_allclose(with_gelu, expected, rtol=1e-5, atol=1e-6)


def test_weights_of_zeros_leave_the_bias() -> None:
    product = int8_product(torch.zeros(3, 5), torch.tensor([1.0, 2.0, 3.0]), False)
    assert product(torch.from_numpy(drawn(0, 2, 5))).tolist() == [[1, 2, 3], [1, 2, 3]]


def test_near_the_model_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the same bits where the processor has no instructions for it."""
    texts = ["Ada Lovelace wrote notes on an engine.", "Who met Babbage in London?", ""]
    own = SentenceTransformerEncoder(dtype="int8").encode(texts)
    exact = SentenceTransformerEncoder(dtype="float32").encode(texts)
    assert ((own * exact).sum(axis=1) > 0.99).all()
    assert not np.array_equal(own, exact)
    monkeypatch.setattr(products, "multiplies_exactly", lambda: False)
    assert np.array_equal(SentenceTransformerEncoder(dtype="int8").encode(texts), own)


def test_taken_where_the_processor_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    def dtype_of(exactly: bool) -> object:
        monkeypatch.setattr(encoder_module, "multiplies_exactly", lambda: exactly)
        return SentenceTransformerEncoder(device="cpu").spec.settings["dtype"]

    assert dtype_of(True) == "int8" and dtype_of(False) in ("bfloat16", "float32")
