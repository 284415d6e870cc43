"""LCM aggregation beside PyG's and beside a sum: forward and backward, width 64, one thread.

    python -m benchmarks.aggregation                       all graphs
    python -m benchmarks.aggregation --graph power-law-2k  one of them

Graphs are given by in-degrees: all 10, or drawn with probabilities by rank^-0.6. Times are CPU of
the thread, medians over rounds that run ours, the sum, and PyG's one after the other, after a
warm-up of each; PyG's on the 5k graph takes minutes and 13 GiB, and runs once, in the process that
measures its memory. Plans are cached, as they are in training; the time to make one is a column of
its own. Memory is the peak of the resident set above its size with the input made, in a fresh
process for each number. Both LCMs are without the projection, a linear layer before either.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_geometric.nn.aggr import LCMAggregation as PyGLCMAggregation
from torch_geometric.nn.aggr import SumAggregation

from benchmarks.peak import Peak
from benchmarks.report import Report
from graphagg.nn.aggr import LCMAggregation, LCMPlan

WIDTH = 64
GIB = 2**30


@dataclass(frozen=True)
class Graph:
    """In-degrees: `vertices` of them, 10 on average."""

    name: str
    vertices: int
    skewed: bool
    rounds: int
    peer: bool = True
    peer_once: bool = False

    def index(self) -> Tensor:
        """`[E]` sorted."""
        degrees = torch.full((self.vertices,), 10)
        if self.skewed:
            generator = torch.Generator().manual_seed(0)
            weights = torch.arange(1, self.vertices + 1, dtype=torch.float64) ** -0.6
            weights = weights[torch.randperm(self.vertices, generator=generator)]
            ends = (weights.cumsum(0) / weights.sum()).clamp(max=1.0)
            drawn = torch.rand(10 * self.vertices, dtype=torch.float64, generator=generator)
            found = torch.searchsorted(ends, drawn).clamp(max=self.vertices - 1)
            degrees = torch.bincount(found, minlength=self.vertices)
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
PEERS: dict[str, Callable[[], nn.Module]] = {
    "ours": lambda: LCMAggregation(WIDTH, WIDTH, project=False),
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
    parser.add_argument("--memory", choices=PEERS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    names = chosen.graph or list(GRAPHS)
    if chosen.memory:
        print(json.dumps(peak_memory(GRAPHS[names[0]], chosen.memory)))
        return
    report = Report(chosen.out)
    bench(report, names)
    report.save()


def run(report: Report) -> None:
    """All graphs, for the common report."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    bench(report, list(GRAPHS))
    torch.set_num_threads(threads)


def bench(report: Report, names: list[str]) -> None:
    report.heading("LCM aggregation: forward and backward beside PyG's and a sum")
    rows = []
    for name in names:
        graph = GRAPHS[name]
        peers = [peer for peer in PEERS if peer != "PyG" or graph.peer]
        index = graph.index()
        largest = int(torch.bincount(index).max())
        times = measure(graph, index, [p for p in peers if p != "PyG" or not graph.peer_once])
        memory = {}
        for peer in peers:
            memory[peer], *spent = in_a_process(graph, peer)
            times.setdefault(peer, (spent[0], spent[1]))
        began = time.thread_time()
        LCMPlan.from_index(index, graph.vertices)
        plan = time.thread_time() - began
        for peer in peers:
            rows.append(
                [
                    name, largest, peer, f"{times[peer][0]:.3f}", f"{times[peer][1]:.3f}",
                    f"{memory[peer]:.3f}", *ratios(times, memory, peer),
                    f"{plan:.3f}" if peer == "ours" else "",
                ]
            )  # fmt: skip
    report.table(HEADER, rows)
    for graph in (GRAPHS[name] for name in names if not GRAPHS[name].peer):
        report.line(
            f"PyG cannot run on {graph.name}: its dense input alone, vertices x largest degree x "
            f"{WIDTH} floats, would take 30 GiB, and its backward pass many times that."
        )


def ratios(
    times: dict[str, tuple[float, float]], memory: dict[str, float], peer: str
) -> tuple[str, str, str]:
    beside_sum = f"{times[peer][0] / times['sum'][0]:.1f}"
    if peer != "ours" or "PyG" not in times:
        return "", "", beside_sum
    faster, less = times["PyG"][0] / times[peer][0], memory["PyG"] / memory[peer]
    return f"{faster:.1f}", f"{less:.1f}", beside_sum


def measure(graph: Graph, index: Tensor, peers: list[str]) -> dict[str, tuple[float, float]]:
    """Median CPU and wall seconds of a pass, forward and backward, by peer."""
    modules = {peer: PEERS[peer]() for peer in peers}
    x = torch.randn(len(index), WIDTH, requires_grad=True)
    found: dict[str, list[tuple[float, float]]] = {peer: [] for peer in peers}
    for module in modules.values():
        warm_up(module)
    once(modules["ours"], x, index, graph.vertices)  # makes the plan
    for _ in range(graph.rounds):
        for peer, module in modules.items():
            found[peer].append(once(module, x, index, graph.vertices))
    return {
        peer: (statistics.median(c for c, _ in pairs), statistics.median(w for _, w in pairs))
        for peer, pairs in found.items()
    }


def once(module: nn.Module, x: Tensor, index: Tensor, vertices: int) -> tuple[float, float]:
    cpu, wall = time.thread_time(), time.perf_counter()
    out = module(x, index, dim_size=vertices)
    out.backward(torch.ones_like(out))
    spent = time.thread_time() - cpu, time.perf_counter() - wall
    x.grad = None
    return spent


def warm_up(module: nn.Module) -> None:
    x = torch.randn(100, WIDTH, requires_grad=True)
    once(module, x, torch.arange(100) // 10, 10)


def in_a_process(graph: Graph, peer: str) -> list[float]:
    """Peak GiB, CPU and wall seconds of one pass in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.aggregation"]
    command += ["--graph", graph.name, "--memory", peer]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: list[float] = json.loads(done.stdout)
    return found


def peak_memory(graph: Graph, peer: str) -> list[float]:
    """GiB of the resident set at its peak, above what it is with the input made; and seconds."""
    module, index = PEERS[peer](), graph.index()
    warm_up(module)
    x = torch.randn(len(index), WIDTH, requires_grad=True)
    peak = Peak()
    spent = once(module, x, index, graph.vertices)
    return [peak.growth() / GIB, *spent]


if __name__ == "__main__":
    main()
