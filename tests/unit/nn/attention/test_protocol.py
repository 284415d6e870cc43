"""What holds for every attention: a graph's output hangs on that graph alone, and bad input."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidBatch, InvalidFeatures
from graphagg.nn.attention import ATTENTIONS
from graphagg.nn.segments import Segments
from tests.unit.nn.attention.batches import CHANNELS, Ragged, batches, built, ragged, run

NAMES = sorted(ATTENTIONS)
TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None)
@given(graphs=batches(), seed=st.integers(0, 5))
def test_a_batch_changes_nothing(name: str, graphs: Ragged, seed: int) -> None:
    module = built(name, seed)
    out, grad, gradients = run(module, graphs)
    totals = {key: torch.zeros_like(value) for key, value in gradients.items()}
    for graph, size in enumerate(graphs.sizes):
        if not size:
            continue
        alone, grad_alone, of_parameters = run(module, graphs.alone(graph))
        rows = slice(int(graphs.ptr[graph]), int(graphs.ptr[graph + 1]))
        torch.testing.assert_close(out[rows], alone, **TOLERANCE)
        torch.testing.assert_close(grad[rows], grad_alone, **TOLERANCE)
        for key, value in of_parameters.items():
            totals[key] += value
    for key, value in gradients.items():
        torch.testing.assert_close(value, totals[key], **TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(graphs=batches(), seed=st.integers(0, 2**31))
def test_vertices_in_another_order_give_the_same(name: str, graphs: Ragged, seed: int) -> None:
    module = built(name)
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randperm(size, generator=generator) for size in graphs.sizes]
    order = torch.cat([p + int(low) for p, low in zip(parts, graphs.ptr[:-1], strict=True)])
    out = module(graphs.x, ptr=graphs.ptr)
    torch.testing.assert_close(module(graphs.x[order], ptr=graphs.ptr), out[order], **TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_all_ways_to_name_the_graphs_agree(name: str) -> None:
    module, graphs = built(name), ragged([3, 0, 4], 1)
    segments = Segments.from_ptr(graphs.ptr, 7)
    wanted = module(graphs.x, segments.index)
    for way in ({"ptr": graphs.ptr}, {"batch": segments.index, "ptr": graphs.ptr}):
        assert torch.equal(module(graphs.x, **way), wanted)
    assert torch.equal(module(graphs.x, segments=segments), wanted)
    one = graphs.alone(2)
    torch.testing.assert_close(module(one.x), wanted[3:], **TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_no_vertices(name: str) -> None:
    module = built(name)
    x = torch.zeros(0, CHANNELS, dtype=torch.float64, requires_grad=True)
    for ptr in (torch.tensor([0]), torch.tensor([0, 0, 0])):
        out = module(x, ptr=ptr)
        assert out.shape == (0, CHANNELS)
        out.sum().backward()
    lonely = torch.randn(3, CHANNELS, dtype=torch.float64)
    out = module(lonely, torch.arange(3))
    assert out.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_types(name: str) -> None:
    """float32 agrees with float64; bfloat16, by autocast or throughout, comes near."""
    graphs = ragged([5, 1, 14, 0, 20], 2)
    module = built(name)
    kw = {"ptr": graphs.ptr}
    wanted = module(graphs.x, **kw).float()
    module = module.float()
    single = module(graphs.x.float(), **kw)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, wanted, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        x = graphs.x.float().requires_grad_()
        out = module(x, **kw)
        out.float().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    scale = wanted.abs().max()
    assert (out.float() - wanted).abs().max() < 0.1 * scale
    half = module.bfloat16()(graphs.x.bfloat16(), **kw)
    assert half.dtype == torch.bfloat16
    assert (half.float() - wanted).abs().max() < 0.15 * scale


@pytest.mark.parametrize("name", NAMES)
def test_dropout_acts_in_training_alone(name: str) -> None:
    graphs, module = ragged([6, 9], 3), built(name, dropout=0.5)
    kw = {"ptr": graphs.ptr}
    wanted = built(name)(graphs.x, **kw)
    assert torch.equal(module(graphs.x, **kw), wanted)
    module.train()
    torch.manual_seed(0)
    assert not torch.allclose(module(graphs.x, **kw), wanted)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_is_refused_with_its_row(name: str, value: float) -> None:
    graphs = ragged([3, 4], 5)
    x = graphs.x.clone()
    x[4, 1] = value
    with pytest.raises(InvalidFeatures, match="row 4 of x holds NaN or infinity"):
        built(name)(x, ptr=graphs.ptr)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(4, CHANNELS + 1), "expected \\[N, 8\\]"),
        (torch.zeros(CHANNELS), "shape \\(8,\\)"),
        (torch.zeros(4, CHANNELS, dtype=torch.int64), "torch.int64; expected a float type"),
    ],
)
def test_features_of_the_wrong_kind(x: torch.Tensor, message: str) -> None:
    with pytest.raises(InvalidFeatures, match=message):
        built("exact")(x)


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ({"batch": torch.tensor([0, 0, 1])}, "3 entries for 4 rows"),
        ({"batch": torch.tensor([0, 1, 0, 1])}, "not sorted"),
        ({"ptr": torch.tensor([0, 3])}, "expected 0 to 4"),
        ({"ptr": torch.tensor([0, 2, 4]), "batch": torch.tensor([0, 0, 0, 1])}, "disagree"),
        ({"ptr": torch.tensor([0, 2, 4]), "batch": torch.tensor([0, 0])}, "disagree"),
        ({"segments": Segments.from_ptr(torch.tensor([0, 3]), 3)}, "hold 3 rows"),
    ],
)
def test_graphs_that_do_not_fit(way: dict, message: str) -> None:
    with pytest.raises(InvalidBatch, match=message):
        built("exact")(torch.zeros(4, CHANNELS, dtype=torch.float64), **way)
