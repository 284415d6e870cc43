"""Small data and a small model, made in memory."""

from __future__ import annotations

import csv
from copy import copy
from dataclasses import replace
from pathlib import Path

import torch
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv, global_add_pool, global_mean_pool

from graphagg.nn.training import GraphData, Shape, Split, TrainingResult, save_graphs
from graphagg.nn.training.data.dataset import SUBSETS


def read_epochs(path: Path) -> list[dict[str, str]]:
    """The rows of `metrics.csv`."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in read_epochs(folder / "split-0" / "metrics.csv")]


def scores(result: TrainingResult) -> list[tuple[float, ...]]:
    return [(s.train, s.val, s.test, s.epoch, s.epochs) for s in result.splits]


class Tiny(torch.nn.Module):
    """One graph convolution with dropout, and a head: a model of one's own."""

    def __init__(self, shape: Shape, dropout: float = 0.2) -> None:
        super().__init__()
        self.level, self.dropout = shape.level, dropout
        self.lift = torch.nn.Linear(shape.features, 8)
        self.conv = GCNConv(8, 8)
        self.norm = torch.nn.BatchNorm1d(8)
        self.head = torch.nn.Linear(8, shape.outputs)

    def forward(self, data: Data) -> torch.Tensor:
        x = self.norm(self.conv(self.lift(data.x), data.edge_index)).relu()
        x = torch.dropout(x, self.dropout, self.training)
        if self.level == "graph":
            x = global_add_pool(x, data.batch, data.num_graphs)
        if self.level == "edge":
            return (x[data.edge_label_index[0]] * x[data.edge_label_index[1]]).sum(1)
        return self.head(x)


def tiny(shape: Shape) -> Tiny:
    return Tiny(shape)


class Scripted(Tiny):
    """Classifies graphs, in evaluation as many of a batch rightly as there were epochs.

    So validation improves epoch by epoch until all are right, whatever the weights round to.
    """

    def __init__(self, shape: Shape, batches: int = 1) -> None:
        super().__init__(shape)
        self.batches = batches  # of an epoch
        self.register_buffer("trained", torch.zeros((), dtype=torch.int64))

    def forward(self, data: Data) -> torch.Tensor:
        out: torch.Tensor = super().forward(data)
        if self.training:
            self.trained += 1
            return out
        right = torch.arange(data.num_graphs) < self.trained // self.batches
        return torch.nn.functional.one_hot(torch.where(right, data.y, 1 - data.y), 2).float()


class Line(torch.nn.Module):
    """A linear layer of the features, from 0: with the data of `certain` it learns on any machine.

    All gradients of a weight have the same sign, so each step goes the same way.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.level = shape.level
        self.head = torch.nn.Linear(shape.features, shape.outputs, bias=False)
        torch.nn.init.zeros_(self.head.weight)

    def forward(self, data: Data) -> torch.Tensor:
        x = data.x
        if self.level == "graph":
            x = global_mean_pool(x, data.batch, data.num_graphs)
        return self.head(x)


def line(shape: Shape) -> Line:
    return Line(shape)


def certain(data: GraphData) -> GraphData:
    """The data with features that are all 1 where the label is positive, else all -1."""
    for graph in data.graphs:
        sign = torch.where(graph.y > 0, 1.0, -1.0).view(-1, 1)
        graph.x = sign.expand(graph.num_nodes, 4).clone()
    return data


def ring(size: int) -> torch.Tensor:
    """A cycle, both directions."""
    at = torch.arange(size)
    there = torch.stack([at, (at + 1) % size])
    return torch.cat([there, there.flip(0)], dim=1)


def many(count: int = 24, seed: int = 0, regression: bool = False) -> GraphData:
    """Rings whose class is the sign of their features' mean."""
    generator = torch.Generator().manual_seed(seed)
    graphs = []
    for number in range(count):
        size, shift = 3 + number % 4, 2.0 * (number % 2) - 1
        x = torch.randn(size, 4, generator=generator) + shift
        y = torch.tensor([shift * size]) if regression else torch.tensor([number % 2])
        graphs.append(Data(x=x, edge_index=ring(size), y=y))
    ids = torch.arange(count)
    part = count // 4
    split = Split("0", ids[: -2 * part], ids[-2 * part : -part], ids[-part:])
    other = Split("1", ids[2 * part :], ids[:part], ids[part : 2 * part])
    return GraphData("rings", "graph", graphs, (split, other))


def pairs(count: int = 8) -> GraphData:
    """Rings in which neighbors are to be told from vertices two steps apart."""
    data = replace(many(count), level="edge")
    for graph in data.graphs:
        true = graph.edge_index[:, :2]
        false = torch.stack([true[0], (true[0] + 2) % graph.num_nodes])
        graph.edge_label_index = torch.cat([true, false], dim=1)
        graph.edge_label = torch.tensor([1.0, 1.0, 0.0, 0.0])
        del graph.y
    return data


def vertices(count: int = 8) -> GraphData:
    """Many graphs with a label at each vertex."""
    data = replace(many(count), level="node")
    for graph in data.graphs:
        graph.y = torch.arange(graph.num_nodes) % 2
    return data


def single(size: int = 40, seed: int = 0) -> GraphData:
    """A ring whose vertices' features say their class."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(size) * 2 // size
    x = torch.randn(size, 4, generator=generator) + 2.0 * y[:, None]
    order = torch.randperm(size, generator=generator)
    split = Split("0", order[: size // 2], order[size // 2 : -size // 4], order[-size // 4 :])
    return GraphData("ring", "node", [Data(x=x, edge_index=ring(size), y=y)], (split,))


def write_graphs(path: Path, data: GraphData) -> Path:
    """Graphs and their first split as a file."""
    graphs = [copy(graph) for graph in data.graphs]
    for part, subset in enumerate(SUBSETS):
        for number in getattr(data.splits[0], subset).tolist():
            graphs[number].split = part
    save_graphs(path, graphs)
    return path
