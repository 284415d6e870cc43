"""The compiled kernel of small graphs: the buckets' result and gradients, and its draws."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphagg.errors import InvalidParameter
from graphagg.kernels.attention import SIDE, Heads, attend, differentiate, filled_up
from graphagg.nn.attention import ExactAttention
from graphagg.nn.attention.small import LARGEST, small_softmax, squares
from graphagg.nn.segments import Segments
from tests.unit.nn.attention.batches import ragged

SIZES = st.lists(
    st.sampled_from([0, 1, 2, SIDE - 1, SIDE, SIDE + 1, 3 * SIDE, 67]), min_size=1, max_size=7
).filter(any)
SHAPES = st.sampled_from([(1, 1), (3, 4), (2, 8), (2, 13), (1, 16), (2, 20)])  # heads, width of one


def outcome(engine: str, sizes: list[int], shape: tuple[int, int], *, gate: bool) -> list[Tensor]:
    """Output and all gradients by an engine, as float64; the buckets compute in it."""
    torch.manual_seed(0)
    heads, width = shape
    module = ExactAttention(heads * width, heads, energy_gate=gate, engine=engine)
    graphs = ragged(sizes, 3, channels=heads * width)
    kind = torch.float32 if engine == "kernel" else torch.float64
    x = graphs.x.to(kind).requires_grad_()
    module.to(kind)
    out = module(x, ptr=graphs.ptr)
    wanted = [x, *module.parameters()]
    factors = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(kind)
    found = [out.detach(), *torch.autograd.grad((out * factors).sum(), wanted)]
    return [values.double() for values in found]


@settings(max_examples=25)
@given(SIZES, SHAPES, st.booleans())
@example([LARGEST, 0, 1], (2, 13), True)
@example([LARGEST + 3], (2, 8), False)
def test_the_kernel_gives_what_buckets_give(
    sizes: list[int], shape: tuple[int, int], gate: bool
) -> None:
    pair = (outcome(engine, sizes, shape, gate=gate) for engine in ("kernel", "buckets"))
    for one, other in zip(*pair, strict=True):
        # Sums of some hundred float32 numbers.
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(other.abs().max() + 1))


@settings(max_examples=25)
@given(SIZES, SHAPES, st.integers(0, 2**31))
def test_a_graph_gives_the_same_bits_alone_and_in_a_batch(
    sizes: list[int], shape: tuple[int, int], seed: int
) -> None:
    heads, width = shape
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    generator = torch.Generator().manual_seed(seed)
    qkv = torch.randn(int(ptr[-1]), 3 * heads * width, generator=generator).requires_grad_()
    out = small_softmax(qkv, Segments.from_ptr(ptr, len(qkv)), heads, 0.0)
    (grad,) = torch.autograd.grad(out, qkv, torch.cos(out.detach()))
    with torch.no_grad():
        assert torch.equal(out, small_softmax(qkv, Segments.from_ptr(ptr, len(qkv)), heads, 0.0))
    for low, high in pairwise(ptr.tolist()):
        if low < high:
            own = qkv[low:high].detach().requires_grad_()
            whole = Segments.of(high - low, None, None, qkv.device)
            alone = small_softmax(own, whole, heads, 0.0)
            assert torch.equal(alone, out[low:high])
            (found,) = torch.autograd.grad(alone, own, torch.cos(alone.detach()))
            assert torch.equal(found, grad[low:high])


@settings(max_examples=25)
@given(SIZES, SHAPES, st.integers(0, 2**31), st.floats(0.01, 0.99))
def test_dropped_weights_are_the_ones_that_the_gradient_leaves_out(
    sizes: list[int], shape: tuple[int, int], seed: int, dropout: float
) -> None:
    """Forward and backward are those of PyTorch with the kernel's draws as a mask."""
    heads, width = shape
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    graphs = Segments.from_ptr(ptr, int(ptr[-1]))
    generator = torch.Generator().manual_seed(seed)
    qkv = torch.randn(graphs.rows, 3 * heads * width, generator=generator)
    factors = torch.randn(graphs.rows, heads * width, generator=generator)
    step = round(dropout * 2**16)
    batch = Heads(qkv.numpy(), ptr.numpy(), heads, step, np.uint64(seed))
    weights = np.zeros(heads * squares(graphs), np.float32)
    out, into = torch.empty_like(factors), torch.empty_like(qkv)
    attend(batch, graphs.longest, True, weights, out.numpy())
    differentiate(batch, graphs.longest, weights, factors.numpy(), into.numpy())

    leaf = qkv.double().requires_grad_()
    wanted, at = [], 0
    for low, high in pairwise(ptr.tolist()):
        side, mixed = filled_up(high - low), []
        for head in range(heads):
            square = torch.from_numpy(weights[at : at + side * side]).view(side, side)
            kept = ~square[: high - low, : high - low].T.signbit()
            at += side * side
            q, k, v = leaf[low:high].view(-1, 3, heads, width)[:, :, head].unbind(1)
            weight = torch.softmax(q @ k.T / math.sqrt(width), 1)
            mixed.append(weight * kept * (2**16 / (2**16 - step)) @ v)
        wanted.append(torch.cat(mixed, 1))
    expected = torch.cat(wanted)
    (gradient,) = torch.autograd.grad(expected, leaf, factors.double())
    for found, right in ((out, expected), (into, gradient)):
        bound = 1e-5 * float(right.detach().abs().max() + 1)
        torch.testing.assert_close(found.double(), right.detach(), rtol=1e-4, atol=bound)


def test_the_mean_of_draws_is_the_undropped_result() -> None:
    ptr = torch.tensor([0, 5, 14, 19, 35])
    graphs = Segments.from_ptr(ptr, 35)
    torch.manual_seed(7)
    qkv = torch.randn(35, 24)
    whole = small_softmax(qkv, graphs, 2, 0.0)
    draws = torch.stack([small_softmax(qkv, graphs, 2, 0.4) for _ in range(200)])
    error = draws.std(0) / len(draws) ** 0.5
    assert bool(((draws.mean(0) - whole).abs() < 6 * error + 1e-6).all())


@pytest.mark.parametrize("column", [0, 8, 16])
def test_nan_is_not_lost(column: int) -> None:
    """In a query, a key or a value, it reaches the rows that it must, and no other graph."""
    qkv = torch.randn(9, 24)
    qkv[2, column] = math.nan
    out = small_softmax(qkv, Segments.from_ptr(torch.tensor([0, 4, 9]), 9), 1, 0.0)
    rows = out.isnan().any(1).tolist()
    assert rows == ([False, False, True, False] if column == 0 else [True] * 4) + [False] * 5


def test_what_the_kernel_does_not_read_is_told() -> None:
    module = ExactAttention(12, 3, engine="kernel")
    with pytest.raises(InvalidParameter, match="kernel takes no bias; wanted buckets or auto"):
        module(torch.ones(3, 12), bias=torch.zeros(9, 3))
    with pytest.raises(InvalidParameter, match=r"reads float32 .* wanted packs or auto"):
        module.double()(torch.ones(3, 12).double())


def test_it_has_no_second_derivative() -> None:
    qkv = torch.randn(5, 24, requires_grad=True)
    out = small_softmax(qkv, Segments.of(5, None, None, qkv.device), 2, 0.0)
    (grad,) = torch.autograd.grad(out.square().sum(), qkv, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()
