"""Which parts of `graphagg.nn` export to ONNX, and whether onnxruntime gives the same.

    python -m benchmarks.onnx

Needs onnx, onnxscript and onnxruntime, which no extra brings. Sizes are those of one graph.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch_geometric.nn import SAGEConv

from graphagg.nn import GPSLayer, LCMAggregation
from graphagg.nn.aggr import aggregation
from graphagg.nn.encodings import encoder

WIDTH = 8
Given = tuple[Tensor, ...]


class Layer(torch.nn.Module):
    """A layer as a function of tensors that returns the vertices' vectors."""

    def __init__(self, layer: GPSLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        out: Tensor = self.layer(x, edge_index)[0]
        return out


class Encoded(torch.nn.Module):
    """An encoder as a function of the columns that it reads."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.encoder = encoder(name, WIDTH, width=4)
        self.name = name

    def forward(self, columns: Tensor) -> Tensor:
        from torch_geometric.data import Data

        return self.encoder(Data(**{self.name: columns}))


def parts() -> Iterator[tuple[str, torch.nn.Module, Given]]:
    torch.manual_seed(0)
    x, edges = torch.randn(6, WIDTH), torch.randint(6, (2, 14))
    for name in ("mean", "pna", "lcm"):
        conv = SAGEConv((WIDTH, WIDTH), WIDTH, aggr=aggregation(name, WIDTH))
        yield f"aggregator {name} in SAGEConv", conv, (x, edges)
    conv = SAGEConv((WIDTH, WIDTH), WIDTH, aggr=LCMAggregation(WIDTH, WIDTH, operator="mlp"))
    yield "aggregator lcm, operator mlp", conv, (x, edges)
    for local, attention in (
        ("gine", None), ("gatedgcn", None), ("gcn", None), ("sage", None), (None, "exact"),
        (None, "performer"), (None, "bigbird"),
    ):  # fmt: skip
        layer = Layer(GPSLayer(WIDTH, local, attention, heads=2))
        yield (
            f"GPSLayer {local or 'no local part'}, {attention or 'no attention'}",
            layer,
            (x, edges),
        )
    for name in ("rwse", "heat", "electrostatic"):
        yield f"encoder {name}", Encoded(name), (torch.randn(6, 4),)


def outcome(module: torch.nn.Module, given: Given) -> str:
    import onnxruntime

    module = module.eval()
    wanted = module(*given).detach().numpy()
    try:
        file = io.BytesIO()
        program = torch.onnx.export(module, given, dynamo=True, verbose=False)
        program.save(file)
    except Exception as error:  # whatever the exporter meets
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        return f"no: {type(cause).__name__}: {str(cause).strip().splitlines()[0][:110]}"
    session = onnxruntime.InferenceSession(file.getvalue())
    names = [value.name for value in session.get_inputs()]
    feed = {name: value.numpy() for name, value in zip(names, given, strict=False)}
    (out,) = session.run(None, feed)
    return f"largest difference {np.abs(out - wanted).max():.1e}"


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    print("| part | onnxruntime |\n| --- | --- |")
    for name, module, given in parts():
        print(f"| {name} | {outcome(module, given)} |", flush=True)


if __name__ == "__main__":
    main()
