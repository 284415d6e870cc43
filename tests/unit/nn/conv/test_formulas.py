"""The local parts against their formulas, one vertex and one edge at a time."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from graphagg.nn.conv import GINE, GatedGCN
from tests.unit.nn.conv.graphs import Graph, graphs

D = 4


def randomized(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """In float64 and eval mode, with running statistics and scales that are not those of birth."""
    rng = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    for name, values in [*module.named_buffers(), *module.named_parameters()]:
        if values.is_floating_point():
            noise = torch.rand(values.shape, generator=rng, dtype=values.dtype)
            values.data = noise + 0.5 if "running_var" in name else values + noise - 0.5
    return module


def normed(module: torch.nn.Module, row: Tensor) -> Tensor:
    return module(row[None])[0]


def gated_gcn(part: GatedGCN, graph: Graph) -> tuple[Tensor, Tensor]:
    a, d, b, e = part.vertices.weight.split(D)
    a0, d0, b0, e0 = part.vertices.bias.split(D)
    x, edges = graph.x, []
    top = [torch.zeros(D, dtype=x.dtype) for _ in x]
    bottom = [torch.zeros(D, dtype=x.dtype) for _ in x]
    for (j, i), e_ij in zip(graph.edge_index.T.tolist(), graph.edge_attr, strict=True):
        logit = d @ x[i] + d0 + e @ x[j] + e0
        if part.edges is not None:
            logit = logit + part.edges.weight @ e_ij + part.edges.bias
        s_ij = torch.sigmoid(logit)
        top[i] = top[i] + s_ij * (b @ x[j] + b0)
        bottom[i] = bottom[i] + s_ij
        edges.append(e_ij + normed(part.norm_e, logit).relu() if part.norm_e else e_ij)
    rows = [
        x[i] + normed(part.norm_x, a @ x[i] + a0 + top[i] / (bottom[i] + 1e-6)).relu()
        for i in range(len(x))
    ]
    return stacked(rows), stacked(edges)


def gine(part: GINE, graph: Graph) -> Tensor:
    sums = [(1 + part.eps) * row for row in graph.x]
    for (j, i), e_ij in zip(graph.edge_index.T.tolist(), graph.edge_attr, strict=True):
        message = graph.x[j]
        if part.edge_channels is not None:
            message = message + (e_ij if part.edges is None else part.edges(e_ij))
        sums[i] = sums[i] + message.relu()
    first, _, second = part.nn
    return stacked([second(first(row).relu()) for row in sums])


def stacked(rows: list[Tensor]) -> Tensor:
    return torch.stack(rows) if rows else torch.zeros(0, D, dtype=torch.float64)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("edge_channels", [D, None])
def test_gated_gcn_is_its_formula(norm: str, edge_channels: int | None) -> None:
    part = randomized(GatedGCN(D, edge_channels, norm=norm))

    @settings(max_examples=10, deadline=None)
    @given(graphs(D))
    def check(graph: Graph) -> None:
        attr = None if edge_channels is None else graph.edge_attr
        x, e = part(graph.x, graph.edge_index, attr)
        wanted = gated_gcn(part, graph)
        assert torch.allclose(x, wanted[0], rtol=0, atol=1e-10)
        assert e is None or torch.allclose(e, wanted[1], rtol=0, atol=1e-10)

    check()


@pytest.mark.parametrize("edge_channels", [D, 2, None])
def test_gine_is_its_formula(edge_channels: int | None) -> None:
    part = randomized(GINE(D, edge_channels))

    @settings(max_examples=10, deadline=None)
    @given(graphs(D))
    def check(graph: Graph) -> None:
        attr = graph.edge_attr[:, :edge_channels].contiguous()
        taken = None if edge_channels is None else attr
        x, e = part(graph.x, graph.edge_index, taken)
        wanted = gine(part, Graph(graph.x, graph.edge_index, attr))
        assert torch.allclose(x, wanted, rtol=0, atol=1e-10)
        assert e is taken

    check()


@pytest.mark.parametrize("make", [GatedGCN, GINE])
def test_the_sum_as_aggregator_is_the_part_itself(make: type) -> None:
    from torch_geometric.nn.aggr import SumAggregation

    from tests.unit.nn.conv.graphs import random_graph

    graph = random_graph(30, 90, D, 0)
    plain, summed = randomized(make(D, D)), randomized(make(D, D, aggregation=SumAggregation()))
    summed.load_state_dict(plain.state_dict())
    x, e = plain(graph.x, graph.edge_index, graph.edge_attr)
    x_sum, e_sum = summed(graph.x, graph.edge_index, graph.edge_attr)
    assert torch.allclose(x, x_sum, rtol=0, atol=1e-12)
    assert torch.equal(e, e_sum)
