"""Aggregators inside PyG's layers and under PyTorch's tools."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import GINEConv, SAGEConv

from graphagg.nn.aggr import LCMAggregation, aggregation
from tests.unit.nn.aggr.ragged import assert_same
from tests.unit.nn.descent import assert_a_step_lowers_the_loss

Layer = Callable[..., Tensor]


def ring(vertices: int, chords: int) -> Tensor:
    """A directed ring and random chords, in no order; some vertices get many edges."""
    generator = torch.Generator().manual_seed(0)
    around = torch.arange(vertices)
    drawn = torch.randint(vertices, (2, chords), generator=generator)
    drawn[1] = drawn[1] // 3
    edges = torch.cat([torch.stack([around, around.roll(1)]), drawn], dim=1)
    return edges[:, torch.randperm(edges.size(1), generator=generator)]


def gine(name: str) -> nn.Module:
    mlp = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    return GINEConv(mlp, edge_dim=2, aggr=aggregation(name, 8))


def sage(name: str) -> nn.Module:
    return SAGEConv((8, 8), 8, aggr=aggregation(name, 8))


@pytest.mark.parametrize("name", ["lcm", "pna"])
@pytest.mark.parametrize("layer", [gine, sage])
def test_a_layer_trains(name: str, layer: Callable[[str], nn.Module]) -> None:
    torch.manual_seed(0)
    x, edge_index = torch.randn(20, 8).double(), ring(20, 60)
    extra = (torch.randn(edge_index.size(1), 2).double(),) if layer is gine else ()
    # The target is a sum over neighbors, which is none of these aggregators as drawn.
    target = torch.zeros_like(x).index_add(0, edge_index[1], x[edge_index[0]])
    conv = layer(name).double()
    assert_a_step_lowers_the_loss(
        conv, lambda: (conv(x, edge_index, *extra) - target).square().mean()
    )
    assert all(p.grad is not None for n, p in conv.named_parameters() if "identity" not in n)


def gradients(conv: nn.Module, out: Tensor) -> list[Tensor]:
    grads = torch.autograd.grad(out.square().sum(), list(conv.parameters()))
    return [out.detach(), *grads]


@pytest.mark.parametrize("operator", ["gru", "mlp"])
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_torch_compile_breaks_the_graph_around_the_fold(backend: str, operator: str) -> None:
    torch.manual_seed(0)
    aggr = LCMAggregation(8, 8, operator=operator)
    conv, x, edge_index = SAGEConv((8, 8), 8, aggr=aggr), torch.randn(20, 8), ring(20, 60)
    compiled = torch.compile(conv, backend=backend)
    wanted = gradients(conv, conv(x, edge_index))
    assert_same(gradients(conv, compiled(x, edge_index)), wanted, within=1e-5)
