"""Packs of small graphs: the buckets' result and gradients, and the weights that they drop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphagg.errors import InvalidParameter
from graphagg.nn.attention import ExactAttention, packed
from graphagg.nn.attention.packed import LARGEST, STEP, Packs
from graphagg.nn.segments import Segments
from tests.unit.nn.attention.batches import ragged

WIDTH, HEADS = 12, 3
SIZES = st.lists(
    st.sampled_from([0, 1, 2, STEP - 1, STEP, STEP + 1, 3 * STEP, LARGEST]), min_size=1, max_size=7
)


def outcome(engine: str, sizes: list[int], *, gate: bool = False) -> list[Tensor]:
    """Output and all gradients by an engine; the same weights and rows for each."""
    torch.manual_seed(0)
    module = ExactAttention(WIDTH, HEADS, energy_gate=gate, engine=engine).double()
    graphs = ragged(sizes, 3, channels=WIDTH)
    x = graphs.x.clone().requires_grad_()
    out = module(x, ptr=graphs.ptr)
    wanted = [x, *module.parameters()]
    factors = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).double()
    return [out.detach(), *torch.autograd.grad((out * factors).sum(), wanted)]


@settings(max_examples=25)
@given(SIZES.filter(any), st.booleans())
@example([LARGEST, 0, 1], True)
def test_packs_give_what_buckets_give(sizes: list[int], gate: bool) -> None:
    for one, other in zip(
        *(outcome(e, sizes, gate=gate) for e in ("packs", "buckets")), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@settings(max_examples=25)
@given(SIZES.filter(any), st.integers(1, 3))
def test_every_row_has_one_place_and_the_rest_is_padding(sizes: list[int], heads: int) -> None:
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    packs = Packs.of(Segments.from_ptr(ptr, int(ptr[-1])), heads)
    total = sum(strips * size for strips, size in packs.shapes)
    assert total == heads * sum(-(-size // STEP) * STEP for size in sizes)
    for rows, places, parts in (
        (packs.rows, packs.places, 3),
        (packs.out_rows, packs.out_places, 1),
    ):
        assert len(rows) == parts * total
        assert torch.equal(rows[places.long()].long(), torch.arange(parts * heads * int(ptr[-1])))
    real = torch.zeros(total).index_fill_(0, packs.out_places.long(), 1.0)
    assert torch.equal(packs.real.view(-1), real)


def test_dropped_weights_are_the_ones_that_the_gradient_leaves_out() -> None:
    """The gradient is that of the forward pass with the same draws; the mean is undropped."""
    heads, sizes = 2, [5, 9, 5, 16]
    graphs = ragged(sizes, 0, channels=8)
    packs = Packs.of(Segments.from_ptr(graphs.ptr, len(graphs.x)), heads)
    qkv = torch.randn(len(graphs.x), 24, dtype=torch.float64).requires_grad_()

    def drawn(values: Tensor) -> Tensor:
        torch.manual_seed(7)
        return packed.attend(values, packs, heads, 0.4)

    assert torch.autograd.gradcheck(drawn, (qkv,))
    whole = packed.attend(qkv, packs, heads, 0.0)
    draws = torch.stack([packed.attend(qkv.detach(), packs, heads, 0.4) for _ in range(100)])
    error = draws.std(0) / len(draws) ** 0.5
    assert bool(((draws.mean(0) - whole).abs() < 6 * error + 1e-9).all())


def test_packs_take_no_bias() -> None:
    module = ExactAttention(WIDTH, HEADS, engine="packs").double()
    with pytest.raises(InvalidParameter, match="packs takes no bias; wanted buckets or auto"):
        module(ragged([3], 0, channels=WIDTH).x, bias=torch.zeros(9, HEADS).double())
