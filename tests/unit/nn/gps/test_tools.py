"""What the tools of PyTorch make of layers and models."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import SAGEConv, to_hetero

from graphagg.nn import (
    GPS,
    AttentionConfig,
    FeatureConfig,
    GPSConfig,
    GPSLayer,
    HeadConfig,
    LCMAggregation,
)
from graphagg.nn.attention import ATTENTIONS
from tests.unit.nn.descent import assert_a_step_lowers_the_loss
from tests.unit.nn.gps.graphs import ragged_batch

CHANNELS = 8
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def layer_of(local: str, attention: str) -> GPSLayer:
    torch.manual_seed(0)
    edge_channels = None if local == "none" else CHANNELS
    config = AttentionConfig(attention, heads=2)
    return GPSLayer(CHANNELS, local, config, edge_channels=edge_channels).eval()


def check_compiled(layer: GPSLayer, backend: str) -> None:
    """Outputs and gradients equal those of the layer as it is, for two batches."""
    torch._dynamo.reset()
    compiled = torch.compile(layer, backend=backend, dynamic=True)
    for sizes, seed in (((5, 4, 7), 0), ((3, 9), 1)):
        x, edge_index, edge_attr, batch = ragged_batch(sizes, CHANNELS, seed)
        grads = []
        for module in (layer, compiled):
            out, edges = module(x.requires_grad_(), edge_index, edge_attr, batch=batch)
            loss = out.sin().sum() + edges.sin().sum()
            grads.append((out, *torch.autograd.grad(loss, x)))
        torch.testing.assert_close(grads[0], grads[1], **CLOSE)


@pytest.mark.parametrize(
    ("attention", "backend"),
    [
        ("none", "aot_eager"),
        *(pytest.param(a, "inductor", marks=pytest.mark.slow) for a in (*ATTENTIONS, "none")),
    ],
)
def test_every_layer_compiles(attention: str, backend: str) -> None:
    check_compiled(layer_of("gatedgcn", attention), backend)


@pytest.mark.parametrize(
    ("local", "attention"), [("gatedgcn", "none"), ("gine", "none"), ("gine", "exact")]
)
def test_a_layer_is_one_graph_and_can_be_exported(local: str, attention: str) -> None:
    layer = layer_of(local, attention)
    rows, ends = torch.export.Dim("rows", min=2), torch.export.Dim("ends", min=2)
    x, edge_index, edge_attr, _ = ragged_batch([6], CHANNELS)
    dynamic = {"x": {0: rows}, "edge_index": {1: ends}, "edge_attr": {0: ends}}
    program = torch.export.export(layer, (x, edge_index, edge_attr), dynamic_shapes=dynamic)
    other = ragged_batch([9], CHANNELS, 1)[:3]
    torch.testing.assert_close(program.module()(*other), layer(*other), **CLOSE)


class OfTensors(torch.nn.Module):
    """A model of one graph as a function of tensors, which is what can be exported."""

    def __init__(self, model: GPS) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        out: Tensor = self.model(Data(x=x, edge_index=edge_index, edge_attr=edge_attr))
        return out


def test_a_model_without_attention_can_be_exported() -> None:
    config = GPSConfig(
        FeatureConfig(vocabulary=(4,)),
        FeatureConfig(width=2),
        channels=16,
        layers=2,
        attention=AttentionConfig("none"),
        head=HeadConfig(task="node", kind="mlp", shape=(3,)),
    )
    torch.manual_seed(0)
    model = OfTensors(GPS(config).eval())
    given = (torch.randint(4, (6, 1)), torch.randint(6, (2, 10)), torch.randn(10, 2))
    program = torch.export.export(model, given)
    torch.testing.assert_close(program.module()(*given), model(*given), **CLOSE)


class TwoSages(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = SAGEConv(CHANNELS, CHANNELS, aggr=LCMAggregation(CHANNELS, CHANNELS))
        self.second = SAGEConv(CHANNELS, 3, aggr=LCMAggregation(CHANNELS, CHANNELS))

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.second(self.first(x, edge_index).relu(), edge_index)


def test_lcm_trains_in_a_model_of_two_types_of_vertices() -> None:
    torch.manual_seed(0)
    types = ["user", "item"]
    relations = [("user", "buys", "item"), ("item", "bought", "user"), ("user", "knows", "user")]
    model = to_hetero(TwoSages(), (types, relations)).double()
    counts = {"user": 7, "item": 5}
    x = {name: torch.randn(count, CHANNELS).double() for name, count in counts.items()}
    edges = {
        (a, r, b): torch.stack([torch.randint(counts[a], (9,)), torch.randint(counts[b], (9,))])
        for a, r, b in relations
    }
    out = model(x, edges)
    assert out["user"].shape == (7, 3) and out["item"].shape == (5, 3)

    def loss() -> Tensor:
        out = model(x, edges)
        return (out["user"] - 1).square().mean() + (out["item"] - 1).square().mean()

    assert_a_step_lowers_the_loss(model, loss)
