"""Overhead on a small graph: `train` against a plain loop of the same layers, LCM against a mean.

    python -m benchmarks.training.small_graph            5 rounds of 40 epochs each

The graph is a block model of 300 labeled vertices and about 3,000 edges; the model has two layers
of SAGE of width 64; each epoch includes validation; one thread. Sides alternate in one process. A
figure is the median over the rounds, a ratio the median of the rounds' ratios. `PyG` is two
SAGEConv of PyG in the plain loop, with the same aggregators. `products` are only the matrix
products of LCM in an epoch, with the sizes of its tree: a lower bound in this precision.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import SAGEConv

from benchmarks.report import parser_of
from benchmarks.training.sets import blocks
from graphagg.nn import Preset
from graphagg.nn import make_aggregation as by_name
from graphagg.nn.aggr.plan import LCMPlan
from graphagg.nn.presets.plain import plain_preset
from graphagg.nn.training import GraphData, Shape, train
from graphagg.nn.training.data.dataset import check_data
from graphagg.nn.training.plan import make_plan

WIDTH, CLASSES, FEATURES = 64, 3, 16
AGGREGATORS = ("mean", "lcm", "lcm-given", "lcm-gru")


def recipe(aggregation: str, epochs: int) -> Preset:
    plain = plain_preset("sage", "node")
    local = replace(plain.model.local, aggregation=aggregation)
    training = replace(plain.training, epochs=epochs, patience=0, warmup_epochs=0)
    return Preset(replace(plain.model, local=local), training)


class Plain(nn.Module):
    """The model that a beginner would write: two SAGEConv, a ReLU, a dropout."""

    def __init__(self, aggregation: str) -> None:
        super().__init__()
        self.lift, self.head = nn.Linear(FEATURES, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.layers = nn.ModuleList(
            SAGEConv(WIDTH, WIDTH, by_name(aggregation, WIDTH)) for _ in range(2)
        )

    def forward(self, data: Any) -> Tensor:
        x = self.lift(data.x)
        for layer in self.layers:
            x = x + nn.functional.dropout(layer(x, data.edge_index).relu(), 0.5, self.training)
        out: Tensor = self.head(x)
        return out


def plain_loop(model: nn.Module, data: GraphData, settings: Preset) -> list[float]:
    """Return the CPU seconds of each epoch of a beginner's training loop, without the first."""
    training, (graph,), split = settings.training, data.graphs, data.splits[0]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.lr, weight_decay=training.weight_decay
    )
    times = []
    for epoch in range(training.epochs):
        began = time.thread_time()
        model.train()
        optimizer.zero_grad()
        out = model(graph)
        nn.functional.cross_entropy(out[split.train], graph.y[split.train]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), training.clip_norm)
        optimizer.step()
        model.eval()
        with torch.no_grad():
            answers = model(graph)[split.val].argmax(1)
        float((answers == graph.y[split.val]).float().mean())
        if epoch:
            times.append(time.thread_time() - began)
    return times


def by_train(data: GraphData, settings: Preset) -> list[float]:
    """Return the CPU seconds of each epoch of `train`, measured with its progress callback."""
    marks: list[float] = []

    def progress(stage: str, done: int, total: int) -> None:
        if done < total:
            marks.append(time.thread_time())

    with tempfile.TemporaryDirectory() as folder:
        train(settings, data, Path(folder) / "run", device="cpu", progress=progress)
    return [b - a for a, b in pairwise(marks)]


def products(data: GraphData) -> Callable[[], None]:
    """Return the matrix products of LCM in an epoch: two layers forward, backward, and validation.

    Forward needs 2 d^2 multiplications per combine, backward twice as many.
    """
    plan = LCMPlan.from_index(data.graphs[0].edge_index[1], data.graphs[0].num_nodes)
    sizes = [high - low for block in plan.blocks for low, high in block.passes]
    rows = [torch.randn(2 * size, WIDTH) for size in sizes]
    weights = torch.randn(WIDTH, WIDTH)
    made = [torch.empty_like(x) for x in rows]
    back, of_weights = [torch.empty_like(x) for x in rows], torch.empty(WIDTH, WIDTH)

    def step() -> None:
        for _ in range(2):
            for x, out, grad in zip(rows, made, back, strict=True):
                torch.mm(x, weights, out=out)  # training
                torch.mm(x, weights, out=out)  # validation
                torch.mm(out, weights.t(), out=grad)
                torch.mm(x.t(), out, out=of_weights)

    return step


def spent(step: Callable[[], None], times: int) -> list[float]:
    costs = []
    for _ in range(times):
        began = time.thread_time()
        step()
        costs.append(time.thread_time() - began)
    return costs


def measure(epochs: int, rounds: int) -> dict[str, list[float]]:
    """Return the CPU milliseconds of an epoch of every side, one median per round."""
    data = check_data(blocks(0.6, 0.3, 1))
    shape = data.shape("accuracy")
    every: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name in AGGREGATORS:
            settings = recipe(name, epochs)
            sides = {
                f"{name}, PyG": lambda s=settings, n=name: plain_loop(Plain(n), data, s),
                f"{name}, plain": lambda s=settings: plain_loop(model_of(s, shape), data, s),
                f"{name}, train": lambda s=settings: by_train(data, s),
            }
            for side, run in sides.items():
                seconds = run()
                if number:  # the first round is a warm-up
                    every.setdefault(side, []).append(1000 * statistics.median(seconds))
        if number:
            cost = 1000 * statistics.median(spent(products(data), epochs))
            every.setdefault("lcm, products", []).append(cost)
    return every


def model_of(settings: Preset, shape: Shape) -> nn.Module:
    torch.manual_seed(0)
    return make_plan(settings).build(shape)


def ratio(every: dict[str, list[float]], of: str, to: str) -> float:
    return statistics.median(a / b for a, b in zip(every[of], every[to], strict=True))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    every = measure(chosen.epochs, chosen.rounds)
    print("| CPU ms of an epoch | PyG, plain loop | ours, plain loop | `train` | over plain |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in AGGREGATORS:
        sides = [f"{name}, {side}" for side in ("PyG", "plain", "train")]
        shown = " | ".join(f"{statistics.median(every[side]):.1f}" for side in sides)
        print(f"| {name} | {shown} | {ratio(every, sides[2], sides[1]):.2f} |")
    floor = statistics.median(every["lcm, products"])
    print(
        f"\nproducts of LCM alone {floor:.1f} ms; over mean by `train`: "
        + ", ".join(
            f"{name} {ratio(every, f'{name}, train', 'mean, train'):.1f}"
            for name in AGGREGATORS[1:]
        )
    )


if __name__ == "__main__":
    main()
