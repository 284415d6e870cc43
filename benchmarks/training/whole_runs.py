"""Whole commands on 300 labeled vertices, from the start of Python: test accuracy and CPU seconds.

    python -m benchmarks.training.whole_runs                     this version, on three graphs
    python -m benchmarks.training.whole_runs --before ../before  and a checkout of an older one
    python -m benchmarks.training.whole_runs --inside            in one process, once all is loaded

`PyG` is `newcomer.py`: two of PyG's SAGEConv, the first of width 64, in a plain loop; with `lcm` of
the version that is measured. An older version knows no controls. The sides take turns; each graph
is drawn by its own seed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.training.newcomer import accuracy
from benchmarks.training.small_sets import blocks
from graphagg.nn import Preset, preset, read_preset
from graphagg.nn.training import GraphData, train
from graphagg.nn.training.auto import Auto
from graphagg.nn.training.data.dataset import PARTS
from graphagg.nn.training.overrides import overridden

ROOT = Path(__file__).parents[2]
SAGE = """preset = "cora"
[model]
encodings = []
attention = {{name = "none"}}
local = {{name = "sage", aggregation = "{}"}}
layer = {{order = "gnn+"}}
"""


def write(path: Path, data: GraphData) -> None:
    """Write one graph as a file that every version reads."""
    (graph,), size = data.graphs, data.graphs[0].num_nodes
    masks = {}
    for subset in PARTS:
        mask = np.zeros((1, size), dtype=bool)
        mask[0, getattr(data.splits[0], subset)] = True
        masks[f"{subset}_masks"] = mask
    once = graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]]
    np.savez(
        path, node_features=graph.x.numpy(), node_labels=graph.y.numpy(), edges=once.T.numpy(),
        **masks,
    )  # fmt: skip


def sides(folder: Path, file: Path, epochs: int, seed: int, now: bool) -> dict[str, list[str]]:
    """The commands of a version by name, after `python`."""
    chosen: dict[str, list[str]] = {}
    for name in ("mean", "lcm"):
        chosen[f"PyG, {name}"] = [
            str(Path(__file__).with_name("newcomer.py")), str(file), name, str(epochs), str(seed)
        ]  # fmt: skip
    models = {"cora": "cora"} | ({"auto": "auto"} if now else {})
    for name in ("mean", "lcm"):
        toml = folder / f"sage-{name}.toml"
        toml.write_text(SAGE.format(name))
        models[f"SAGE, {name}"] = str(toml)
    for name, model in models.items():
        command = [
            "-m", "graphagg", "train", model, "--data", str(file), "--out", str(folder / "run"),
            "--force", "--epochs", str(epochs), "--random-state", str(seed), "--device", "cpu",
            "--json",
        ]  # fmt: skip
        if now:
            chosen[f"train {name}, no controls"] = [*command, "--no-controls"]
        if not now or not model.endswith(".toml"):
            chosen[f"train {name}"] = command
    return chosen


def run(command: list[str], root: Path) -> tuple[float, float]:
    """Run Python on a version; return the test accuracy that it prints, and its CPU seconds."""
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *command], cwd=root, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, check=True, text=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = json.loads(done.stdout)
    accuracy = printed["test"]["mean"] if isinstance(printed, dict) else printed
    return accuracy, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def timed(call: Callable[[], float]) -> tuple[float, float]:
    """The test accuracy that a call returns, and its CPU seconds."""
    began = time.process_time()
    return call(), time.process_time() - began


def inside(file: Path, folder: Path, epochs: int, seed: int) -> dict[str, Callable[[], float]]:
    """The sides as calls in this process, without controls; each returns the test accuracy."""

    def trained(model: str) -> float:
        changes = [f"training.epochs={epochs}", f"training.random_state={seed}"]
        chosen: Auto | Preset = Auto(partial(overridden, changes=changes))
        if model != "auto":
            toml = folder / f"{model}.toml"
            base = read_preset(toml) if toml.exists() else preset(model)
            chosen = overridden(base, changes)
        out = folder / "run"
        return train(chosen, str(file), out, device="cpu", force=True, controls=False).test.mean

    calls: dict[str, Callable[[], float]] = {
        f"PyG, {name}": partial(accuracy, str(file), name, epochs, seed) for name in ("mean", "lcm")
    }
    names = ("cora", "auto", "sage-mean", "sage-lcm")
    return calls | {f"train {name}": partial(trained, name) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--graphs", type=int, default=3)
    parser.add_argument("--inside", action="store_true")
    chosen = parser.parse_args()
    figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
    versions = {"now": ROOT} | ({"before": chosen.before.resolve()} if chosen.before else {})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(chosen.graphs):
            file = folder / f"blocks-{seed}.npz"
            write(file, blocks(0.6, 0.3, seed))
            for version, root in versions.items():
                commands = sides(folder, file, chosen.epochs, seed, version == "now")
                runs = {side: partial(run, command, root) for side, command in commands.items()}
                if chosen.inside:
                    calls = inside(file, folder, chosen.epochs, seed)
                    runs = {side: partial(timed, call) for side, call in calls.items()}
                for side, each in runs.items():
                    right, seconds = each()
                    figures.setdefault((side, version), []).append((right, seconds))
                    print(f"graph {seed}, {version}, {side}: {right:.3f}, {seconds:.1f} CPU s",
                          file=sys.stderr, flush=True)  # fmt: skip
    print("| run | version | test accuracy | CPU s |\n| --- | --- | ---: | ---: |")
    for (side, version), of_graphs in figures.items():
        right, seconds = np.array(of_graphs).T
        shown = f"{100 * right.mean():.1f} ± {100 * right.std():.1f}"
        print(f"| {side} | {version} | {shown} | {np.median(seconds):.1f} |")


if __name__ == "__main__":
    main()
