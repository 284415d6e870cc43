"""Compares a GPS layer with PyG's GPSConv on molecules: forward, backward, width 64, one thread.

    python -m benchmarks.learning.layer                       all cases
    python -m benchmarks.learning.layer --pairs 5 --repeat 5  pairs, and steps per median

Batches have 128 or 32 (as in the recipe) graphs of ZINC's sizes with 2 edges per vertex, with GINE
or without message passing, with the recipe's dropout of attention weights (0.5) or without. PyG's
layer and ours alternate. Figures are CPU of the thread, medians over the pairs; ratios are medians
of the pairs' ratios. `plan known` is ours with an existing plan of the batch, as in the second and
later layers of a model. Memory is the peak of the resident set in the first step of a fresh
process, for the larger batches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch_geometric.nn import GINEConv, GPSConv

from benchmarks.learning.attention import batch_of, zinc_sizes
from benchmarks.measure import Cost, Peak, cost, in_process, median_cost, ratio
from benchmarks.report import Report, parser_of
from graphagg.nn.config.model import AttentionConfig
from graphagg.nn.gps import GPSLayer
from graphagg.nn.segments import Segments

WIDTH, HEADS = 64, 4
CASES: list[dict[str, Any]] = [
    {"graphs": graphs, "gine": gine, "dropout": dropout}
    for graphs in (128, 32)
    for gine in (True, False)
    for dropout in (0.5, 0.0)
]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--cases", type=int, default=len(CASES), help="number of first cases")
    chosen = parser.parse_args()
    report = Report(Path("build/bench/layer"))
    fill(report, chosen.pairs, chosen.repeat, CASES[: chosen.cases])
    report.save()


def run(report: Report) -> None:
    """Run all cases for the common report."""
    fill(report, 5, 5, CASES)


def fill(report: Report, pairs: int, repeat: int, cases: list[dict[str, Any]]) -> None:
    torch.set_num_threads(1)
    report.heading("GPS layer on molecules against GPSConv: ms of CPU, forward and backward")
    rows, names = [], list[str]()
    for case in cases:
        costs = measured(steps(**case), pairs, repeat)
        names = list(costs)[1:]
        row: list[object] = [case["graphs"], "GINE" if case["gine"] else "none", case["dropout"]]
        row.append(milliseconds(costs["PyG"]))
        for name in names:
            row.append(
                f"{milliseconds(costs[name])} ({ratio(costs['PyG'], costs[name]):.2f} times)"
            )
        if case["graphs"] == CASES[0]["graphs"]:
            row += [f"{in_process(peak, side=side, **case):.1f}" for side in ("PyG", "ours")]
        rows.append([*row, *["-"] * (len(names) + 6 - len(row))])
    report.table(["graphs", "local", "dropped", "PyG", *names, "PyG MiB", "ours MiB"], rows)


def milliseconds(costs: list[Cost]) -> str:
    return f"{1000 * median_cost(costs).cpu:.1f}"


def measured(
    sides: dict[str, Callable[[], None]], pairs: int, repeat: int
) -> dict[str, list[Cost]]:
    """Return the median of some steps for each pair and side."""
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for number in range(pairs + 1):
        for name, step in sides.items():
            spent = [cost(step, time.thread_time) for _ in range(repeat if number else 2)]
            if number:
                costs[name].append(median_cost(spent))
    return costs


def steps(graphs: int, gine: bool, dropout: float) -> dict[str, Callable[[], None]]:
    """Return one step of each side; it clears gradients first, as in a step of an optimizer."""
    torch.manual_seed(0)
    x, edges, batch = batch_of(zinc_sizes()[:graphs])
    edges = edges[:, torch.randperm(edges.size(1))[: edges.size(1) // 2]]
    attr = torch.randn(edges.size(1), WIDTH) if gine else None
    linear = torch.nn.Linear
    mlp = torch.nn.Sequential(linear(WIDTH, WIDTH), torch.nn.ReLU(), linear(WIDTH, WIDTH))
    peer = GPSConv(
        WIDTH, GINEConv(mlp) if gine else None, heads=HEADS, attn_kwargs={"dropout": dropout}
    )
    layer = GPSLayer(
        WIDTH, "gine" if gine else None, AttentionConfig("exact", HEADS, dropout=dropout),
        edge_channels=WIDTH if gine else None,
    )  # fmt: skip
    segments = Segments.from_index(batch)
    more = {"edge_attr": attr} if gine else {}

    def step(module: Any, call: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def both() -> None:
            module.zero_grad()
            x.grad = None
            call().sum().backward()

        return both

    return {
        "PyG": step(peer, lambda: peer(x, edges, batch, **more)),
        "ours": step(layer, lambda: layer(x, edges, attr, batch=batch)[0]),
        "plan known": step(layer, lambda: layer(x, edges, attr, segments=segments)[0]),
    }


def peak(side: str, **case: Any) -> float:
    """Measure MiB of one step in this process, after a warm-up step on two graphs."""
    torch.set_num_threads(1)
    steps(**{**case, "graphs": 2})[side]()
    step = steps(**case)[side]
    above = Peak()
    step()
    return above.growth() / 2**20


if __name__ == "__main__":
    main()
