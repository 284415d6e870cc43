"""Which parts of `graphagg.nn` export to ONNX, and whether onnxruntime gives the same.

    python -m benchmarks.learning.onnx

Needs onnx, onnxscript and onnxruntime, which no extra brings. Sizes are those of one graph.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import SAGEConv

from graphagg.nn import GPS, EncodingConfig, FeatureConfig, GPSLayer, encoding_transforms
from graphagg.nn.aggr import aggregation
from graphagg.nn.config.model import Task
from graphagg.nn.model.encoding import ENCODINGS, build_encoder
from graphagg.nn.presets.simple import SIMPLE, Simple, simple

WIDTH = 8
Given = tuple[Tensor, ...]


class Layer(torch.nn.Module):
    """A layer as a function of tensors that returns the vertices' vectors."""

    def __init__(self, layer: GPSLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, edge_index: Tensor, ptr: Tensor | None = None) -> Tensor:
        out: Tensor = self.layer(x, edge_index, ptr=ptr)[0]
        return out


class OfData(torch.nn.Module):
    """A module that reads a `Data`, as a function of some of its columns."""

    def __init__(self, module: torch.nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(self, *columns: Tensor) -> Tensor:
        named = dict(zip(self.names, columns, strict=True))
        out: Tensor = self.module(Data(**named, num_nodes=columns[0].size(0)))
        return out


AGGREGATORS = ("lcm", "pna", "sum", "mean", "max", "min", "mul", "var", "std", "softmax")
LOCAL = ("gine", "gatedgcn", "gcn", "sage", "gin")
ATTENTIONS = ("exact", "performer")
TASKS: tuple[Task, ...] = ("graph", "node")
PTR = torch.tensor([0, 4, 6])


# Parts that are not exported, and what the exporter says: their steps follow from values.
REFUSED = {"performer": "data-dependent"}
Make = Callable[[], tuple[torch.nn.Module, Given]]


def parts() -> dict[str, Make]:
    """What makes the module and the input of each part, by its name."""
    made: dict[str, Make] = {f"aggregator {name}": partial(_conv, name) for name in AGGREGATORS}
    made |= {f"local part {name}": partial(_layer, name, None, 1) for name in LOCAL}
    for name in ATTENTIONS:
        made[f"attention {name}, one graph"] = partial(_layer, None, name, 1)
        made[f"attention {name}, two graphs"] = partial(_layer, None, name, 2)
    made |= {f"encoding {name}": partial(_encoding, name) for name in ENCODINGS}
    for name in SIMPLE:
        made |= {f"model {name} of {task}s": partial(_model, name, task) for task in TASKS}
    return made


def _graph() -> Data:
    ring = torch.tensor([[0, 1, 2, 3, 4, 0, 2], [1, 2, 3, 0, 5, 2, 3]])
    torch.manual_seed(0)
    return Data(torch.randn(6, WIDTH), torch.cat([ring, ring.flip(0)], dim=1))


def _conv(name: str) -> tuple[torch.nn.Module, Given]:
    graph = _graph()
    conv = SAGEConv((WIDTH, WIDTH), WIDTH, aggr=aggregation(name, WIDTH))
    return conv, (graph.x, graph.edge_index)


def _layer(local: str | None, attention: str | None, graphs: int) -> tuple[torch.nn.Module, Given]:
    graph, layer = _graph(), Layer(GPSLayer(WIDTH, local, attention, heads=2))
    return layer, (graph.x, graph.edge_index, *([PTR] if graphs == 2 else []))


def _encoding(name: str) -> tuple[torch.nn.Module, Given]:
    config = EncodingConfig(name, WIDTH, size=4)
    module, data = build_encoder(config), ENCODINGS[name][0](config.size)(_graph())
    columns = {column: data[column] for column in (*module.needs, "edge_index")}
    return OfData(module, tuple(columns)), tuple(columns.values())


def _model(name: Simple, task: Task) -> tuple[torch.nn.Module, Given]:
    graph = _graph()
    model = GPS(replace(simple(name, task).model, nodes=FeatureConfig(width=WIDTH)))
    for transform in encoding_transforms(model.config):
        graph = transform(graph)
    columns = graph.to_dict() | ({"ptr": PTR} if task == "graph" else {})
    return OfData(model, tuple(columns)), tuple(columns.values())


def difference(module: torch.nn.Module, given: Given) -> float:
    """Export a part, run it, and return the largest difference to PyTorch's answer."""
    import onnxruntime

    module = module.eval()
    answer, file = module(*given).detach().numpy(), io.BytesIO()
    torch.onnx.export(module, given, dynamo=True, verbose=False).save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    names = [value.name for value in session.get_inputs()]
    feed = {name: value.numpy() for name, value in zip(names, given, strict=False)}
    (out,) = session.run(None, feed)
    return float(np.abs(out - answer).max())


def outcome(module: torch.nn.Module, given: Given) -> str:
    try:
        return f"largest difference {difference(module, given):.1e}"
    except Exception as error:  # whatever the exporter meets
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        return f"no: {type(cause).__name__}: {str(cause).strip().splitlines()[0][:110]}"


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    print("| part | onnxruntime |\n| --- | --- |")
    for name, make in parts().items():
        print(f"| {name} | {outcome(*make())} |", flush=True)


if __name__ == "__main__":
    main()
