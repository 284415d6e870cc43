"""Layers in 8 bits: exact products, and kernels that follow their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.rag import SentenceTransformerEncoder
from graphagg.rag.models import encoder as encoder_module
from graphagg.rag.models.encoding import products
from graphagg.rag.models.encoding.int8 import (
    Columns,
    Linear,
    Norm,
    Rows,
    finish,
    finish_and_norm,
    finish_with_gelu,
    quantize,
)
from graphagg.rag.models.weights import load

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 40)


def rows_of(x: np.ndarray) -> Rows:
    room = Rows(np.empty(x.shape, np.int8), *np.empty((2, len(x)), np.float32))
    quantize(x, room)
    return room


def plain(rows: Rows) -> np.ndarray:
    """The numbers that rows stand for, `[r, d]` float64."""
    return rows.scale[:, None].astype(float) * rows.values + rows.middle[:, None]


def drawn(seed: int, *shape: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * 10 ** rng.uniform(-3, 3)).astype(np.float32)


@settings(max_examples=30)
@given(seed=SEEDS, r=SIZES, d=SIZES)
def test_a_row_is_kept_to_half_a_step(seed: int, r: int, d: int) -> None:
    x = drawn(seed, r, d)
    x[0] = x[0, 0]  # a row of one value is kept as it is
    rows = rows_of(x)
    span = np.ptp(x.astype(float), axis=1, keepdims=True)
    apart = np.abs(plain(rows) - x)
    assert (apart <= span / 510 + 1e-4 * np.abs(x).max()).all()
    assert (apart[0] <= 1e-6 * np.abs(x[0])).all()


@settings(max_examples=20)
@given(seed=SEEDS, r=SIZES, i=SIZES, o=SIZES)
def test_a_layer_is_what_its_rows_and_columns_stand_for(seed: int, r: int, i: int, o: int) -> None:
    rows = rows_of(drawn(seed, r, i))
    weight, bias = drawn(seed + 1, o, i), drawn(seed + 2, o)
    layer = Linear.made(torch.from_numpy(weight), torch.from_numpy(bias))
    product = layer.of(torch.from_numpy(rows.values))
    near = np.abs(weight).max(axis=1, keepdims=True) / 127
    kept = np.round(weight / near) * near.astype(float)
    wanted = plain(rows) @ kept.T + bias
    room = 1e-5 * (np.abs(plain(rows)) @ np.abs(kept).T + np.abs(bias)) + 1e-6 * np.abs(wanted)

    out = np.empty((r, o), np.float32)
    finish(product, rows, layer.columns, out)
    assert (np.abs(out - wanted) <= room + 128 * 2e-5 * np.abs(rows.scale[:, None])).all()

    into = Rows(np.empty((r, o), np.int8), *np.empty((2, r), np.float32))
    finish_with_gelu(product, rows, layer.columns, into)
    gelu = np.vectorize(lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)))(out.astype(float))
    least, most = gelu.min(axis=1, keepdims=True), gelu.max(axis=1, keepdims=True)
    size = 1e-5 * np.abs(gelu).max(axis=1, keepdims=True) + 1e-6
    assert (np.abs(plain(into) - gelu) <= (most - least) / 510 + size).all()

    x = drawn(seed + 3, r, o)
    norm = Norm(drawn(seed + 4, o), drawn(seed + 5, o), np.float32(1e-12))
    summed = out.astype(float) + x
    apart = summed - summed.mean(axis=1, keepdims=True)
    deviation = np.sqrt((apart**2).mean(axis=1, keepdims=True))
    finish_and_norm(product, rows, layer.columns, x, norm, into)
    told = deviation[:, 0] > 1e-3 * np.abs(summed).max(axis=1)  # else rounding is all there is
    normed = apart / np.maximum(deviation, 1e-6) * norm.weight + norm.bias
    np.testing.assert_allclose(x[told], normed[told], rtol=0, atol=2e-3 * np.abs(normed).max())
    span = np.ptp(x, axis=1, keepdims=True) / 510 + 1e-4 * np.abs(x).max()
    assert (np.abs(plain(into) - x) <= span).all()


def test_columns_of_zeros_stay_zeros() -> None:
    layer = Linear.made(torch.zeros(3, 5), torch.tensor([1.0, 2.0, 3.0]))
    rows, out = rows_of(drawn(0, 2, 5)), np.empty((2, 3), np.float32)
    finish(layer.of(torch.from_numpy(rows.values)), rows, layer.columns, out)
    assert isinstance(layer.columns, Columns) and np.array_equal(out, [[1, 2, 3], [1, 2, 3]])


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


def test_of_another_kind_of_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "is_bert", lambda model: False)
    monkeypatch.setattr(encoder_module, "load_encoder", load)
    with pytest.raises(InvalidParameter, match="int8 is for BERT models"):
        SentenceTransformerEncoder(dtype="int8").encode(["a"])
    assert SentenceTransformerEncoder().spec.settings["dtype"] != "int8"
