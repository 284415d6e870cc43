"""Training on sampled neighborhoods: an epoch of our loop beside PyG's NeighborLoader.

    python -m benchmarks.sampling                     both graphs
    python -m benchmarks.sampling --graph small       1,000 vertices, fan-outs 5 and 5
    python -m benchmarks.sampling --graph large       100,000 vertices, fan-outs 10 and 5

The model is the same on both sides: two layers of GraphSAGE of width 64 and a linear head, cross
entropy, AdamW. PyG's side is its plain loop over `NeighborLoader`, which needs pyg-lib or
torch-sparse; where neither is installed that is said, and the same loop over full batches of the
same model is timed instead. Ours is `graphagg.nn.training.train`, whose epochs end with an exact
evaluation of the validation part on the whole graph; PyG's loop has none. The small graph is also
trained by a GPS model with exact attention. CPU seconds of the process, one thread, medians over
the epochs after the first.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import deque
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

from benchmarks.measure import Cost, cost, median_cost
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
    report = Report(Path("build/bench/sampling"))
    fill(report, parser.parse_args().graph or list(CASES))
    report.save()


def run(report: Report) -> None:
    """Both graphs, for the common report."""
    fill(report, list(CASES))


def fill(report: Report, names: list[str]) -> None:
    torch.set_num_threads(1)
    report.heading("Sampled training: CPU seconds of an epoch")
    has_sampler = any(find_spec(name) is not None for name in ("pyg_lib", "torch_sparse"))
    if not has_sampler:
        report.line("neither pyg-lib nor torch-sparse is installed: NeighborLoader cannot run here")
    rows = []
    for name in names:
        case = CASES[name]
        graph = generated(case)
        costs = {
            "ours, the whole epoch": ours(graph, case, Sage),
            "ours, its batches alone: sampled, trained on": plain(graph, sampled(graph, case)),
            "ours, sampling alone": drawn(sampled(graph, case)),
        }
        if has_sampler:
            loader = NeighborLoader(
                graph, list(case.fanouts), graph.train_mask, batch_size=case.batch, shuffle=True
            )
            costs["PyG: NeighborLoader"] = plain(graph, lambda _, loader=loader: loader)
            costs["PyG: NeighborLoader, sampling alone"] = drawn(lambda _, loader=loader: loader)
        whole = WholeGraph(graph, graph.train_mask.nonzero().view(-1))
        costs["a full batch"] = plain(graph, lambda _, whole=whole: whole)
        if name == "small":
            costs["ours, GPS with exact attention"] = ours(graph, case, gps())
        rows += [
            [f"{case.vertices:,}", what, f"{spent.cpu:.3f}", f"{spent.wall:.3f}"]
            for what, spent in costs.items()
        ]
    report.table(["vertices", "", "CPU s", "wall s"], rows)


def generated(case: Case) -> Data:
    """Random edges both ways, features around the center of a class, six tenths for training."""
    generator = torch.Generator().manual_seed(0)
    count = case.vertices
    y = torch.randint(0, CLASSES, (count,), generator=generator)
    centers = torch.randn(CLASSES, COLUMNS, generator=generator)
    x = centers[y] + torch.randn(count, COLUMNS, generator=generator)
    pairs = torch.randint(0, count, (2, case.edges_each * count // 2), generator=generator)
    share = torch.rand(count, generator=generator)
    return Data(
        x=x, y=y, edge_index=torch.cat([pairs, pairs.flip(0)], 1),
        train_mask=share < 0.6, val_mask=(share >= 0.6) & (share < 0.8), test_mask=share >= 0.8,
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


def ours(graph: Data, case: Case, model: Any) -> Cost:
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
    return median_cost([Cost(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(marks)])


def sampled(graph: Data, case: Case) -> Callable[[int], Any]:
    """Our sampled batches of an epoch."""
    rows, current = graph.train_mask.nonzero().view(-1), [0]
    batches = SampledBatches(graph, rows, case.batch, case.fanouts, lambda: current[0], 0)

    def of(epoch: int) -> SampledBatches:
        current[0] = epoch
        return batches

    return of


def plain(graph: Data, loader: Callable[[int], Any]) -> Cost:
    """An epoch of a plain loop; seeds come first in a batch, whichever side made it."""
    torch.manual_seed(0)
    model = Sage().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def train_once(epoch: int) -> None:
        for batch in loader(epoch):
            rows = batch.rows if "rows" in batch else slice(batch.batch_size)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(batch)[rows], batch.y[rows]).backward()
            optimizer.step()

    return median_cost([cost(lambda e=e: train_once(e)) for e in range(EPOCHS)][1:])


def drawn(loader: Callable[[int], Any]) -> Cost:
    """An epoch of sampling alone."""
    return median_cost([cost(lambda e=e: deque(loader(e), maxlen=0)) for e in range(EPOCHS)][1:])


if __name__ == "__main__":
    main()
