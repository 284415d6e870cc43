"""Training on sampled neighborhoods: an epoch of our loop beside PyG's NeighborLoader.

    python -m benchmarks.sampling                     both graphs
    python -m benchmarks.sampling --graph small       1,000 vertices, fan-outs 5 and 5
    python -m benchmarks.sampling --graph large       100,000 vertices, fan-outs 10 and 5

The model is the same on both sides: two layers of GraphSAGE of width 64 and a linear head, cross
entropy, AdamW. PyG's side is its plain loop over `NeighborLoader`, which needs pyg-lib or
torch-sparse; where neither is installed that is said, and the same loop over full batches of the
same model is timed instead. Ours is `graphagg.nn.training.train`, whose epochs end with an exact
evaluation of the validation part on the whole graph; the time of that is a column of its own, as
PyG's loop has none. The small graph is also trained by a GPS model with exact attention. CPU
seconds of the process, one thread, medians over the epochs after the first.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import NeighborLoader
from torch_geometric.nn import SAGEConv

from benchmarks.report import Report
from graphagg.nn.config.model import (
    AttentionConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    LocalConfig,
)
from graphagg.nn.training import Shape, TrainingConfig, train
from graphagg.nn.training.batches import SampledBatches, WholeGraph

WIDTH, COLUMNS, CLASSES = 64, 32, 5
EPOCHS = 6


@dataclass(frozen=True)
class Case:
    vertices: int
    edges_each: int
    fanouts: tuple[int, ...]
    batch: int


CASES = {
    "small": Case(1_000, 8, (5, 5), 64),
    "large": Case(100_000, 10, (10, 5), 1024),
}


class Sage(nn.Module):
    """Two layers of GraphSAGE and a linear head."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.first, self.second = SAGEConv(COLUMNS, WIDTH), SAGEConv(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, data: Data) -> Tensor:
        x = self.first(data.x, data.edge_index).relu()
        return self.head(self.second(x, data.edge_index).relu())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graph", choices=CASES, action="append")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    report = Report(Path("build/bench/sampling"))
    fill(report, chosen.graph or list(CASES))
    report.save()


def run(report: Report) -> None:
    """Both graphs, for the common report."""
    fill(report, list(CASES))


def fill(report: Report, names: list[str]) -> None:
    report.heading("Sampled training: CPU seconds of an epoch")
    if not has_sampler():
        report.line("neither pyg-lib nor torch-sparse is installed: NeighborLoader cannot run here")
    rows = []
    for name in names:
        case = CASES[name]
        graph = made(case)
        found = {"ours, the whole epoch": ours(graph, case, Sage)}
        found["ours, its batches alone: sampled, trained on"] = plain(
            graph, case, sampled(graph, case)
        )
        found["ours, sampling alone"] = drawn(sampled(graph, case))
        if has_sampler():
            loader = NeighborLoader(
                graph, list(case.fanouts), graph.train_mask, batch_size=case.batch, shuffle=True
            )
            found["PyG: NeighborLoader"] = plain(graph, case, always(loader))
            found["PyG: NeighborLoader, sampling alone"] = drawn(always(loader))
        ids = graph.train_mask.nonzero().view(-1)
        found["a full batch"] = plain(graph, case, always(WholeGraph(graph, ids)))
        if name == "small":
            found["ours, GPS with exact attention"] = ours(graph, case, gps())
        rows += [
            [f"{case.vertices:,}", what, f"{s:.3f}", f"{w:.3f}"] for what, (s, w) in found.items()
        ]
    report.table(["vertices", "", "CPU s", "wall s"], rows)


def has_sampler() -> bool:
    return any(find_spec(name) is not None for name in ("pyg_lib", "torch_sparse"))


def made(case: Case) -> Data:
    """Random edges both ways, features around the class's own, six tenths for training."""
    generator = torch.Generator().manual_seed(0)
    count = case.vertices
    y = torch.randint(0, CLASSES, (count,), generator=generator)
    centers = torch.randn(CLASSES, COLUMNS, generator=generator)
    x = centers[y] + torch.randn(count, COLUMNS, generator=generator)
    pairs = torch.randint(0, count, (2, case.edges_each * count // 2), generator=generator)
    part = torch.rand(count, generator=generator)
    return Data(
        x=x, y=y, edge_index=torch.cat([pairs, pairs.flip(0)], 1),
        train_mask=part < 0.6, val_mask=(part >= 0.6) & (part < 0.8), test_mask=part >= 0.8,
    )  # fmt: skip


def gps() -> GPSConfig:
    return GPSConfig(
        FeatureConfig(width=COLUMNS),
        channels=WIDTH,
        layers=2,
        local=LocalConfig("gcn"),
        attention=AttentionConfig("exact", heads=4),
        head=HeadConfig(task="node", kind="mlp", layers=1),
    )


def ours(graph: Data, case: Case, model: Any) -> tuple[float, float]:
    """An epoch of `train` with its evaluation, checkpoint and logs."""
    marks: list[tuple[float, float]] = []
    training = TrainingConfig(
        "accuracy", epochs=EPOCHS, batch_size=case.batch, fanouts=case.fanouts, warmup_epochs=1
    )

    def progress(*_: object) -> None:
        marks.append((time.process_time(), time.perf_counter()))

    with tempfile.TemporaryDirectory() as folder:
        train(model, graph, Path(folder) / "run", training=training, device="cpu",
              progress=progress)  # fmt: skip
    return medians([(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(marks)])


def sampled(graph: Data, case: Case) -> Callable[[int], Any]:
    rows = graph.train_mask.nonzero().view(-1)
    epochs = [0]
    batches = SampledBatches(graph, rows, case.batch, case.fanouts, lambda: epochs[0], 0)

    def of(epoch: int) -> SampledBatches:
        epochs[0] = epoch
        return batches

    return of


def plain(graph: Data, case: Case, loader: Callable[[int], Any]) -> tuple[float, float]:
    """An epoch of a plain loop; seeds come first in a batch, whichever side made it."""
    torch.manual_seed(0)
    model = Sage().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    times = []
    for epoch in range(EPOCHS):
        began = time.process_time(), time.perf_counter()
        for batch in loader(epoch):
            rows = batch.rows if "rows" in batch else slice(batch.batch_size)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(batch)[rows], batch.y[rows]).backward()
            optimizer.step()
        times.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    return medians(times[1:])


def always(loader: Any) -> Callable[[int], Any]:
    """The same loader in every epoch."""
    return lambda epoch: loader


def drawn(loader: Callable[[int], Any]) -> tuple[float, float]:
    times = []
    for epoch in range(EPOCHS):
        began = time.process_time(), time.perf_counter()
        for _ in loader(epoch):
            pass
        times.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    return medians(times[1:])


def medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    cpu, wall = zip(*times, strict=True)
    return statistics.median(cpu), statistics.median(wall)


if __name__ == "__main__":
    main()
