"""Exact attention: equal to a dense softmax per graph, with every form of bias and every engine."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphagg.errors import InvalidBatch, InvalidFeatures, InvalidParameter
from graphagg.nn.attention import (
    ExactAttention,
    PairBias,
    attention,
    buckets,
    fused,
)
from graphagg.nn.attention.buckets import SMALL, STEP, Buckets, bucketed_softmax
from graphagg.nn.attention.fused import block_mask, choose
from graphagg.nn.segments import Segments
from tests.unit.nn.attention.batches import CHANNELS, HEADS, Ragged, batches, built, ragged

TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}


def brute(module: ExactAttention, graphs: Ragged, bias: list[Tensor] | None = None) -> Tensor:
    """Scores of each graph as a full matrix, head by head, straight from the formula.

    `bias` holds `[n, n, H]` for each graph.
    """
    outs = []
    width = CHANNELS // HEADS
    for graph, x in enumerate(graphs.x.split(graphs.sizes)):
        q, k, v = (x @ module.in_proj_weight.T + module.in_proj_bias).chunk(3, 1)
        heads = []
        for head in range(HEADS):
            at = slice(head * width, (head + 1) * width)
            scores = q[:, at] @ k[:, at].T / math.sqrt(width)
            if bias is not None:
                scores = scores + bias[graph][:, :, head]
            heads.append(scores.softmax(1) @ v[:, at])
        outs.append(torch.cat(heads, 1) @ module.out_proj.weight.T + module.out_proj.bias)
    return torch.cat(outs)


@settings(max_examples=25, deadline=None)
@given(graphs=batches())
def test_it_is_the_dense_softmax_of_each_graph(graphs: Ragged) -> None:
    module = built("exact")
    torch.testing.assert_close(module(graphs.x, ptr=graphs.ptr), brute(module, graphs), **TOLERANCE)


@settings(max_examples=25, deadline=None)
@given(graphs=batches(), seed=st.integers(0, 2**31))
def test_a_bias_in_either_form_is_added_to_the_scores(graphs: Ragged, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    dense = [
        torch.randn(n, n, HEADS, generator=generator, dtype=torch.float64) for n in graphs.sizes
    ]
    flat = torch.cat([part.flatten(0, 1) for part in dense]).requires_grad_()
    module = built("exact")
    wanted = brute(module, graphs, dense)
    out = module(graphs.x, ptr=graphs.ptr, bias=flat)
    torch.testing.assert_close(out, wanted, **TOLERANCE)
    # The same pairs as a list, in any order, some of them in two halves.
    pairs = [
        torch.cartesian_prod(torch.arange(n), torch.arange(n)).view(-1, 2) + low
        for n, low in zip(graphs.sizes, graphs.ptr, strict=False)
    ]
    index, values = torch.cat([*pairs, *pairs]).T, torch.cat([flat / 4, 3 * flat / 4])
    order = torch.randperm(index.shape[1], generator=generator)
    listed = PairBias(index[:, order], values[order])
    torch.testing.assert_close(module(graphs.x, ptr=graphs.ptr, bias=listed), out, **TOLERANCE)
    (gradient,) = torch.autograd.grad(out.square().sum(), flat)
    rows = graphs.ptr[:2]
    if graphs.sizes[0]:
        part = graphs.alone(0)
        own = flat[: graphs.sizes[0] ** 2].detach().requires_grad_()
        alone = module(part.x, bias=own)
        torch.testing.assert_close(alone, out[rows[0] : rows[1]], **TOLERANCE)
        (wanted_gradient,) = torch.autograd.grad(alone.square().sum(), own)
        torch.testing.assert_close(gradient[: own.shape[0]], wanted_gradient, **TOLERANCE)


def test_pairs_that_are_not_listed_have_no_bias() -> None:
    graphs, module = ragged([4, 3], 0), built("exact")
    values = torch.randn(2, HEADS, dtype=torch.float64, requires_grad=True)
    dense = [torch.zeros(4, 4, HEADS).double(), torch.zeros(3, 3, HEADS).double()]
    dense[0][0, 2], dense[1][1, 0] = values.detach()
    bias = PairBias(torch.tensor([[0, 5], [2, 4]]), values)
    out = module(graphs.x, ptr=graphs.ptr, bias=bias)
    torch.testing.assert_close(out, brute(module, graphs, dense), **TOLERANCE)
    (gradient,) = torch.autograd.grad(out.sum(), values)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (torch.zeros(24, HEADS), r"shape \(24, 2\); wanted \[25, 2\]"),
        (torch.zeros(25, 1), r"wanted \[25, 2\]"),
        (PairBias(torch.zeros(2, 3).long(), torch.zeros(4, HEADS)), "wanted"),
        (PairBias(torch.tensor([[0], [5]]), torch.zeros(1, HEADS)), "joins two graphs"),
        (PairBias(torch.tensor([[0], [9]]), torch.zeros(1, HEADS)), "holds 9"),
        (PairBias(torch.tensor([[0.0], [1.0]]), torch.zeros(1, HEADS)), "torch.float32"),
    ],
)
def test_a_bias_that_does_not_fit(bias: Tensor | PairBias, message: str) -> None:
    with pytest.raises(InvalidBatch, match=message):
        built("exact")(torch.zeros(7, CHANNELS).double(), ptr=torch.tensor([0, 4, 7]), bias=bias)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_bias_that_is_not_finite(value: float) -> None:
    values = torch.zeros(16, HEADS).double()
    values[3, 1] = value
    index = torch.tensor([[0], [1]])
    for bias in (values, PairBias(index, values[3:4])):
        with pytest.raises(InvalidFeatures, match=f"the bias holds {value}; wanted finite"):
            built("exact")(torch.zeros(4, CHANNELS).double(), bias=bias)


def test_a_bias_of_minus_infinity_keeps_a_pair_apart() -> None:
    module, x = built("exact"), ragged([3], 2).x
    apart = torch.zeros(9, HEADS).double()
    apart[[2, 5]] = -math.inf  # nothing from the third vertex to the others
    torch.testing.assert_close(module(x, bias=apart)[:2], module(x[:2]))


SIZES = st.lists(
    st.sampled_from([0, 1, 2, STEP - 1, STEP, STEP + 1, SMALL, SMALL + 1]), min_size=1, max_size=7
).filter(any)


@given(SIZES, st.booleans())
@settings(deadline=None)
def test_buckets_hold_every_row_once_and_copies_of_the_last_one(
    sizes: list[int], biased: bool
) -> None:
    segments = Segments.from_ptr(torch.tensor([0, *sizes]).cumsum(0), sum(sizes))
    made = Buckets.from_graphs(segments, biased=biased)
    assert made.padded == (not biased and max(sizes) <= SMALL)
    rows = torch.arange(sum(sizes), dtype=torch.float64)[:, None]
    moved = made.sort(rows)
    assert torch.equal(made.restore(moved), rows)
    start = 0
    for (count, size), hidden in zip(made.shapes, made.hidden, strict=True):
        for graph in range(count):
            here = moved[start : start + size, 0].long()
            low, own = int(here[0]), sizes[int(segments.index[here[0]])]
            assert size == (-(-own // STEP) * STEP if made.padded else own)
            assert here.tolist() == [low + min(i, own - 1) for i in range(size)]
            if hidden is not None:
                assert hidden[graph, 0, 0].isinf().tolist() == [i >= own for i in range(size)]
            start += size
    assert start == len(moved)


@settings(max_examples=25, deadline=None)
@given(SIZES)
def test_padding_changes_nothing(sizes: list[int]) -> None:
    graphs, module = ragged(sizes, 3), built("exact")
    wanted = [graphs.x.requires_grad_(), *module.parameters()]
    factors = torch.randn(graphs.x.shape, generator=torch.Generator().manual_seed(1)).double()
    bias = torch.zeros(sum(n * n for n in sizes), HEADS).double()  # with one, nothing is padded
    results = []
    for given_bias in (None, bias):
        out = module(graphs.x, ptr=graphs.ptr, bias=given_bias)
        results.append([out, *torch.autograd.grad((out * factors).sum(), wanted)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE)


def test_dropped_weights_are_the_ones_that_the_gradient_leaves_out() -> None:
    """The gradient is that of the forward pass with the same draws; the mean is undropped."""
    graphs = ragged([5, 9, 5, 16], 0)
    module = built("exact", dropout=0.4)

    def drawn(x: Tensor) -> Tensor:
        torch.manual_seed(7)
        out: Tensor = module(x, ptr=graphs.ptr)
        return out

    whole = module(graphs.x, ptr=graphs.ptr)
    module.train()
    assert torch.autograd.gradcheck(drawn, (graphs.x.clone().requires_grad_(),))
    draws = torch.stack([module(graphs.x, ptr=graphs.ptr).detach() for _ in range(100)])
    error = draws.std(0) / len(draws) ** 0.5
    assert bool(((draws.mean(0) - whole).abs() < 6 * error + 1e-9).all())


@pytest.mark.parametrize("row", [2, 3])
def test_nan_reaches_its_own_graph_and_no_other(row: int) -> None:
    module, graphs = built("exact"), ragged([4, 5], 0)
    segments = Segments.from_ptr(graphs.ptr, 9)
    buckets = Buckets.from_graphs(segments)
    values = buckets.sort(torch.where(torch.arange(9)[:, None] == row, math.nan, graphs.x))
    out = buckets.restore(bucketed_softmax(*module.project(values), buckets).flatten(1))
    assert out.isnan().any(1).tolist() == [True] * 4 + [False] * 5


@pytest.mark.parametrize("at_once", [1, 30, 100])
def test_scores_in_parts_give_the_same(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = ragged([9, 4, 9, 1], 2)
    module, bias = built("exact"), torch.randn(81 + 16 + 81 + 1, HEADS).double().requires_grad_()
    weights = torch.randn_like(graphs.x)

    def run() -> tuple[Tensor, ...]:
        x = graphs.x.clone().requires_grad_()
        out = module(x, ptr=graphs.ptr, bias=bias)
        inputs = (x, bias, *module.parameters())
        return out, *torch.autograd.grad((out * weights).sum(), inputs)

    wanted = run()
    monkeypatch.setattr(buckets, "_SCORES", 0)
    monkeypatch.setattr(buckets, "_SCORES_AT_ONCE", at_once)
    for part, whole in zip(run(), wanted, strict=True):
        torch.testing.assert_close(part, whole, **TOLERANCE)


def test_scores_in_parts_are_dropped_alike_in_both_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_SCORES", 0)
    monkeypatch.setattr(buckets, "_SCORES_AT_ONCE", 40)
    graphs = ragged([7, 3], 3)
    module = built("exact", dropout=0.4, engine="buckets").train()

    def attend(x: Tensor) -> Tensor:
        torch.manual_seed(5)
        out: Tensor = module(x, ptr=graphs.ptr)
        return out

    x = graphs.x.clone().requires_grad_()
    assert not torch.allclose(attend(x), module.eval()(x, ptr=graphs.ptr))
    module.train()
    assert torch.autograd.gradcheck(attend, (x,))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("sizes", [[3, 0, 1, 200, 130, 7], [300], [1] * 140, [128, 128], [5]])
def test_the_block_mask_of_the_fused_engine_gives_the_same(
    sizes: list[int], with_bias: bool
) -> None:
    graphs, buckets = ragged(sizes, 1), built("exact", engine="buckets")
    flex = built("exact", engine="flex")
    flex.load_state_dict(buckets.state_dict())
    bias = torch.randn(sum(n * n for n in sizes), HEADS).double() if with_bias else None
    with torch.no_grad():
        wanted = buckets(graphs.x, ptr=graphs.ptr, bias=bias)
        torch.testing.assert_close(flex(graphs.x, ptr=graphs.ptr, bias=bias), wanted, **TOLERANCE)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=8).filter(any))
@settings(max_examples=25, deadline=None)
def test_the_block_mask_visits_exactly_the_blocks_with_a_pair(sizes: list[int]) -> None:
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    graphs = Segments.from_ptr(ptr, sum(sizes))
    same = graphs.index[:, None] == graphs.index
    side = -(-graphs.rows // 128)
    padded = torch.zeros(side * 128, side * 128, dtype=torch.bool)
    padded[: graphs.rows, : graphs.rows] = same
    wanted = padded.view(side, 128, side, 128).any(3).any(1)
    assert torch.equal(block_mask(graphs).to_dense()[0, 0].bool(), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("with_bias", [False, True])
def test_the_compiled_kernel_gives_the_same_on_a_cpu(
    with_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of CUDA, through the module, with FlexAttention compiled for a CPU."""
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    monkeypatch.setattr(fused, "flex", functools.partial(fused.flex, compiled=True))
    sizes = [3, 0, 1, 200, 130, 7]
    graphs = ragged(sizes, 1, channels=64)
    module = attention("exact", 64, 4, engine="buckets").eval()
    bias = torch.randn(sum(n * n for n in sizes), 4) if with_bias else None
    with torch.no_grad():
        wanted = module(graphs.x.float(), ptr=graphs.ptr, bias=bias)
        module.engine = "flex"
        before = counters["frames"]["ok"]
        out = module(graphs.x.float(), ptr=graphs.ptr, bias=bias)
    assert counters["frames"]["ok"] > before  # it was compiled
    torch.testing.assert_close(out, wanted, rtol=1e-5, atol=1e-5)


