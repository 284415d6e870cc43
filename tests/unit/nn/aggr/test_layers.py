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


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_torch_compile_keeps_the_fold_in_one_graph(backend: str) -> None:
    torch.manual_seed(0)
    conv, x, edge_index = sage("lcm"), torch.randn(20, 8), ring(20, 60)
    compiled = torch.compile(conv, backend=backend, fullgraph=True)
    wanted = gradients(conv, conv(x, edge_index))
    assert_same(gradients(conv, compiled(x, edge_index)), wanted, within=1e-5)


def test_torch_compile_breaks_the_graph_around_what_it_cannot_hold() -> None:
    torch.manual_seed(0)
    aggr = LCMAggregation(8, 8, operator="mlp")
    conv, x, edge_index = SAGEConv((8, 8), 8, aggr=aggr), torch.randn(20, 8), ring(20, 60)
    compiled = torch.compile(conv, backend="aot_eager")
    assert_same([compiled(x, edge_index)], [conv(x, edge_index)], within=1e-5)


def test_torch_export_to_a_program_for_any_graph() -> None:
    torch.manual_seed(0)
    conv, x, edge_index = sage("lcm").eval(), torch.randn(20, 8), ring(20, 60)
    vertices, edges = torch.export.Dim("vertices", min=2), torch.export.Dim("edges", min=2)
    program = torch.export.export(
        conv, (x, edge_index), dynamic_shapes=({0: vertices}, {1: edges})
    ).module()
    for n, m in ((20, 60), (31, 7)):
        x, edge_index = torch.randn(n, 8), ring(n, m)
        assert_same([program(x, edge_index)], [conv(x, edge_index)], within=1e-5)


def test_traced_forms_of_the_input_agree() -> None:
    """With ptr, with index, and with random order: what torch.compile sees."""
    torch.manual_seed(0)
    module, x = LCMAggregation(8, 8), torch.randn(9, 8)
    index, ptr = torch.tensor([0, 0, 1, 1, 1, 3, 3, 3, 3]), torch.tensor([0, 2, 5, 5, 9])
    compiled = torch.compile(module, backend="aot_eager")
    wanted = module(x, index)
    assert_same([compiled(x, index, dim_size=4), compiled(x, ptr=ptr)], [wanted, wanted], 1e-5)
    shuffling = LCMAggregation(8, 8, random_order=True)
    shuffling.load_state_dict(module.state_dict())
    compiled = torch.compile(shuffling, backend="aot_eager")
    drawn = torch.stack([compiled(x, index, dim_size=4) for _ in range(4)])
    assert len(torch.unique(drawn[:, 3], dim=0)) > 1
    assert_same([drawn[:, 2]], [wanted[2].expand(4, -1)], 1e-5)
