"""Exact attention as one operation: what it gives, its gradient, and compilers that take it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from graphagg.nn.attention.opaque import ragged_softmax
from tests.unit.nn.attention.batches import CHANNELS, HEADS, built, ragged


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_its_gradient_is_that_of_the_same_draws(dropout: float) -> None:
    graphs = ragged([4, 0, 7], 0)
    index = torch.repeat_interleave(torch.arange(3), torch.tensor(graphs.sizes))
    qkv = torch.randn(11, 3 * CHANNELS, dtype=torch.float64).requires_grad_()
    seed = torch.tensor([11])

    def of(values: Tensor) -> Tensor:
        out: Tensor = ragged_softmax(values, graphs.ptr, index, HEADS, dropout, seed)
        return out

    state = torch.get_rng_state()
    assert torch.autograd.gradcheck(of, (qkv,))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("exact", torch.float32), ("exact", torch.float64), ("performer", torch.float64)],
)
def test_a_compiled_layer_gives_the_same_and_exact_attention_is_one_graph(
    name: str, kind: torch.dtype
) -> None:
    torch.compiler.reset()
    module = built(name).to(kind)
    bound = 1e-9 if kind == torch.float64 else 1e-4

    def layer(x: Tensor, ptr: Tensor) -> Tensor:
        return torch.tanh(x + module(x.relu(), ptr=ptr))

    whole = name == "exact"
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=whole, dynamic=True)
    for sizes in ([4, 0, 9, 1], [12, 3]):
        graphs = ragged(sizes, 0)
        results = []
        for version in (layer, compiled):
            out = version(graphs.x.to(kind), graphs.ptr)
            gradients = torch.autograd.grad(out.square().sum(), list(module.parameters()))
            results.append((out, *gradients))
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=bound, atol=bound)
