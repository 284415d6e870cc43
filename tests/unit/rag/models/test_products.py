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
def test_equals_a_linear_layer(
    rows: int, with_gelu: bool, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not there:
        monkeypatch.setattr(products, "_packing", lambda: None)
    weight, bias, x = drawn(OUTPUTS, INPUTS), drawn(OUTPUTS), drawn(rows, INPUTS)
    plain = linear(x, weight, bias)
    wanted = gelu(plain) if with_gelu else plain
    with torch.inference_mode():
        found = product_of(weight, bias, with_gelu, packed=True)(x)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_what_is_taken_for_granted_of_pytorch() -> None:
    """Where the operations are, weights of both kinds go in and plain tensors come out."""
    if (ops := products._packing()) is None:
        pytest.skip("this PyTorch is without oneDNN")
    laid_out = ops._reorder_linear_weight(drawn(OUTPUTS, INPUTS))
    found = ops._linear_pointwise(drawn(3, INPUTS), laid_out, drawn(OUTPUTS), "gelu", [], "none")
    assert found.shape == (3, OUTPUTS) and found.layout == torch.strided


def test_other_types_stay_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of the corpus in bfloat16 keep their bits."""
    monkeypatch.setattr(products, "_packing", lambda: pytest.fail("not for bfloat16"))
    weight, bias, x = (drawn(*shape).bfloat16() for shape in ((8, 4), (8,), (2, 4)))
    found = product_of(weight, bias, False, packed=True)(x)
    assert torch.equal(found, linear(x, weight, bias))
