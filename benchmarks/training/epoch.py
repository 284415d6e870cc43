"""Seconds per epoch of ZINC-12k: our training loop against PyG's GPSConv in a PyG loop.

    python -m benchmarks.training.epoch                        3 pairs of runs of 2 epochs each
    python -m benchmarks.training.epoch --molecules 2000       only 2,000 training molecules
    python -m benchmarks.training.epoch --preset zinc-small    another recipe, 4 layers

Both sides use the recipe of the preset: GINE and attention with dropout of its weights, RWSE
computed beforehand, AdamW, gradients clipped at norm 1, L1 loss, batches of shuffled graphs, and
validation after each epoch. Ours is `graphagg.nn.training.train` with its checkpoints and logs;
PyG's is a plain loop over its `DataLoader`. Runs alternate; a figure is the median of the epochs of
all runs. CPU is that of the process; wall time is also printed.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GINEConv, GPSConv, global_add_pool

from benchmarks.report import parser_of
from benchmarks.training import public
from graphagg.nn.presets import Preset, get_preset
from graphagg.nn.training import GraphData, Split, train
from graphagg.nn.training.data.dataset import check_data
from graphagg.nn.training.plan import transform_for

FILE = public.ROOT / "zinc12k" / "zinc12k.npz"
SMALL = 192  # molecules of a smoke test
Times = list[tuple[float, float]]
"""CPU and wall seconds of each epoch."""


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--preset", default="zinc")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--molecules", type=int, default=0, help="of the training part; 0: all")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = compared(
        chosen.device, chosen.epochs, chosen.pairs, name=chosen.preset, first=chosen.molecules
    )
    for row in rows:
        print(row, flush=True)


def compared(
    device: str, epochs: int, pairs: int = 1, *, name: str = "zinc", first: int = 0,
    small: bool = False,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Yield a row per pair of runs, and one row with the medians of all epochs."""
    recipe, data, source = get_preset(name), *molecules(SMALL if small else first)
    transform = transform_for(recipe.model)
    encoded = data if transform is None else data.transformed(transform)
    every: dict[str, Times] = {"ours": [], "PyG": []}
    for number in range(pairs):
        spent = {"ours": ours(recipe, data, epochs, device)}
        spent["PyG"] = theirs(recipe, encoded, epochs, device)
        for who, times in spent.items():
            every[who] += times
        yield _row(f"pair {number + 1}", spent, source)
    if pairs > 1:
        yield _row("all", every, source)


def epochs_on(device: str) -> Iterator[dict[str, Any]]:
    """Yield the row of one pair of runs on a device; on the CPU it is a smoke test."""
    yield from compared(device, epochs=2 if device == "cpu" else 5, small=device == "cpu")


def _row(what: str, spent: dict[str, Times], source: str) -> dict[str, Any]:
    row: dict[str, Any] = {"runs": what, "molecules": source}
    for at, clock in enumerate(("CPU", "wall")):
        medians = {who: statistics.median(t[at] for t in times) for who, times in spent.items()}
        row |= {f"{who} {clock} s an epoch": round(m, 2) for who, m in medians.items()}
        row[f"{clock}: times"] = round(medians["PyG"] / medians["ours"], 2)
    return row


