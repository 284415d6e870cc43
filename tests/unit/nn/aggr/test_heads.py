"""The aggregators in the layers of PyTorch Geometric: with heads, each head is aggregated alone."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import (
    FiLMConv,
    GATConv,
    GATv2Conv,
    GCNConv,
    GENConv,
    GeneralConv,
    GraphConv,
    LEConv,
    MFConv,
    ResGatedGraphConv,
    SAGEConv,
    SuperGATConv,
    TransformerConv,
)

from graphagg.errors import InvalidFeatures
from graphagg.nn.aggr import LCMAggregation

WIDTH = 6
AGGREGATORS = [
    lambda: LCMAggregation(WIDTH, WIDTH),
    lambda: LCMAggregation(WIDTH, WIDTH, operator="mlp"),
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


def test_rows_along_another_dimension_are_refused():
    with pytest.raises(InvalidFeatures, match=r"or \[rows, heads, channels\] along 0"):
        LCMAggregation(WIDTH, WIDTH)(torch.ones(4, 2, WIDTH), torch.zeros(4).long(), dim=-2)
