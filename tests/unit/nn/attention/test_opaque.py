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


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_compiled_layer_is_one_graph_for_batches_of_all_sizes(kind: torch.dtype) -> None:
    torch.compiler.reset()
    module = built("exact").to(kind)
    bound = 1e-9 if kind == torch.float64 else 1e-4
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True, dynamic=True)
    for sizes in ([4, 0, 9, 1], [12, 3]):
        graphs = ragged(sizes, 0)
        results = []
        for version in (module, compiled):
            out = version(graphs.x.to(kind), ptr=graphs.ptr)
            gradients = torch.autograd.grad(out.square().sum(), list(module.parameters()))
            results.append((out, *gradients))
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=bound, atol=bound)
