"""Runs of any length: the plain models of `auto` beside the same models in a plain loop of PyG.

    python -m benchmarks.training.short_runs                      five sets, 10 to 200 epochs
    python -m benchmarks.training.short_runs --set texas --epochs 30 --pairs 10

The plain loop is Adam of rate .01 and weight decay 5e-4, width 64, dropout .5, two layers of PyG's
`MLP`, `GCN`, `GraphSAGE` or `GPSConv` with `GCNConv`, and the epoch that validation chooses, as on
our side. A pair is a split (of a set with one split, a seed) on which both sides are trained; a
cell has both means, and the mean difference with its 95 % interval over the pairs (Student's t).
The race of `auto` takes the model with the best mean validation score.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.nn import GCN, MLP, GCNConv, GPSConv, GraphSAGE

from benchmarks.report import parser_of
from benchmarks.training.small_sets import CPU, RATIO, blocks, dataset
from benchmarks.training.table import interval
from graphagg.nn.presets.simple import SIMPLE, Simple, for_epochs, simple
from graphagg.nn.training import GraphData, Split, random_splits
from graphagg.nn.training.batches import Feed, prepare
from graphagg.nn.training.controls import Task, measure
from graphagg.nn.training.data.dataset import check_data
from graphagg.nn.training.plan import transform_for

WIDTH, EPOCHS, PAIRS = 64, (10, 30, 100, 200), 10
BLOCKS = {"blocks, 80% inside, signal 0.4": (0.8, 0.4, 21), "blocks, 50% inside": (0.5, 0.6, 22)}
SETS = (*BLOCKS, "texas", "infection", "cora, public")
Scores = tuple[float, float]
"""Validation and test accuracy."""


def data_of(name: str) -> GraphData:
    if name in BLOCKS:
        graph = blocks(*BLOCKS[name]).graphs[0]
        return check_data(random_splits(graph, (0.6, 0.2, 0.2), count=PAIRS))
    data = dataset(name)
    if name == "infection":  # drawn with fewer splits than pairs
        return check_data(random_splits(data.graphs[0], RATIO, count=PAIRS))
    return data


class TwoGPS(torch.nn.Module):
    """PyG's GPS, as its documentation builds it."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.lift, self.head = torch.nn.Linear(features, WIDTH), torch.nn.Linear(WIDTH, classes)
        self.layers = torch.nn.ModuleList(
            GPSConv(WIDTH, GCNConv(WIDTH, WIDTH), heads=4, dropout=0.5) for _ in range(2)
        )

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        x = self.lift(x)
        for layer in self.layers:
            x = layer(x, edge_index)
        out: torch.Tensor = self.head(x)
        return out


def by_hand(name: Simple, graph: Data, split: Split, epochs: int, seed: int) -> Scores:
    """What a newcomer writes; scores of the epoch that is best on the validation part."""
    torch.manual_seed(seed)
    width, classes = graph.x.size(1), int(graph.y.max()) + 1
    model: torch.nn.Module
    if name == "mlp":
        model = MLP([width, WIDTH, classes], dropout=0.5, norm=None)
    elif name == "gps":
        model = TwoGPS(width, classes)
    else:
        model = (GCN if name == "gcn" else GraphSAGE)(width, WIDTH, 2, classes, dropout=0.5)
    inputs = (graph.x,) if name == "mlp" else (graph.x, graph.edge_index)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    best = (-1.0, 0.0)
    for _ in range(epochs):
        model.train()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(*inputs)[split.train], graph.y[split.train])
        loss.backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            right = (model(*inputs).argmax(1) == graph.y).float()
        val = float(right[split.val].mean())
        if val > best[0]:
            best = val, float(right[split.test].mean())
    return best


def ours(name: Simple, data: GraphData, split: Split, epochs: int, seed: int) -> Scores:
    preset = simple(name, "node", int(data.graphs[0].num_nodes or 0))
    training = replace(for_epochs(preset.training, epochs), random_state=seed)
    encode = transform_for(preset.model)
    moved, graphs = prepare(data if encode is None else data.transformed(encode), training, CPU)
    feed = Feed(moved, graphs, split, training)
    task = Task(feed, data.shape("accuracy"), "accuracy", training, CPU)
    control = measure(task, {name: replace(preset, training=training)})[-1]
    return control.val or 0.0, control.test or 0.0


def run(name: str, epochs: int, pairs: int, models: Sequence[Simple]) -> None:
    data = data_of(name)
    splits = [data.splits[pair % len(data.splits)] for pair in range(pairs)]
    means, cells, cpu = {}, [], [0.0, 0.0]
    for model in models:
        began = time.process_time()
        found = [ours(model, data, split, epochs, seed) for seed, split in enumerate(splits)]
        middle = time.process_time()
        plain = [
            by_hand(model, data.graphs[0], split, epochs, seed) for seed, split in enumerate(splits)
        ]
        cpu = [cpu[0] + middle - began, cpu[1] + time.process_time() - middle]
        means[model] = np.mean(found, axis=0)
        ahead = 100 * (np.array(found) - np.array(plain))[:, 1]
        both = f"{100 * means[model][1]:.1f} / {100 * np.mean(plain, axis=0)[1]:.1f}"
        cells.append(f"{both} ({ahead.mean():+.1f} ± {interval(ahead):.1f})")
    best = max(means, key=lambda model: float(means[model][0]))
    row = [name, str(epochs), *cells, f"{100 * means[best][1]:.1f} ({best})"]
    print(f"| {' | '.join(row)} | {cpu[0]:.1f} / {cpu[1]:.1f} |", flush=True)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--set", action="append", choices=SETS)
    parser.add_argument("--epochs", type=int, action="append")
    parser.add_argument("--model", action="append", choices=SIMPLE)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    models = chosen.model or SIMPLE
    print(f"| set | epochs | {' | '.join(models)} | best by validation | CPU s |")
    print("| --- | ---: " + "| ---: " * (len(models) + 2) + "|")
    for name in chosen.set or SETS:
        for epochs in chosen.epochs or EPOCHS:
            run(name, epochs, chosen.pairs, models)


if __name__ == "__main__":
    main()
