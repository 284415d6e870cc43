"""Ragged batches, and what an aggregator makes of each segment alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor, nn


class PairMLP(nn.Module):
    """An operator of the user's own, which commutes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Linear(2 * channels, 2 * channels)
        self.second = nn.Linear(2 * channels, channels)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """`[P, d]` and `[P, d]` to `[P, d]`."""
        pair = torch.cat([a + b, (a - b).abs()], dim=-1)
        return 0.5 * (a + b) + self.second(self.first(pair).relu())


def operator_of(name: str, channels: int) -> str | nn.Module:
    """The operator of that name, or a module of the user's own."""
    return PairMLP(channels) if name == "own" else name


@dataclass(frozen=True)
class Ragged:
    """`sizes` of the segments, and rows of width 4 drawn from `seed`."""

    sizes: tuple[int, ...]
    seed: int

    @property
    def index(self) -> Tensor:
        return torch.repeat_interleave(torch.arange(len(self.sizes)), torch.tensor(self.sizes))

    @property
    def ptr(self) -> Tensor:
        return torch.tensor([0, *torch.tensor(self.sizes, dtype=torch.long).cumsum(0).tolist()])

    def rows(self) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        rows = torch.randn(sum(self.sizes), 4, dtype=torch.float64, generator=generator)
        return rows.requires_grad_()


def ragged(largest: int = 12, empty: bool = True) -> st.SearchStrategy[Ragged]:
    sizes = st.lists(st.integers(0 if empty else 1, largest), min_size=1, max_size=7)
    return st.builds(Ragged, sizes.map(tuple), st.integers(0, 2**31))


def randomized(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in float64, each parameter drawn anew (no zero identity, no zero bias)."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double()
    for parameter in module.parameters():
        drawn = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
        parameter.data = 0.4 * drawn
    return module


def outcome(module: nn.Module, x: Tensor, out: Tensor) -> list[Tensor]:
    """Output, and gradients of x and of all parameters under fixed weights of the output."""
    weights = torch.linspace(-1.0, 1.0, out.size(-1), dtype=out.dtype)
    module.zero_grad()
    grads = torch.autograd.grad((out * weights).sum(), [x, *module.parameters()], allow_unused=True)
    wanted = [x, *module.parameters()]
    dense = (torch.zeros_like(w) if g is None else g for g, w in zip(grads, wanted, strict=True))
    return [out.detach(), *dense]


def alone(module: nn.Module, batch: Ragged, x: Tensor) -> list[Tensor]:
    """`outcome` of each segment by itself, put together: rows beside rows, parameters summed."""
    parts = []
    for low, high in batch.ptr.unfold(0, 2, 1).tolist():
        own = x[low:high].detach().requires_grad_()
        index = torch.zeros(high - low, dtype=torch.long)
        parts.append(outcome(module, own, module(own, index, dim_size=1)))
    out, grad_x, *parameters = (list(column) for column in zip(*parts, strict=True))
    return [torch.cat(out), torch.cat(grad_x), *(torch.stack(p).sum(0) for p in parameters)]


def assert_same(found: list[Tensor], wanted: list[Tensor], within: float = 1e-9) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=within, atol=within)
