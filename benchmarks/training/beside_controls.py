"""Known sets, four of graphs and two of vertices, with the controls of the run beside the model.

    python -m benchmarks.training.beside_controls              every set that is not done yet
    python -m benchmarks.training.beside_controls --set MUTAG  one of them
    python -m benchmarks.training.beside_controls --plain      controls that train no network alone

The model is GPS by the plain recipe of its kind of task, of ZINC the preset `zinc-small`; runs are
those of `graphagg train`, kept under build/bench/beside-controls and resumed where they were
stopped. Epochs are few, set beforehand, so that a row takes half a minute of one CPU thread.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.training.public import load
from graphagg.nn import Preset, TrainingConfig, preset
from graphagg.nn.presets.simple import simple
from graphagg.nn.training import TrainingResult, train
from graphagg.nn.training.batches import Feed
from graphagg.nn.training.controls import Task, measure
from graphagg.nn.training.data.graphs import Graphs

FOLDER = Path("build/bench/beside-controls")
CONTROLS = ("constant", "trees on counts", "label propagation", "mlp", "gcn", "sage")


@dataclass(frozen=True)
class Row:
    """A set, how long it is trained, on how many of its splits, and by which metric."""

    path: str
    epochs: int
    splits: int
    metric: str = "auto"


ROWS = {
    "MUTAG": Row("tu/MUTAG.npz", 50, 2),
    "NCI109": Row("tu/NCI109.npz", 10, 1),
    "ENZYMES": Row("tu/ENZYMES.npz#bench", 30, 2),
    "ZINC": Row("zinc12k/zinc12k.npz", 2, 1, "mae"),
    "minesweeper": Row("heterophilous/minesweeper.npz", 20, 1, "roc-auc"),
    "tolokers": Row("heterophilous/tolokers.npz", 5, 1, "roc-auc"),
}


def recipe(name: str, level: str, largest: int) -> Preset:
    row = ROWS[name]
    plain = preset("zinc-small") if name == "ZINC" else simple("gps", level, largest)
    training = replace(
        plain.training, epochs=row.epochs, metric=row.metric, random_state=0,
        warmup_epochs=min(plain.training.warmup_epochs, row.epochs),
    )  # fmt: skip
    return Preset(plain.model, training)


def run(name: str, folder: Path) -> TrainingResult:
    row = ROWS[name]
    data = load(row.path)
    largest = max(int(graph.num_nodes or 0) for graph in data.graphs)
    out = folder / name
    return train(
        recipe(name, data.level, largest), data, out, name="GPS", splits=row.splits, device="cpu",
        resume=out.exists(),
    )  # fmt: skip


def plain(name: str) -> str:
    """The controls that train no network, on the first split; a network takes minutes."""
    data = load(ROWS[name].path)
    metric = data.resolve_metric(ROWS[name].metric)
    graphs = None if data.single else Graphs.from_list(data.graphs)
    training = TrainingConfig(metric)
    feed = Feed(data, graphs, data.splits[0], training)
    task = Task(feed, data.shape(metric), metric, training, torch.device("cpu"))
    scores = (f"{c.name} {c.test:.4f} ({c.cpu_seconds} CPU s)" for c in measure(task, {}))
    return f"{name}, {metric}: {', '.join(scores)}"


def line(name: str, result: TrainingResult) -> str:
    """A row of the table: model and controls, shares in percent."""
    factor, digits = (1, 3) if result.metric == "mae" else (100, 1)
    scores = {"GPS": result.test, **result.control_scores}

    def shown(key: str) -> str:
        score = scores.get(key)
        if score is None:
            return ""
        mean = f"{factor * score.mean:.{digits}f}"
        return mean if len(result.splits) == 1 else f"{mean} ± {factor * score.std:.{digits}f}"

    row, cpu = ROWS[name], sum(split.cpu_seconds for split in result.splits)
    others = sum(control.cpu_seconds for split in result.controls for control in split)
    columns = [name, f"{result.metric}, {row.splits}", f"{row.epochs}"]
    columns += [shown(key) for key in ("GPS", *CONTROLS)] + [f"{cpu:.0f}, {others:.0f}"]
    return f"| {' | '.join(columns)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", action="append", choices=ROWS)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--plain", action="store_true", help="only controls that train no network")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.plain:
        for name in chosen.set or ROWS:
            print(plain(name), flush=True)
        return
    heads = ("set", "metric, splits", "epochs", "GPS", *CONTROLS, "CPU s: GPS, controls")
    print(f"| {' | '.join(heads)} |\n| --- | --- |" + " ---: |" * (len(heads) - 2), flush=True)
    for name in chosen.set or ROWS:
        print(line(name, run(name, chosen.out)), flush=True)


if __name__ == "__main__":
    main()
