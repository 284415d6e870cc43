"""Layers in 8 bits and products with packed weights follow their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import gelu as torch_gelu
from torch.nn.functional import linear

from graphagg.rag import SentenceTransformerEncoder
from graphagg.rag.models import encoder as encoder_module
from graphagg.rag.models.encoding import products
from graphagg.rag.models.encoding.int8 import (
    Int8Linear,
    OutputTerms,
    QuantizedRows,
    activate,
    gelu,
    quantized,
)
from graphagg.rag.models.encoding.products import (
    EXACT_TERMS,
    exact_product,
    multiplies_exactly,
    product_of,
)

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 40)


def restored(rows: QuantizedRows) -> np.ndarray:
    """The values that quantized rows stand for, `[r, d]` float64."""
    return rows.scale[:, None].astype(float) * rows.values + rows.middle[:, None]


def drawn(seed: int, *shape: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * 10 ** rng.uniform(-3, 3)).astype(np.float32)


def drawn_sums(seed: int, r: int, d: int, o: int) -> tuple[np.ndarray, QuantizedRows, OutputTerms]:
    """The integer sums of a layer; the first row has one value, the second is 0."""
    x = drawn(seed, max(r, 2), d)
    x[0], x[1] = x[0, 0], 0
    linear = Int8Linear(*(torch.from_numpy(drawn(seed + 1, *shape)) for shape in ((o, d), (o,))))
    rows = quantized(torch.from_numpy(x))
    return linear.sums(rows), rows, linear.columns


def outputs_of(sums: np.ndarray, rows: QuantizedRows, columns: OutputTerms) -> np.ndarray:
    """The outputs of a layer by the formula, `[r, o]` float64."""
    scale, middle = (each[:, None].astype(float) for each in (rows.scale, rows.middle))
    return scale * columns.scale * sums + middle * columns.sums + columns.bias


def exact_gelu(x: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda y: y * 0.5 * math.erfc(-y / math.sqrt(2)))(x.astype(float))


@settings(max_examples=30)
@given(seed=SEEDS, r=SIZES, d=SIZES)
def test_a_row_is_kept_to_half_a_step(seed: int, r: int, d: int) -> None:
    x = drawn(seed, r, d)
    x[0] = x[0, 0]  # a row of one value is kept as it is
    rows = quantized(torch.from_numpy(x))
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
    x, weight, bias = drawn(seed, r, i), drawn(seed + 1, o, i), drawn(seed + 2, o)
    column_scale = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / np.float32(127), 1e-38)
    weights = np.round(weight / column_scale) * column_scale.astype(float)
    kept = restored(quantized(torch.from_numpy(x)))
    exact = kept @ weights.T + bias
    # Float32 rounds each of the terms that are added: q . v, m sum v, and b.
    room = 4e-5 * (np.abs(kept) @ np.abs(weights).T + np.abs(bias))
    room += 4e-5 * 256 * np.ptp(x, axis=1, keepdims=True) * np.abs(weights).sum(axis=1)
    linear = Int8Linear(torch.from_numpy(weight), torch.from_numpy(bias))
    assert (np.abs(linear(torch.from_numpy(x)).numpy() - exact) <= room).all()


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
    terms += 2 * np.abs(rows.middle[:, None] * columns.sums) + 2 * np.abs(columns.bias)
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
    linear = Int8Linear(torch.zeros(3, 5), torch.tensor([1.0, 2.0, 3.0]))
    assert linear(torch.from_numpy(drawn(0, 2, 5))).tolist() == [[1, 2, 3], [1, 2, 3]]


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


INPUTS, OUTPUTS = 48, 80
HEIGHTS = st.integers(1, 40)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("rows", [1, 2, 22, 65])
@pytest.mark.parametrize("with_gelu", [False, True])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(("dtype", "apart"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_equals_a_linear_layer(
    rows: int,
    with_gelu: bool,
    there: bool,
    dtype: torch.dtype,
    apart: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not there:
        monkeypatch.setattr(products, "_packing", lambda dtype: None)
    tensors = (normal(OUTPUTS, INPUTS), normal(OUTPUTS), normal(rows, INPUTS))
    weight, bias, x = (each.to(dtype) for each in tensors)
    plain = linear(x, weight, bias)
    wanted = torch_gelu(plain) if with_gelu else plain
    with torch.inference_mode():
        found = product_of(weight, bias, with_gelu, packed=True)(x)
    torch.testing.assert_close(found, wanted, rtol=apart, atol=apart)


def test_what_is_taken_for_granted_of_pytorch() -> None:
    """Where the operations are, weights of both kinds go in and plain tensors come out."""
    if (ops := products._packing(torch.float32)) is None:
        pytest.skip("this PyTorch is without oneDNN")
    laid_out = ops._reorder_linear_weight(normal(OUTPUTS, INPUTS))
    found = ops._linear_pointwise(normal(3, INPUTS), laid_out, normal(OUTPUTS), "gelu", [], "none")
    assert found.shape == (3, OUTPUTS) and found.layout == torch.strided


def test_texts_of_the_corpus_keep_their_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_packing", lambda dtype: pytest.fail("not for many rows"))
    weight, bias, x = (normal(*shape).bfloat16() for shape in ((8, 4), (8,), (2, 4)))
    found = product_of(weight, bias, False, packed=False)(x)
    assert torch.equal(found, linear(x, weight, bias))


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    r=st.integers(1, 40),
    i=st.integers(1, 3000),
    o=st.integers(1, 40),
)
def test_products_are_exact_by_either_way(seed: int, r: int, i: int, o: int) -> None:
    """Also where all terms are as large as can be, which is where sums in 16 bits fail."""
    rng = np.random.default_rng(seed)
    x, weight = (rng.integers(-128, 128, (n, i)).astype(np.int8) for n in (r, o))
    x[0], weight[0] = -128, -128
    wanted = x.astype(np.int64) @ weight.astype(np.int64).T
    for exactly in {multiplies_exactly(), False}:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(products, "multiplies_exactly", lambda exactly=exactly: exactly)
            product = exact_product(torch.from_numpy(weight))
        assert np.array_equal(product(torch.from_numpy(x)).numpy(), wanted)
    assert EXACT_TERMS * 128 * 128 <= 2**24
