"""ZINC-12k for half an hour of CPU: what the random walks are worth, by two equal models."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

from benchmarks.training.public import load
from graphagg.nn.presets import Preset, preset
from graphagg.nn.training import train

PRESET = "gnn-plus-zinc-small"
ENCODINGS = ("rwse", "none")
EPOCHS = 260
PICTURE = Path("docs/zinc-curve.png")


def settings(encoding: str) -> Preset:
    """Four layers of width 64, GINE; without the encoding the features take its place."""
    found = preset(PRESET)
    training = replace(
        found.training, epochs=EPOCHS, warmup_epochs=10, batch_size=64, random_state=0
    )
    model = found.model if encoding == "rwse" else replace(found.model, encodings=())
    return Preset(model, training)


def run(folder: Path, encodings: list[str]) -> None:
    """Train what is not done, resuming what was stopped; plot once both are there."""
    data = load("zinc12k/zinc12k.npz")
    for encoding in encodings:
        out = folder / f"zinc-{encoding}"
        result = train(
            settings(encoding), data, out, name=f"{PRESET}, {encoding}", device="cpu",
            resume=out.exists(),
        )  # fmt: skip
        print(json.dumps(result.to_json()), flush=True)
    if all((folder / f"zinc-{name}" / "results.json").exists() for name in ENCODINGS):
        plot(folder, PICTURE)


def curve(folder: Path) -> list[float]:
    """Validation error of each epoch."""
    with (folder / "split-0" / "metrics.csv").open(encoding="utf-8") as file:
        return [float(row["val"]) for row in csv.DictReader(file) if row.get("val")]


def plot(folder: Path, path: Path) -> None:
    """The two curves against epochs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, label in (("none", "no encoding"), ("rwse", "RWSE, 20 steps")):
        values = curve(folder / f"zinc-{name}")
        result = json.loads((folder / f"zinc-{name}" / "results.json").read_text())
        test = result["test"]["mean"]
        axes.plot(range(1, len(values) + 1), values, label=f"{label}: test {test:.3f}")
    axes.set_yscale("log")
    axes.set_yticks([0.1, 0.2, 0.3, 0.5, 0.7, 1.0], ["0.1", "0.2", "0.3", "0.5", "0.7", "1.0"])
    axes.set_ylim(0.1, 1.1)
    axes.minorticks_off()
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation MAE")
    axes.set_title("ZINC-12k, 4 layers of width 64", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
