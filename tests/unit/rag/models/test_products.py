"""Products with weights that are laid out once are those of plain linear layers."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu, linear

from graphagg.rag.models.encoding import products
from graphagg.rag.models.encoding.products import product_of

INPUTS, OUTPUTS = 48, 80


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
        monkeypatch.setattr(products, "_packing", lambda: None)
    drawn_of = (drawn(OUTPUTS, INPUTS), drawn(OUTPUTS), drawn(rows, INPUTS))
    weight, bias, x = (each.to(dtype) for each in drawn_of)
    plain = linear(x, weight, bias)
    wanted = gelu(plain) if with_gelu else plain
    with torch.inference_mode():
        found = product_of(weight, bias, with_gelu, packed=True)(x)
    torch.testing.assert_close(found, wanted, rtol=apart, atol=apart)


def test_what_is_taken_for_granted_of_pytorch() -> None:
    """Where the operations are, weights of both kinds go in and plain tensors come out."""
    if (ops := products._packing()) is None:
        pytest.skip("this PyTorch is without oneDNN")
    laid_out = ops._reorder_linear_weight(drawn(OUTPUTS, INPUTS))
    found = ops._linear_pointwise(drawn(3, INPUTS), laid_out, drawn(OUTPUTS), "gelu", [], "none")
    assert found.shape == (3, OUTPUTS) and found.layout == torch.strided


def test_texts_of_the_corpus_keep_their_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_packing", lambda: pytest.fail("not for many rows"))
    weight, bias, x = (drawn(*shape).bfloat16() for shape in ((8, 4), (8,), (2, 4)))
    found = product_of(weight, bias, False, packed=False)(x)
    assert torch.equal(found, linear(x, weight, bias))
