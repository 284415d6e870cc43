"""Small sets: what `auto` takes of its race, beside each plain model, control and preset.

    python -m benchmarks.training.small_sets             every cell that is not done yet
    python -m benchmarks.training.small_sets --presets   presets on some of them, beside the race
    python -m benchmarks.training.small_sets --table     the tables of the cells there

Public sets and generated ones, each with splits of its own. A cell is the race of one split, as
`graphagg train auto` runs it. `auto` is asked twice: on each split alone, and on all splits of a
set at once, as a run with several splits does. Networks train for at most 100 epochs. Presets are
run on the first split, where 100 epochs take less than 20 CPU seconds by the time of one.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.datasets import ExplainerDataset, FakeDataset, InfectionDataset
from torch_geometric.datasets.graph_generator import BAGraph, ERGraph
from torch_geometric.utils import erdos_renyi_graph, stochastic_blockmodel_graph

from benchmarks.report import parser_of
from benchmarks.training import kept
from benchmarks.training.public import load
from graphagg.nn import Preset, preset
from graphagg.nn.presets.simple import SIMPLE, simple
from graphagg.nn.training import GraphData, random_splits
from graphagg.nn.training.auto import ORDER, winner
from graphagg.nn.training.batches import Feed, prepare
from graphagg.nn.training.controls import Task, measure, train_model
from graphagg.nn.training.data.dataset import check_data
from graphagg.nn.training.plan import transform_for
from graphagg.nn.training.results import Control

FOLDER = Path("build/bench/small-sets")
SPLITS, EPOCHS = 3, 100
PRESETS = (  # the cheap ones first
    "cora", "zinc-small", "gnn-plus-pascalvoc-sp", "gnn-plus-zinc", "zinc",
)  # fmt: skip
OF_PRESETS = {
    "blocks, 90% inside, signal 0.3": "blocks 90 %", "blocks, 60% inside, signal 0.3": "60 %",
    "blocks, 33% inside, signal 1.0": "33 %", "blocks, 5% inside, signal 0.3": "5 %",
    "fake vertices": "fakes", "texas": "texas", "cornell": "cornell", "houses": "houses",
    "infection": "infection", "fake graphs": "fakes", "chords": "chords",
    "densities": "densities", "MUTAG": "MUTAG", "CSL": "CSL",
}  # fmt: skip  # and what the table calls them
SECONDS = 20.0  # CPU, of a cell
CONTROLS = ("label propagation", "trees on counts", "constant")
CPU = torch.device("cpu")
RATIO = (0.4, 0.3, 0.3)


def blocks(within: float, signal: float, seed: int, size: int = 300) -> GraphData:
    """A stochastic block model of three classes, 10 edges per vertex; features with some signal.

    `within` is the share of edges inside of a class.
    """
    torch.manual_seed(seed)
    third = size // 3
    inside, outside = 10 * within / third, 10 * (1 - within) / (2 * third)
    matrix = torch.full((3, 3), outside).fill_diagonal_(inside)
    edges = stochastic_blockmodel_graph(torch.tensor([third] * 3), matrix)
    y = torch.repeat_interleave(torch.arange(3), third)
    x = torch.randn(size, 16) + signal * torch.randn(3, 16)[y]
    graph = Data(x=x, edge_index=edges, y=y)
    return random_splits(graph, RATIO, count=SPLITS)


def seed(state: int) -> None:
    """Seed the generators that PyG's data sets draw from."""
    random.seed(state)
    np.random.seed(state)  # noqa: NPY002
    torch.manual_seed(state)


def houses() -> GraphData:
    """Houses on a random graph; the class is where a vertex stands in one. No feature says it."""
    seed(0)
    graph = ExplainerDataset(BAGraph(300, 5), "house", 60)[0]
    x = torch.ones(graph.num_nodes, 1)
    return random_splits(Data(x=x, edge_index=graph.edge_index, y=graph.y), RATIO, count=SPLITS)


def infection() -> GraphData:
    """Steps from the nearest of 20 infected vertices, at most three and more."""
    seed(0)
    graph = InfectionDataset(ERGraph(500, 0.006), 20, 3)[0]
    plain = Data(x=graph.x.float(), edge_index=graph.edge_index, y=graph.y)
    return random_splits(plain, RATIO, count=SPLITS)


