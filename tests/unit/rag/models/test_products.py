"""Products with weights that are laid out once are those of plain linear layers; exact ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import gelu, linear

from graphagg.rag.models.encoding import products
from graphagg.rag.models.encoding.products import (
    EXACT_TERMS,
    exact_product,
    multiplies_exactly,
    product_of,
)

INPUTS, OUTPUTS = 48, 80
HEIGHTS = st.integers(1, 40)


def drawn(*shape: int) -> torch.Tensor:
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
    drawn_of = (drawn(OUTPUTS, INPUTS), drawn(OUTPUTS), drawn(rows, INPUTS))
    weight, bias, x = (each.to(dtype) for each in drawn_of)
    plain = linear(x, weight, bias)
    wanted = gelu(plain) if with_gelu else plain
    with torch.inference_mode():
        found = product_of(weight, bias, with_gelu, packed=True)(x)
    torch.testing.assert_close(found, wanted, rtol=apart, atol=apart)


def test_what_is_taken_for_granted_of_pytorch() -> None:
    """Where the operations are, weights of both kinds go in and plain tensors come out."""
    if (ops := products._packing(torch.float32)) is None:
        pytest.skip("this PyTorch is without oneDNN")
    laid_out = ops._reorder_linear_weight(drawn(OUTPUTS, INPUTS))
    found = ops._linear_pointwise(drawn(3, INPUTS), laid_out, drawn(OUTPUTS), "gelu", [], "none")
    assert found.shape == (3, OUTPUTS) and found.layout == torch.strided


def test_texts_of_the_corpus_keep_their_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_packing", lambda dtype: pytest.fail("not for many rows"))
    weight, bias, x = (drawn(*shape).bfloat16() for shape in ((8, 4), (8,), (2, 4)))
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