def molecules(first: int) -> tuple[GraphData, str]:
    """Return ZINC-12k, or random graphs of its sizes if the file is missing; and its name."""
    if FILE.exists():
        data, source = public.load("zinc12k/zinc12k.npz"), "ZINC-12k"
    else:
        data, source = check_data(made(12_000)), "random graphs of ZINC's sizes"
    if first:
        split = data.splits[0]
        part = max(first // 10, 1)
        cut = replace(
            split, train=split.train[:first], val=split.val[:part], test=split.test[:part]
        )
        data = replace(data, splits=(cut,))
    return data, f"{len(data.splits[0].train):,} of {source}"


def made(count: int) -> GraphData:
    """Generate trees with two more edges, with the sizes and vocabularies of ZINC's molecules."""
    rng = np.random.default_rng(0)
    graphs = []
    for size in rng.normal(23.2, 4.5, count).round().clip(9, 38).astype(int):
        parents = (rng.random(size - 1) * np.arange(1, size)).astype(int)
        pairs = np.stack([np.arange(1, size), parents])
        pairs = np.hstack([pairs, rng.integers(0, size, (2, 2))])
        both = torch.from_numpy(np.hstack([pairs, pairs[::-1]]))
        kinds = torch.from_numpy(np.tile(rng.integers(0, 4, pairs.shape[1]), 2))
        x = torch.from_numpy(rng.integers(0, 28, (size, 1)))
        y = torch.tensor([rng.standard_normal()]).float()
        graphs.append(Data(x=x, edge_index=both, edge_attr=kinds, y=y))
    ids = torch.arange(count)
    a, b = count * 10 // 12, count * 11 // 12
    return GraphData("made", "graph", graphs, (Split("made", ids[:a], ids[a:b], ids[b:]),))


def ours(recipe: Preset, data: GraphData, epochs: int, device: str) -> Times:
    """Time epochs of `train` with its progress callback, without the first and the end of a run."""
    marks: list[tuple[float, float]] = []

    def progress(stage: str, done: int, total: int) -> None:
        if done < total:
            marks.append((time.process_time(), time.perf_counter()))

    training = replace(recipe.training, epochs=epochs + 2, warmup_epochs=0)
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, data, Path(folder) / "run", training=training, device=device,
              progress=progress)  # fmt: skip
    return [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(marks)]


def theirs(recipe: Preset, data: GraphData, epochs: int, device: str) -> Times:
    """Time the epochs of a plain PyG loop."""
    torch.manual_seed(0)
    training = recipe.training
    model = PyGModel(recipe).to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.lr, weight_decay=training.weight_decay
    )
    split = data.splits[0]
    parts = {
        part: DataLoader(
            [data.graphs[i] for i in getattr(split, part).tolist()],
            training.batch_size,
            shuffle=part == "train",
        )
        for part in ("train", "val")
    }
    times: Times = []
    for epoch in range(epochs + 1):
        began = time.process_time(), time.perf_counter()
        model.train()
        for batch in parts["train"]:
            moved = batch.to(device)
            optimizer.zero_grad()
            loss = nn.functional.l1_loss(model(moved).view(-1), moved.y.view(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), training.clip_norm)
            optimizer.step()
        _validate(model.eval(), parts["val"], device)
        if epoch:
            times.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    return times


@torch.no_grad()
def _validate(model: nn.Module, loader: DataLoader, device: str) -> float:
    total = 0.0
    for batch in loader:
        moved = batch.to(device)
        total += float((model(moved).view(-1) - moved.y.view(-1)).abs().sum())
    return total / len(loader.dataset)


class PyGModel(nn.Module):
    """The model of a ZINC preset built with PyG: same widths and number of weights.

    PyG's GINEConv has the same MLP, and its GPSConv the same norms, residuals and feed-forward
    network.
    """

    def __init__(self, recipe: Preset) -> None:
        super().__init__()
        model, encoding = recipe.model, recipe.model.encodings[0]
        width = model.channels
        self.atoms = nn.Embedding(model.nodes.vocabulary[0], width - encoding.dim)
        self.bonds = nn.Embedding(model.edges.vocabulary[0], width)
        self.norm = nn.BatchNorm1d(encoding.size)
        self.walks = nn.Linear(encoding.size, encoding.dim)
        self.layers = nn.ModuleList(
            GPSConv(
                width,
                GINEConv(
                    nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
                ),
                heads=model.attention.heads,
                dropout=model.layer.dropout,
                attn_kwargs={"dropout": model.attention.dropout},
            )
            for _ in range(model.layers)
        )
        halves = [width, width // 2, width // 4]
        self.head = nn.Sequential(
            nn.Linear(halves[0], halves[1]), nn.ReLU(), nn.Linear(halves[1], halves[2]), nn.ReLU(),
            nn.Linear(halves[2], 1),
        )  # fmt: skip

    def forward(self, data: Batch) -> Tensor:
        x = torch.cat([self.atoms(data.x.view(-1)), self.walks(self.norm(data.rwse))], 1)
        edges = self.bonds(data.edge_attr.view(-1))
        for layer in self.layers:
            x = layer(x, data.edge_index, data.batch, edge_attr=edges)
        out: Tensor = self.head(global_add_pool(x, data.batch, data.num_graphs))
        return out


if __name__ == "__main__":
    main()