def test_an_engine_that_cannot_do_it_says_so() -> None:
    graphs = ragged([4], 0)
    with pytest.raises(InvalidParameter, match="wanted one of auto, buckets, flex, varlen"):
        attention("exact", CHANNELS, HEADS, engine="dense")
    with pytest.raises(InvalidParameter, match="varlen takes no bias"):
        built("exact", engine="varlen")(graphs.x, bias=torch.zeros(16, HEADS))
    with pytest.raises(InvalidParameter, match=r"float64 on cpu; wanted float16 .* on cuda"):
        built("exact", engine="varlen")(graphs.x)
    with pytest.raises(InvalidParameter, match="drops nothing"):
        built("exact", engine="flex", dropout=0.1).train()(graphs.x)


@pytest.mark.parametrize(
    ("device", "kind", "width", "drops", "biased", "engine"),
    [
        ("cpu", torch.bfloat16, 16, False, False, "buckets"),
        ("cuda", torch.float32, 16, False, False, "flex"),
        ("cuda", torch.float32, 16, False, True, "flex"),
        ("cuda", torch.bfloat16, 8, False, False, "varlen"),
        ("cuda", torch.bfloat16, 16, False, True, "flex"),
        ("cuda", torch.bfloat16, 16, True, False, "buckets"),
        ("cuda", torch.float32, 8, False, False, "buckets"),
        ("cuda", torch.float64, 16, False, False, "buckets"),
        ("cuda", torch.bfloat16, 20, False, False, "flex"),
    ],
)
def test_the_engine_is_one_that_can_do_it(
    device: str, kind: torch.dtype, width: int, drops: bool, biased: bool, engine: str
) -> None:
    pytest.importorskip("torch.nn.attention.varlen")
    assert choose(device, kind, width, drops=drops, biased=biased) == engine


@pytest.mark.gpu
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_cuda_gives_what_the_cpu_gives(with_bias: bool, kind: torch.dtype) -> None:
    """Forward and backward; 16-bit input without a bias takes varlen, the rest FlexAttention."""
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    graphs = ragged([3, 0, 1, 200, 130, 7], 1, channels=64)
    torch.manual_seed(0)
    module = attention("exact", 64, 4).eval()
    bias = torch.randn(int(sum(n * n for n in graphs.sizes)), 4) if with_bias else None
    results = []
    for device, dtype in (("cpu", torch.float32), ("cuda", kind)):
        module = module.to(device, dtype)
        module.zero_grad()
        x = graphs.x.to(device, dtype).requires_grad_()
        there = None if bias is None else bias.to(device, dtype).requires_grad_()
        out = module(x, ptr=graphs.ptr.to(device), bias=there)
        out.float().square().sum().backward()
        gradients = [x.grad] if there is None else [x.grad, there.grad]
        results.append([t.detach().float().cpu() for t in (out, *gradients)])
    near = {"rtol": 1e-3, "atol": 1e-3} if kind == torch.float32 else {"rtol": 0.1, "atol": 0.1}
    for there, here in zip(*results, strict=True):
        torch.testing.assert_close(there, here, **near)
