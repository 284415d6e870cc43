"""Exact attention: equal to a dense softmax of each graph, with and without padding."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphagg.nn.attention import ExactAttention, buckets
from graphagg.nn.attention.buckets import SMALL, STEP, Buckets
from graphagg.nn.segments import Segments
from tests.unit.nn.attention.batches import CHANNELS, HEADS, Ragged, batches, built, ragged

TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}


def brute(module: ExactAttention, graphs: Ragged) -> Tensor:
    """Scores of each graph as a full matrix, head by head, straight from the formula."""
    outs = []
    width = CHANNELS // HEADS
    for x in graphs.x.split(graphs.sizes):
        q, k, v = (x @ module.in_proj_weight.T + module.in_proj_bias).chunk(3, 1)
        heads = []
        for head in range(HEADS):
            at = slice(head * width, (head + 1) * width)
            scores = q[:, at] @ k[:, at].T / math.sqrt(width)
            heads.append(scores.softmax(1) @ v[:, at])
        outs.append(torch.cat(heads, 1) @ module.out_proj.weight.T + module.out_proj.bias)
    return torch.cat(outs)


@settings(max_examples=25, deadline=None)
@given(graphs=batches())
def test_it_is_the_dense_softmax_of_each_graph(graphs: Ragged) -> None:
    module = built("exact")
    torch.testing.assert_close(module(graphs.x, ptr=graphs.ptr), brute(module, graphs), **TOLERANCE)


SIZES = st.lists(
    st.sampled_from([0, 1, 2, STEP - 1, STEP, STEP + 1, SMALL, SMALL + 1]), min_size=1, max_size=7
).filter(any)


@given(SIZES)
@settings(deadline=None)
def test_buckets_hold_every_row_once_and_copies_of_the_last_one(sizes: list[int]) -> None:
    segments = Segments.from_ptr(torch.tensor([0, *sizes]).cumsum(0), sum(sizes))
    made = Buckets.from_graphs(segments)
    rows = torch.arange(sum(sizes), dtype=torch.float64)[:, None]
    moved = made.sort(rows)
    assert torch.equal(made.restore(moved), rows)
    start = 0
    for (count, size), hidden in zip(made.shapes, made.hidden, strict=True):
        for graph in range(count):
            here = moved[start : start + size, 0].long()
            low, own = int(here[0]), sizes[int(segments.index[here[0]])]
            assert size == (-(-own // STEP) * STEP if max(sizes) <= SMALL else own)
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
    results = []
    for out in (module(graphs.x, ptr=graphs.ptr), brute(module, graphs)):
        results.append([out, *torch.autograd.grad((out * factors).sum(), wanted)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE)


@pytest.mark.parametrize("limits", [{}, {"SMALL": 0}, {"SMALL": 0, "_SCORES": 0}])
def test_dropped_weights_are_the_ones_that_the_gradient_leaves_out(
    limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gradient is that of the forward pass with the same draws; the mean is undropped.

    Small graphs, large ones, and those whose scores are computed in parts.
    """
    for name, limit in {"_SCORES_AT_ONCE": 20, **limits}.items():
        monkeypatch.setattr(buckets, name, limit)
    graphs = ragged([2, 4, 2, 7], 0)
    module = built("exact", dropout=0.4)

    def drawn(x: Tensor) -> Tensor:
        torch.manual_seed(7)
        out: Tensor = module(x, ptr=graphs.ptr)
        return out

    whole = module(graphs.x, ptr=graphs.ptr)
    module.train()
    assert torch.autograd.gradcheck(drawn, (graphs.x.clone().requires_grad_(),), fast_mode=True)
    draws = torch.stack([module(graphs.x, ptr=graphs.ptr).detach() for _ in range(40)])
    error = draws.std(0) / len(draws) ** 0.5
    assert bool(((draws.mean(0) - whole).abs() < 6 * error + 1e-9).all())
