"""Does a learned monoid help? Five aggregators in the same GNN, on real data.

    python -m benchmarks.training.aggregators                     all missing cells
    python -m benchmarks.training.aggregators --budget-minutes 30 stop after 30 CPU minutes
    python -m benchmarks.training.aggregators --set tolokers      some of the cells
    python -m benchmarks.training.aggregators --table             only the table of finished cells
    python -m benchmarks.training.aggregators --known             start from the cells in docs/
    python -m benchmarks.training.aggregators --table --save      write finished cells to docs/

One GNN (GINE in the order of GNN+, two layers of width 32, batch norm) in which only the aggregator
of the messages changes. There is no positional encoding, so only messages can separate vertices.
Seed s trains on split s of the data (ZINC has one split). Epochs, learning rates and widths were
set before the first run, small enough for a CPU, and are the same for all aggregators; the epoch is
chosen by validation. For ZINC, training uses the first 2,000 molecules of the training part.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch

from benchmarks.report import parser_of
from benchmarks.training import kept, public
from benchmarks.training.table import interval
from graphagg.nn.config.model import (
    AttentionConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    LayerOptions,
    LocalConfig,
)
from graphagg.nn.config.training import Metric
from graphagg.nn.training import GraphData, TrainingConfig

FOLDER = Path("build/bench/aggregators")
KNOWN = Path("docs/aggregator-cells.json")
AGGREGATORS = ("sum", "mean", "max", "pna", "lcm")
SEEDS = 5


@dataclass(frozen=True)
class Task:
    """A data set and the length of training.

    Attributes:
        path: path of its file below the data folder.
        metric: metric in the table.
        epochs: passes over the training part.
        first: number of graphs of the training part to use; 0: all.
    """

    path: str
    metric: Metric
    epochs: int
    first: int = 0


TASKS = {  # the cheap ones first
    "ENZYMES": Task("tu/ENZYMES.npz#bench", "accuracy", 40),
    "minesweeper": Task("heterophilous/minesweeper.npz", "roc-auc", 100),
    "PROTEINS": Task("tu/PROTEINS.npz#bench", "accuracy", 15),
    "ZINC, 2,000 molecules": Task("zinc12k/zinc12k.npz", "mae", 25, 2000),
    "tolokers": Task("heterophilous/tolokers.npz", "roc-auc", 40),
}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--set", action="append", choices=TASKS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    kept.add_options(parser, FOLDER)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.known:
        kept.restore(chosen.out, KNOWN, file_of)
    if not chosen.table:
        # The first seed of all sets comes before the second of any.
        cells = product(range(chosen.seeds), chosen.set or TASKS, AGGREGATORS)
        kept.run_all(cells, partial(run_cell, chosen.out), chosen.budget_minutes)
    results = kept.read_all(chosen.out)
    print(markdown(results))
    if chosen.save:
        kept.save(results, KNOWN)


def run_cell(folder: Path, cell: tuple[int, str, str]) -> dict:
    """Train one cell and save its result; read the result if it exists."""
    seed, name, aggregator = cell
    about = {"set": name, "aggregator": aggregator, "seed": seed}
    path = folder / file_of(about)
    if path.exists():
        return kept.read(path)
    data = dataset(name)
    split = data.splits[seed % len(data.splits)]
    model = model_of(aggregator, single=data.single)
    training = settings(TASKS[name], seed, single=data.single)
    return kept.train_once(path, about, model, data, split, training)


def file_of(cell: dict) -> str:
    plain = "".join(c if c.isalnum() else "-" for c in cell["set"].lower())
    return f"{plain}_{cell['aggregator']}_{cell['seed']}.json"


def dataset(name: str) -> GraphData:
    task = TASKS[name]
    data = public.load(task.path)
    if task.first:
        cut = tuple(replace(split, train=split.train[: task.first]) for split in data.splits)
        data = replace(data, splits=cut)
    return data


def model_of(aggregator: str, *, single: bool) -> GPSConfig:
    """Return the config of the GNN; its feature widths are fitted to the data later."""
    head = HeadConfig(task="node", kind="mlp", layers=1)
    if not single:
        head = HeadConfig(task="graph", kind="mlp", pooling="mean", layers=2, norm="batch")
    return GPSConfig(
        nodes=FeatureConfig(width=1),
        channels=32,
        layers=2,
        local=LocalConfig("gine", "lcm-gru" if aggregator == "lcm" else aggregator),
        attention=AttentionConfig("none"),
        layer=LayerOptions(norm="batch", dropout=0.1, order="gnn+"),
        head=head,
    )


def settings(task: Task, seed: int, *, single: bool) -> TrainingConfig:
    return TrainingConfig(
        task.metric,
        epochs=task.epochs,
        batch_size=32,
        lr=1e-2 if single else 2e-3,
        warmup_epochs=2,
        random_state=seed,
    )


def markdown(cells: list[dict]) -> str:
    """Return a table: means over seeds with 95 % intervals; accuracy and ROC-AUC in percent.

    Further rows have the lead of LCM, paired by seed, and the time.
    """
    values = defaultdict(list)
    for cell in cells:
        values[cell["set"], cell["aggregator"]].append(cell)
    lines = [
        "| set | metric | " + " | ".join(AGGREGATORS) + " |",
        "| --- | --- |" + " ---: |" * len(AGGREGATORS),
    ]
    for name, task in TASKS.items():
        row = [shown(values[name, aggregator], task.metric) for aggregator in AGGREGATORS]
        arrow = "MAE, lower is better" if task.metric == "mae" else f"{task.metric}, %"
        lines.append(f"| {name} | {arrow} | " + " | ".join(row) + " |")
    for name, task in TASKS.items():
        row = [lead(values[name, "lcm"], values[name, other], task.metric) for other in AGGREGATORS]
        if any(cell != "-" for cell in row):
            lines.append(f"| {name} | LCM is ahead by | " + " | ".join(row) + " |")
    for name in TASKS:
        row = [cost(values[name, aggregator]) for aggregator in AGGREGATORS]
        lines.append(f"| {name} | CPU s per run | " + " | ".join(row) + " |")
    return "\n".join(lines)


def shown(cells: list[dict], metric: Metric) -> str:
    if not cells:
        return "not run"
    factor, digits = (1.0, 3) if metric == "mae" else (100.0, 1)
    tests = factor * np.array([cell["test"] for cell in cells])
    missing = "" if len(tests) == SEEDS else f" ({len(tests)}/{SEEDS})"
    if len(tests) == 1:  # one value has no interval
        return f"{tests[0]:.{digits}f}{missing}"
    return f"{tests.mean():.{digits}f} ± {interval(tests):.{digits}f}{missing}"


def lead(ours: list[dict], others: list[dict], metric: Metric) -> str:
    """Return the mean lead over the common seeds; a seed has the same split for all."""
    factor, digits = (-1.0, 3) if metric == "mae" else (100.0, 1)
    by_seed = {cell["seed"]: cell["test"] for cell in others}
    gaps = [c["test"] - by_seed[c["seed"]] for c in ours if c["seed"] in by_seed]
    if ours == others or len(gaps) < 2:
        return "-"
    gaps = factor * np.array(gaps)
    return f"{gaps.mean():.{digits}f} ± {interval(gaps):.{digits}f}"


def cost(cells: list[dict]) -> str:
    return f"{np.mean([c['cpu_seconds'] for c in cells]):.0f}" if cells else "-"


if __name__ == "__main__":
    main()