def fake(level: str) -> GraphData:
    seed(0)
    many = level == "graph"
    graphs = FakeDataset(60 if many else 1, 30 if many else 500, 6, task=level, num_classes=3)
    plain = [Data(x=g.x, edge_index=g.edge_index, y=g.y.view(-1)) for g in graphs]
    return random_splits(plain if many else plain[0], RATIO, count=SPLITS)


def chords() -> GraphData:
    """Rings, and rings with a chord: no feature and no degree says which but for two vertices."""
    graphs = []
    for number in range(80):
        size = 8 + number % 7
        ring = torch.arange(size)
        edges = torch.stack([ring, ring.roll(-1)])
        if number % 2:
            edges = torch.cat([edges, torch.tensor([[0], [size // 2]])], dim=1)
        both = torch.cat([edges, edges.flip(0)], dim=1)
        graphs.append(Data(x=torch.ones(size, 1), edge_index=both, y=torch.tensor([number % 2])))
    return random_splits(graphs, RATIO, count=SPLITS)


def densities() -> GraphData:
    """Random graphs of two densities: a count of edges says which."""
    torch.manual_seed(0)
    graphs = []
    for number in range(80):
        edges = erdos_renyi_graph(20, 0.15 + 0.1 * (number % 2))
        graphs.append(Data(x=torch.ones(20, 1), edge_index=edges, y=torch.tensor([number % 2])))
    return random_splits(graphs, RATIO, count=SPLITS)


SETS: dict[str, Callable[[], GraphData]] = {
    **{
        f"blocks, {within:.0%} inside, signal {signal}": lambda w=within, s=signal: blocks(w, s, 1)
        for within, signal in (
            (0.9, 0.0), (0.9, 0.3), (0.9, 1.0), (0.6, 0.3), (0.33, 0.3), (0.33, 1.0), (0.05, 0.0),
            (0.05, 0.3), (0.05, 1.0),
        )
    },
    "fake vertices": lambda: fake("node"),
    "fake graphs": lambda: fake("graph"),
    "chords": chords,
    "densities": densities,
    "texas": partial(load, "heterophilous/texas.npz"),
    "cornell": partial(load, "heterophilous/cornell.npz"),
    "MUTAG": partial(load, "tu/MUTAG.npz"),
    "cora, public": partial(load, "planetoid/cora.npz"),
    "cora, geom": partial(load, "planetoid/cora.npz#geom"),
    "chameleon": partial(load, "heterophilous/chameleon_filtered.npz"),
    "CSL": partial(load, "csl/csl.npz"),
    "houses": houses,
    "infection": infection,
}  # fmt: skip


@cache
def dataset(name: str) -> GraphData:
    return check_data(SETS[name]())


def splits_of(name: str) -> int:
    return min(len(dataset(name).splits), SPLITS)


def task_of(name: str, index: int, preset: Preset) -> Task:
    """A split of a set, with the encodings that a preset reads."""
    data = dataset(name)
    training = replace(preset.training, epochs=EPOCHS, metric=data.resolve_metric("auto"))
    training = training.for_split(index)
    encode = transform_for(preset.model)
    data, graphs = prepare(data if encode is None else data.transformed(encode), training, CPU)
    feed = Feed(data, graphs, data.splits[index], training)
    metric = data.resolve_metric("auto")
    return Task(feed, data.shape(metric), metric, training, CPU)


def fits(model: str, name: str) -> bool:
    """Whether a preset is of the kind of a set."""
    return preset(model).model.head.task == dataset(name).level


def seconds_of(task: Task, model: str) -> float:
    """CPU seconds that the epochs of a preset take, by the second of two."""
    short = replace(task, training=replace(task.training, epochs=1, warmup_epochs=0))
    train_model(preset(model), short)
    start = time.process_time()
    train_model(preset(model), short)
    return (time.process_time() - start) * min(EPOCHS, preset(model).training.epochs)


def plain(name: str) -> dict[str, Preset]:
    """The four plain models for a set."""
    data = dataset(name)
    largest = max(int(graph.num_nodes or 0) for graph in data.graphs)
    return {model: simple(model, data.level, largest) for model in SIMPLE}


def run_cell(folder: Path, name: str, index: int, model: str) -> dict:
    """The race of a split, or a preset on it; a result that is there is read."""
    about = {"set": name, "model": model, "split": index}
    path = folder / file_of(about)
    if path.exists():
        return kept.read(path)
    tested = len(dataset(name).splits[index].test)
    if model == "race":
        controls = measure(task_of(name, index, plain(name)["gps"]), plain(name))
    else:
        task = task_of(name, index, preset(model))
        seconds = seconds_of(task, model)
        note = f"{seconds:.0f} s"
        controls = (Control(model, None, None, 0.0, note),)
        if seconds <= SECONDS:
            controls = measure(task, {model: preset(model)})[-1:]
    result = about | {"tested": tested, "controls": [asdict(control) for control in controls]}
    kept.write(path, result)
    return result


def file_of(cell: dict) -> str:
    plain = "".join(c if c.isalnum() else "-" for c in cell["set"].lower())
    return f"{plain}_{cell['model']}_{cell['split']}.json"


Cells = dict[str, list[dict[str, Control]]]


def cells(folder: Path) -> tuple[Cells, dict[str, int]]:
    """The controls of each split by name, set by set, and the size of each test part."""
    by_split: dict[tuple[str, int], dict[str, Control]] = defaultdict(dict)
    tested = {}
    for cell in kept.read_all(folder):
        tested[cell["set"]] = cell["tested"]
        for control in cell["controls"]:
            by_split[cell["set"], cell["split"]][control["name"]] = Control(**control)
    every: Cells = defaultdict(list)
    for (name, _), controls in sorted(by_split.items()):
        every[name].append(controls)
    return every, tested


def scores(splits: list[dict[str, Control]], name: str) -> list[float]:
    """Test scores in percent, where a model ran."""
    there = [of_split[name].test for of_split in splits if name in of_split]
    return [100 * test for test in there if test is not None]


def shown(values: list[float]) -> str:
    return f"{np.mean(values):.1f} ± {np.std(values):.1f}" if values else ""


def auto(name: str, splits: list[dict[str, Control]]) -> tuple[list[str], str, list[str]]:
    """Ask `auto` about a set.

    Returns:
        The model on each split alone, the one on all at once, and on each split what the note
        says to take: the model, or a control that no network comes up to.
    """
    names = ORDER[dataset(name).level]
    raced = [[c for c in of_split.values() if c.name in (*names, *CONTROLS)] for of_split in splits]
    metric = dataset(name).resolve_metric("auto")
    alone = [winner([each], names, metric)[0] for each in raced]
    followed = [
        max(each, key=lambda c: (c.val or 0, c.name == model)).name
        for each, model in zip(raced, alone, strict=True)
    ]
    return alone, winner(raced, names, metric)[0], followed


def reached(splits: list[dict[str, Control]], models: list[str]) -> list[float]:
    """Test scores of a model per split."""
    return [scores([each], model)[0] for each, model in zip(splits, models, strict=True)]


def chance(share: float, count: int) -> float:
    """Two standard deviations of a share of `count` answers, in percent."""
    share = min(share / 100, 0.995)
    return float(200 * (share * (1 - share) / count) ** 0.5)


def markdown(folder: Path) -> str:
    """A row per set: test score in percent of each model and control, and of `auto`."""
    every, tested = cells(folder)
    heads = ["set", *SIMPLE, *CONTROLS, "auto, each split alone", "takes", "auto, all splits"]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    gaps: dict[str, list[float]] = defaultdict(list)
    below: dict[str, list[str]] = defaultdict(list)
    for name in (name for name in SETS if name in every):
        splits = [each for each in every[name] if set(SIMPLE) <= set(each)]
        means = {k: np.mean(scores(splits, k)) for k in (*SIMPLE, *CONTROLS) if scores(splits, k)}
        taken, single, followed = auto(name, splits)
        alone, best = reached(splits, taken), max(means[key] for key in SIMPLE)
        gaps["Each split alone"].append(best - np.mean(alone))
        gaps["All splits at once"].append(best - means[single])
        top = max(means, key=lambda key: means[key])
        ways = {"auto": np.mean(alone), "its notes followed": np.mean(reached(splits, followed))}
        for way, mean in ways.items():
            if means[top] - mean > chance((means[top] + mean) / 2, len(splits) * tested[name]):
                below[way].append(f"{name} ({top})")
        if named := sum(model in CONTROLS for model in followed):
            below["a control is named"].append(f"{name} ({named} of {len(splits)} splits)")
        counts = ", ".join(f"{model} {taken.count(model)}" for model in SIMPLE if model in taken)
        row = [shown(scores(splits, key)) for key in (*SIMPLE, *CONTROLS)]
        row += [shown(alone), counts, f"{means[single]:.1f} ({single})"]
        lines.append(f"| {name} | {' | '.join(row)} |")
    for title, of_sets in gaps.items():
        lines.append(
            f"\n{title}: within 1 point of the best of four on {sum(g <= 1 for g in of_sets)} of "
            f"{len(of_sets)} sets, {np.mean(of_sets):.1f} points behind it in the mean, at most "
            f"{max(of_sets):.1f}."
        )
    for way in ("auto", "its notes followed"):
        sets = ", ".join(below[way]) or "nowhere"
        lines.append(f"\nBelow the best of all by more than chance, {way}: {sets}.")
    lines.append(f"\nNotes that name a control: {', '.join(below['a control is named'])}.")
    models = [key for key in (*SIMPLE, *CONTROLS, *PRESETS) if seconds(every, key)]
    shares = ", ".join(f"{key} {seconds(every, key):.0f}" for key in models)
    lines.append(f"\nCPU seconds: {shares}.")
    return "\n".join(lines)


def seconds(every: Cells, name: str) -> float:
    """CPU seconds of a model over all cells."""
    return sum(c[name].cpu_seconds for splits in every.values() for c in splits if name in c)


def of_presets(folder: Path) -> str:
    """A row per preset: its score on each set, and how far it is behind the best plain model.

    In brackets the CPU seconds that it would have taken.
    """
    every, _ = cells(folder)
    lines = []
    for level in ("node", "graph"):
        names = [name for name in PRESETS if preset(name).model.head.task == level]
        sets = {name: every[name][0] for name in OF_PRESETS if dataset(name).level == level}
        sets = {name: first for name, first in sets.items() if set(names) & set(first)}
        if not sets:
            continue
        best = {name: max(scores([sets[name]], m)[0] for m in SIMPLE) for name in sets}
        taken = {name: scores([sets[name]], auto(name, [sets[name]])[0][0])[0] for name in sets}
        heads = ["preset", *(OF_PRESETS[name] for name in sets), "behind the best", "CPU s"]
        lines += [f"\n| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
        for title, row in (("best of four", best), ("`auto`", taken)):
            behind = np.mean([best[name] - row[name] for name in sets])
            percents = " | ".join(f"{share:.1f}" for share in row.values())
            lines.append(f"| {title} | {percents} | {behind:.1f} | |")
        for model in names:
            ran = {name: scores([sets[name]], model) for name in sets}
            there = {name: first[model] for name, first in sets.items() if model in first}
            shares = [
                f"{ran[name][0]:.1f}" if ran[name] else f"({there[name].note})" if name in there
                else "" for name in sets
            ]  # fmt: skip
            gaps = [best[name] - share[0] for name, share in ran.items() if share]
            mean = f"{np.mean(gaps):.1f}" if len(gaps) == len(sets) else ""
            total = sum(control.cpu_seconds for control in there.values())
            lines.append(f"| `{model}` | {' | '.join(shares)} | {mean} | {total:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--presets", action="store_true")
    parser.add_argument("--out", type=Path, default=FOLDER)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.presets:
        for model, name in product(("race", *PRESETS), OF_PRESETS):
            if model == "race" or fits(model, name):
                run_cell(chosen.out, name, 0, model)
        print(of_presets(chosen.out))
        return
    for index, name in product(range(SPLITS), SETS):
        if not chosen.table and index < splits_of(name):
            run_cell(chosen.out, name, index, "race")
    print(markdown(chosen.out), of_presets(chosen.out), sep="\n")


if __name__ == "__main__":
    main()
