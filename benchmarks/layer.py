"""A GPS layer on molecules beside PyG's GPSConv: forward and backward, width 64, one thread.

    python -m benchmarks.layer                       all cases
    python -m benchmarks.layer --pairs 5 --repeat 5  so many pairs, of medians of so many steps

Batches of 128 and of 32 (that of the recipe) graphs of ZINC's sizes with 2 edges a vertex, with
GINE or without message passing, with the recipe's dropout of attention weights (0.5) or without.
PyG's and ours take turns; figures are CPU of the thread, medians over the pairs, ratios are medians
of the pairs' ratios. `plan known` is ours with the batch's plan made, as from the second layer of a
model on. Memory is the peak of the resident set in the first step of a fresh process, of the
larger batches. `compiled` is ours through `torch.compile`, one graph.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch_geometric.nn import GINEConv, GPSConv

from benchmarks.attention import batch_of, zinc_sizes
from benchmarks.peak import Peak
from benchmarks.report import Report
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--cases", type=int, default=len(CASES), help="the first so many")
    parser.add_argument("--compiled", action="store_true", help="also through torch.compile")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.child:
        print(json.dumps(peak(**json.loads(chosen.child))))
        return
    report = Report(Path("build/bench/layer"))
    fill(report, chosen.pairs, chosen.repeat, CASES[: chosen.cases], compiled=chosen.compiled)
    report.save()


def run(report: Report) -> None:
    """All cases, for the common report."""
    fill(report, 5, 5, CASES, compiled=False)


def fill(
    report: Report, pairs: int, repeat: int, cases: list[dict[str, Any]], *, compiled: bool
) -> None:
    report.heading("GPS layer on molecules beside GPSConv: ms of CPU, forward and backward")
    rows = []
    for case in cases:
        times = measured(steps(**case, compiled=compiled), pairs, repeat)
        row: list[object] = [case["graphs"], "GINE" if case["gine"] else "none", case["dropout"]]
        row.append(f"{1000 * statistics.median(times['PyG']):.1f}")
        for who in list(times)[1:]:
            ratio = statistics.median(a / b for a, b in zip(times["PyG"], times[who], strict=True))
            row.append(f"{1000 * statistics.median(times[who]):.1f} ({ratio:.2f} times)")
        print(row, file=sys.stderr, flush=True)
        if case["graphs"] == CASES[0]["graphs"]:
            row += [f"{in_a_process(who=who, **case):.1f}" for who in ("PyG", "ours")]
            print(row, file=sys.stderr, flush=True)
        rows.append([*row, *["-"] * (len(times) + 5 - len(row))])
    names = [*list(times)[1:]]
    report.table(
        ["graphs", "local", "dropped", "PyG", *names, "PyG MiB", "ours MiB"], rows
    )  # fmt: skip


def measured(
    every: dict[str, Callable[[], None]], pairs: int, repeat: int
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {who: [] for who in every}
    for step in every.values():
        step()
        step()
    for _ in range(pairs):
        for who, step in every.items():
            times = []
            for _ in range(repeat):
                began = time.thread_time()
                step()
                times.append(time.thread_time() - began)
            found[who].append(statistics.median(times))
    return found


def steps(
    graphs: int, gine: bool, dropout: float, *, compiled: bool = False
) -> dict[str, Callable[[], None]]:
    """One step of each side; gradients are dropped first, as an optimizer's step would."""
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
    known = Segments.from_index(batch)
    more = {"edge_attr": attr} if gine else {}

    def step(module: Any, call: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def both() -> None:
            module.zero_grad()
            x.grad = None
            call().sum().backward()

        return both

    found = {
        "PyG": step(peer, lambda: peer(x, edges, batch, **more)),
        "ours": step(layer, lambda: layer(x, edges, attr, batch=batch)[0]),
        "plan known": step(layer, lambda: layer(x, edges, attr, segments=known)[0]),
    }
    if compiled:
        fast = torch.compile(layer, fullgraph=True, dynamic=True)
        found["compiled"] = step(layer, lambda: fast(x, edges, attr, ptr=known.ptr)[0])
    return found


def peak(who: str, **case: Any) -> float:
    """MiB of one step in this process, after one on two graphs, which loads what PyTorch loads."""
    steps(**{**case, "graphs": 2})[who]()
    step = steps(**case)[who]
    found = Peak()
    step()
    return found.growth() / 2**20


def in_a_process(**case: Any) -> float:
    command = [sys.executable, "-m", "benchmarks.layer", "--child", json.dumps(case)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
