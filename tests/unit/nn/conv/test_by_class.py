"""Convolutions of PyG that are given, and options of named ones: what is taken and what is not."""

from __future__ import annotations

import pytest
import torch
import torch_geometric.nn.conv as pyg
from torch_geometric.nn.conv import MessagePassing

from graphagg.errors import InvalidParameter
from graphagg.nn.conv import local
from tests.unit.nn.conv.graphs import random_graph

D = 8
GRAPH = random_graph(5, 13, D, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: pyg.APPNP(K=3, alpha=0.1),
        lambda: pyg.AGNNConv(),
        lambda: pyg.LGConv(),
        lambda: pyg.GatedGraphConv(D, 2),
        lambda: pyg.GINConv(torch.nn.Sequential(torch.nn.Linear(D, D), torch.nn.BatchNorm1d(D))),
        lambda: pyg.EdgeConv(torch.nn.Linear(2 * D, D)),
        lambda: pyg.CGConv(D),
        lambda: pyg.HypergraphConv(D, D),
        lambda: pyg.GCNConv(-1, D),
        lambda: pyg.SAGEConv(-1, D),
        lambda: pyg.GINConv(torch.nn.LazyLinear(D)),
    ],
)
def test_a_built_convolution_is_taken_and_left_as_it_was(make) -> None:
    torch.manual_seed(2)
    conv = make()
    before = torch.get_rng_state()
    state = {name: str(value) for name, value in conv.state_dict().items()}
    part = local(conv, D)
    assert torch.equal(torch.get_rng_state(), before)
    assert part.conv is conv and part.training and conv.training
    assert {name: str(value) for name, value in conv.state_dict().items()} == state
    assert part(GRAPH.x.float(), GRAPH.edge_index)[0].shape == (5, D)


def test_a_model_without_memory_can_be_built() -> None:
    with torch.device("meta"):
        assert all(p.is_meta for p in local("sage", D).parameters())


class OfOneGraph(MessagePassing):
    """A convolution with a weight for each of 5 vertices."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(5, 1))

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        return self.propagate(edge_index, x=self.scale * x)


class OfEdges(OfOneGraph):
    def forward(
        self, x: torch.Tensor, edge_index: torch.Tensor, edge_attr: torch.Tensor
    ) -> torch.Tensor:
        return super().forward(x, edge_index) + edge_attr.sum()


class Widening(OfOneGraph):
    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x], 1)


def test_a_convolution_of_ones_own() -> None:
    x, edge_attr = GRAPH.x.float(), GRAPH.edge_attr.float()
    assert local(OfOneGraph(), D)(x, GRAPH.edge_index)[0].shape == (5, D)
    assert local(OfEdges(), D, D)(x, GRAPH.edge_index, edge_attr)[0].shape == (5, D)
    with pytest.raises(InvalidParameter, match=r"OfEdges also needs edge_attr; .*edge_channels"):
        local(OfEdges(), D)
    with pytest.raises(InvalidParameter, match="FAConv also needs x_0; wrap it in a LocalPart"):
        local(pyg.FAConv(D), D)
    for conv in (Widening(), pyg.GATConv(D, 8, heads=2)):
        with pytest.raises(InvalidParameter, match=r"returns \(5, 16\)"):
            local(conv, D)(x, GRAPH.edge_index)
