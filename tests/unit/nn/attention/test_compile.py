"""A compiled model with attention in it gives what it gave."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.unit.nn.attention.batches import CHANNELS, built, ragged


class Model(torch.nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.before = torch.nn.Linear(CHANNELS, CHANNELS).double()
        self.attend = built(name)

    def forward(self, x: Tensor, ptr: Tensor) -> Tensor:
        h = torch.relu(self.before(x))
        return torch.tanh(h + self.attend(h, ptr=ptr))


def test_a_compiled_model_gives_the_same() -> None:  # exact: test_opaque.py
    torch.compiler.reset()
    model = Model("performer")
    compiled = torch.compile(model, backend="aot_eager", dynamic=True)
    for sizes in ([4, 0, 9, 1], [12, 3]):
        graphs = ragged(sizes, 0)
        results = []
        for version in (model, compiled):
            out = version(graphs.x, graphs.ptr)
            gradients = torch.autograd.grad(out.square().sum(), list(model.parameters()))
            results.append((out, *gradients))
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
