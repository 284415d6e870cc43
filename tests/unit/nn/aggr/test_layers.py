"""Aggregators inside PyG's layers and under PyTorch's tools."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import (
    FiLMConv,
    GATConv,
    GATv2Conv,
    GCNConv,
    GENConv,
    GeneralConv,
    GINEConv,
    GraphConv,
    LEConv,
    MFConv,
    ResGatedGraphConv,
    SAGEConv,
    SuperGATConv,
    TransformerConv,
)

from graphagg.nn.aggr import LCMAggregation, make_aggregation
from tests.unit.nn.aggr.ragged import PairMLP, assert_same, operator_of
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
    return GINEConv(mlp, edge_dim=2, aggr=make_aggregation(name, 8))


def sage(name: str) -> nn.Module:
    return SAGEConv((8, 8), 8, aggr=make_aggregation(name, 8))


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


@pytest.mark.parametrize("operator", ["gate", "own"])
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_torch_compile_breaks_the_graph_around_the_fold(backend: str, operator: str) -> None:
    torch.manual_seed(0)
    aggr = LCMAggregation(8, 8, operator=operator_of(operator, 8))
    conv, x, edge_index = SAGEConv((8, 8), 8, aggr=aggr), torch.randn(20, 8), ring(20, 60)
    compiled = torch.compile(conv, backend=backend)
    wanted = gradients(conv, conv(x, edge_index))
    assert_same(gradients(conv, compiled(x, edge_index)), wanted, within=1e-5)


WIDTH = 6
AGGREGATORS = [
    lambda: LCMAggregation(WIDTH, WIDTH),
    lambda: LCMAggregation(WIDTH, WIDTH, operator=PairMLP(WIDTH)),
]
WITH_HEADS = [GATConv, GATv2Conv, TransformerConv, SuperGATConv, GeneralConv]
LAYERS = [
    FiLMConv, GCNConv, GENConv, GraphConv, LEConv, MFConv, ResGatedGraphConv, SAGEConv,
]  # fmt: skip


def graph() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    return torch.randn(9, WIDTH, generator=draw), torch.randint(0, 9, (2, 30), generator=draw)


@pytest.mark.parametrize("make", AGGREGATORS)
@pytest.mark.parametrize("heads", [1, 3])
def test_each_head_is_aggregated_alone(make, heads):
    aggregate, (_, edges) = make().eval(), graph()
    rows = torch.randn(30, heads, WIDTH, generator=torch.Generator().manual_seed(4))
    found = aggregate(rows, edges[1], dim_size=9, dim=0)
    assert found.shape == (9, heads, WIDTH)
    for head in range(heads):
        alone = aggregate(rows[:, head], edges[1], dim_size=9)
        torch.testing.assert_close(found[:, head], alone)


@pytest.mark.parametrize("make", AGGREGATORS)
@pytest.mark.parametrize("layer", WITH_HEADS, ids=lambda layer: layer.__name__)
def test_attention_layers(make, layer):
    """Equal to the layer with one aggregator a head, made of the same weights."""
    x, edges = graph()
    options = {"attention": True} if layer is GeneralConv else {}
    one = layer(WIDTH, WIDTH, heads=3, aggr=make(), **options).eval()
    found = one(x, edges)
    found.sum().backward()
    assert all(p.grad is not None for p in one.aggr_module.parameters())
    whole = one.aggr_module

    class Each(torch.nn.Module):
        def forward(self, rows, index=None, ptr=None, dim_size=None, dim=-2, **_):
            heads = [whole(rows[:, h].contiguous(), index, ptr, dim_size) for h in range(3)]
            return torch.stack(heads, dim=1)

    one.aggr_module = Each()
    torch.testing.assert_close(one(x, edges), found)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_layers_without_heads(layer):
    x, edges = graph()
    out = layer(WIDTH, WIDTH, aggr=LCMAggregation(WIDTH, WIDTH)).eval()(x, edges)
    assert out.shape == (9, WIDTH) and bool(out.isfinite().all())
