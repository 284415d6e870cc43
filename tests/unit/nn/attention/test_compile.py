"""`torch.compile` takes every attention and changes nothing."""

from __future__ import annotations

import pytest
import torch

from graphagg.nn.attention import ATTENTIONS
from tests.unit.nn.attention.batches import built, ragged

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", sorted(ATTENTIONS))
def test_compiled_is_what_it_was(name: str) -> None:
    torch.compiler.reset()
    module = built(name)
    compiled = torch.compile(module)
    for sizes in ([4, 0, 30, 1], [12, 12, 3]):
        graphs = ragged(sizes, 0)
        kw = {"ptr": graphs.ptr, "edge_index": graphs.edge_index}
        out, wanted = compiled(graphs.x, **kw), module(graphs.x, **kw)
        torch.testing.assert_close(out, wanted, rtol=1e-9, atol=1e-9)
        mine = torch.autograd.grad(out.square().sum(), list(module.parameters()), allow_unused=True)
        theirs = torch.autograd.grad(
            wanted.square().sum(), list(module.parameters()), allow_unused=True
        )
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
