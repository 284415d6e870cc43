"""Compares LCM aggregation with PyG's and with a sum: forward, backward, width 64, one thread.

    python -m benchmarks.learning.aggregation                       all graphs
    python -m benchmarks.learning.aggregation --graph power-law-2k  one of them

Graphs are defined by in-degrees: all 10, or drawn in proportion to rank^-0.6. Times are CPU of the
thread, medians over rounds that run ours, the sum, and PyG's in alternation, after a warm-up of
each. PyG's on the 5k graph takes minutes and 13 GiB, and runs once, in the process that measures
its memory. Plans are cached, as in training; the time to create one is in a separate column. Memory
is the peak of the resident set minus its size after the input is created, in a fresh process per
figure. Both LCMs run without the projection, the linear layer before them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_geometric.nn.aggr import LCMAggregation as PyGLCMAggregation
from torch_geometric.nn.aggr import SumAggregation

from benchmarks.measure import Cost, Peak, cost, in_process, in_turn, median_cost
from benchmarks.report import Report
from graphagg.nn.aggr import LCMAggregation, LCMPlan

WIDTH = 64


@dataclass(frozen=True)
class Graph:
    """In-degrees of `vertices` vertices, 10 on average."""

    name: str
    vertices: int
    skewed: bool
    rounds: int
    peer: bool = True
    peer_once: bool = False

    def index(self) -> Tensor:
        """Return the sorted target index of each edge, `[E]`."""
        degrees = torch.full((self.vertices,), 10)
        if self.skewed:
            generator = torch.Generator().manual_seed(0)
            weights = torch.arange(1, self.vertices + 1, dtype=torch.float64) ** -0.6
            weights = weights[torch.randperm(self.vertices, generator=generator)]
            ends = (weights.cumsum(0) / weights.sum()).clamp(max=1.0)
            drawn = torch.rand(10 * self.vertices, dtype=torch.float64, generator=generator)
            targets = torch.searchsorted(ends, drawn).clamp(max=self.vertices - 1)
            degrees = torch.bincount(targets, minlength=self.vertices)
        return torch.repeat_interleave(torch.arange(self.vertices), degrees)


GRAPHS = {
    graph.name: graph
    for graph in (
        Graph("power-law-2k", 2_000, True, 3),
        Graph("power-law-5k", 5_000, True, 3, peer_once=True),
        Graph("power-law-50k", 50_000, True, 5, peer=False),
        Graph("uniform-50k", 50_000, False, 3),
    )
}
SIDES: dict[str, Callable[[], nn.Module]] = {
    "ours": lambda: LCMAggregation(WIDTH, WIDTH, project=False),
    "ours, GRU": lambda: LCMAggregation(WIDTH, WIDTH, project=False, operator="gru"),
    "sum": SumAggregation,
    "PyG": lambda: PyGLCMAggregation(WIDTH, WIDTH, project=False),
}
HEADER = [
    "graph", "largest", "", "CPU s", "wall s", "peak GiB", "PyG / this: CPU", "memory",
    "this / sum: CPU", "plan s",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graph", choices=GRAPHS, action="append")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    report = Report(chosen.out)
    fill(report, chosen.graph or list(GRAPHS))
    report.save()


def run(report: Report) -> None:
    """Run all graphs for the common report."""
    fill(report, list(GRAPHS))


def fill(report: Report, names: list[str]) -> None:
    torch.set_num_threads(1)
    report.heading("LCM aggregation: forward and backward, against PyG's and a sum")
    rows = []
    for name in names:
        graph = GRAPHS[name]
        sides = [side for side in SIDES if side != "PyG" or graph.peer]
        index = graph.index()
        costs = measure(graph, index, [s for s in sides if s != "PyG" or not graph.peer_once])
        memory = {}
        for side in sides:
            memory[side], *spent = in_process(peak_of, name=name, side=side)
            costs.setdefault(side, Cost(*spent))
        plan = cost(lambda g=graph, i=index: LCMPlan.from_index(i, g.vertices), time.thread_time)
        for side in sides:
            times = [f"{costs[side].cpu:.3f}", f"{costs[side].wall:.3f}", f"{memory[side]:.3f}"]
            better = ["", ""]
            if side == "ours" and "PyG" in costs:
                better = [f"{costs['PyG'].cpu / costs[side].cpu:.1f}",
                          f"{memory['PyG'] / memory[side]:.1f}"]  # fmt: skip
            beside_sum = f"{costs[side].cpu / costs['sum'].cpu:.1f}"
            made = f"{plan.cpu:.3f}" if side == "ours" else ""
            largest = int(torch.bincount(index).max())
            rows.append([name, largest, side, *times, *better, beside_sum, made])
    report.table(HEADER, rows)
    for name in names:
        if not GRAPHS[name].peer:
            report.line(
                f"PyG cannot run on {name}: its dense input alone, vertices x largest degree x "
                f"{WIDTH} floats, would take 30 GiB, and its backward pass many times that."
            )


def measure(graph: Graph, index: Tensor, names: list[str]) -> dict[str, Cost]:
    """Return the median CPU and wall seconds of a forward and backward pass, by side."""
    x = torch.randn(len(index), WIDTH, requires_grad=True)
    steps = {name: partial(step, SIDES[name](), x, index, graph.vertices) for name in names}
    costs = in_turn(steps, graph.rounds)  # the warm-up creates the plan
    return {name: median_cost(spent) for name, spent in costs.items()}


def step(module: nn.Module, x: Tensor, index: Tensor, vertices: int) -> None:
    x.grad = None
    out = module(x, index, dim_size=vertices)
    out.backward(torch.ones_like(out))


def peak_of(name: str, side: str) -> list[float]:
    """Return the growth of the resident set at its peak in GiB, and CPU and wall seconds."""
    torch.set_num_threads(1)
    module, index = SIDES[side](), GRAPHS[name].index()
    step(module, torch.randn(100, WIDTH, requires_grad=True), torch.arange(100) // 10, 10)
    x = torch.randn(len(index), WIDTH, requires_grad=True)
    peak = Peak()
    spent = cost(lambda: step(module, x, index, GRAPHS[name].vertices), time.thread_time)
    return [peak.growth() / 2**30, spent.cpu, spent.wall]


if __name__ == "__main__":
    main()
