"""Ragged batches for the tests of attention, and what each graph alone gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from graphagg.nn.attention import ATTENTIONS, GraphAttention

CHANNELS, HEADS = 8, 2


@dataclass(frozen=True)
class Ragged:
    """Graphs of the given sizes with random features."""

    sizes: list[int]
    x: Tensor

    @property
    def ptr(self) -> Tensor:
        return torch.tensor([0, *self.sizes]).cumsum(0)

    def alone(self, graph: int) -> Ragged:
        """One graph of the batch by itself."""
        low, high = int(self.ptr[graph]), int(self.ptr[graph + 1])
        return Ragged([high - low], self.x[low:high])


def ragged(sizes: list[int], seed: int, channels: int = CHANNELS) -> Ragged:
    generator = torch.Generator().manual_seed(seed)
    return Ragged(sizes, torch.randn(sum(sizes), channels, generator=generator).double())


def batches(largest: int = 16) -> st.SearchStrategy[Ragged]:
    """Up to six graphs, empty ones and single vertices among them, at least one vertex in all."""
    sizes = st.lists(st.integers(0, largest), min_size=1, max_size=6).filter(any)
    return st.builds(ragged, sizes, st.integers(0, 2**31))


def built(name: str, weights: int = 0, **options: object) -> GraphAttention:
    """The named attention in float64 and eval mode, no parameter at a special value."""
    torch.manual_seed(weights)
    module = ATTENTIONS[name](CHANNELS, HEADS, **options).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return module.eval()


def run(module: GraphAttention, graphs: Ragged) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Output, gradient of the features, and gradients of the parameters, of a weighted sum.

    The weights hang on the place of a channel and the value of the input alone, so that the loss
    of a batch is the sum of the losses of its graphs.
    """
    module.zero_grad()
    x = graphs.x.clone().requires_grad_()
    out = module(x, ptr=graphs.ptr)
    (out * torch.cos(torch.arange(out.shape[1]) + 3 * graphs.x)).sum().backward()
    assert x.grad is not None
    gradients = {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in module.named_parameters()
    }
    return out.detach(), x.grad, gradients
