"""Layers, encodings and whole models give the same in onnxruntime."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import SAGEConv

from graphagg.nn import GPS, EncodingConfig, FeatureConfig, GPSLayer, encoding_transforms
from graphagg.nn.aggr import make_aggregation
from graphagg.nn.config.model import TaskLevel
from graphagg.nn.conv import NAMES
from graphagg.nn.model.encoding import ENCODINGS, build_encoder
from graphagg.nn.presets.plain import PLAIN_MODELS, PlainModel, plain_preset

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

WIDTH, PTR = 8, torch.tensor([0, 4, 6])
AGGREGATORS = ("lcm", "pna", "sum", "mean", "max", "min", "mul", "var", "std", "softmax")
Part = tuple[torch.nn.Module, tuple[Tensor, ...]]


class OfTensors(torch.nn.Module):
    """A call of a module as a function of tensors alone."""

    def __init__(self, module: torch.nn.Module, call: Callable[..., Tensor]) -> None:
        super().__init__()
        self.module, self.call = module, call

    def forward(self, *tensors: Tensor) -> Tensor:
        return self.call(self.module, *tensors)


def graph() -> Data:
    ring = torch.tensor([[0, 1, 2, 3, 4, 0, 2], [1, 2, 3, 0, 5, 2, 3]])
    torch.manual_seed(0)
    return Data(torch.randn(6, WIDTH), torch.cat([ring, ring.flip(0)], dim=1))


def conv(name: str) -> Part:
    one = graph()
    aggregator = make_aggregation(name, WIDTH)
    return SAGEConv((WIDTH, WIDTH), WIDTH, aggr=aggregator), (one.x, one.edge_index)


def layer(local: str | None, attention: str | None, graphs: int = 1) -> Part:
    one, made = graph(), GPSLayer(WIDTH, local, attention, heads=2)
    called = OfTensors(made, lambda m, x, edges, ptr=None: m(x, edges, ptr=ptr)[0])
    return called, (one.x, one.edge_index, *([PTR] if graphs == 2 else []))


def of_data(module: torch.nn.Module, columns: dict[str, Tensor]) -> Part:
    def call(module: torch.nn.Module, *given: Tensor) -> Tensor:
        named = dict(zip(columns, given, strict=True))
        out: Tensor = module(Data(**named, num_nodes=given[0].size(0)))
        return out

    return OfTensors(module, call), tuple(columns.values())


def encoding(name: str) -> Part:
    config = EncodingConfig(name, WIDTH, size=4)
    module, data = build_encoder(config), ENCODINGS[name][0](config.size)(graph())
    return of_data(module, {column: data[column] for column in (*module.needs, "edge_index")})


def model(name: PlainModel, task: TaskLevel) -> Part:
    one = graph()
    made = GPS(replace(plain_preset(name, task).model, nodes=FeatureConfig(width=WIDTH)))
    for transform in encoding_transforms(made.config):
        one = transform(one)
    return of_data(made, one.to_dict() | ({"ptr": PTR} if task == "graph" else {}))


QUICK: dict[str, Callable[[], Part]] = {
    "aggregator lcm": partial(conv, "lcm"),
    "model gps of graphs": partial(model, "gps", "graph"),
}
SLOW = {
    **{f"aggregator {name}": partial(conv, name) for name in AGGREGATORS[1:]},
    **{f"local part {name}": partial(layer, name, None) for name in NAMES},
    "attention exact, one graph": partial(layer, None, "exact"),
    "attention exact, two graphs": partial(layer, None, "exact", 2),
    "encoding lappe-deepset": partial(encoding, "lappe-deepset"),
    "encoding rwse": partial(encoding, "rwse"),
    **{f"model {name} of nodes": partial(model, name, "node") for name in PLAIN_MODELS},
}


def export(module: torch.nn.Module, given: tuple[Tensor, ...]) -> bytes:
    file = io.BytesIO()
    torch.onnx.export(module.eval(), given, dynamo=True, verbose=False).save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "make",
    [*QUICK.values(), *(pytest.param(make, marks=pytest.mark.slow) for make in SLOW.values())],
    ids=[*QUICK, *SLOW],
)
@pytest.mark.filterwarnings("ignore")
def test_an_exported_part_is_equal(make: Callable[[], Part]) -> None:
    module, given = make()
    session = onnxruntime.InferenceSession(export(module, given))
    names = [value.name for value in session.get_inputs()]
    feed = {name: value.numpy() for name, value in zip(names, given, strict=False)}
    (out,) = session.run(None, feed)
    assert np.abs(out - module(*given).detach().numpy()).max() < 1e-5


@pytest.mark.filterwarnings("ignore")
def test_performer_is_refused() -> None:
    """Its steps follow from the sizes of the graphs."""
    with pytest.raises(Exception, match="data-dependent"):
        export(*layer(None, "performer"))
