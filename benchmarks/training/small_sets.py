"""Which plain model is best on small sets, and whether a rule can know it before: `auto`.

    python -m benchmarks.training.small_sets           every cell that is not done yet
    python -m benchmarks.training.small_sets --table   the tables of the cells there

Public sets and generated ones, each with splits of its own; the four models of
`graphagg.nn.presets.simple` by their own recipes, at most 100 epochs. The rule is fitted on all
sets but one, and asked about that one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.datasets import FakeDataset
from torch_geometric.utils import erdos_renyi_graph, stochastic_blockmodel_graph

from benchmarks.training import kept
from graphagg.nn.presets.simple import SIMPLE, Simple, simple
from graphagg.nn.training import GraphData, load_data, random_splits
from graphagg.nn.training.auto import homophily
from graphagg.nn.training.batches import Feed
from graphagg.nn.training.controls import Task, measured, trained
from graphagg.nn.training.data.dataset import checked
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.fit.learner import Learner, evaluate
from graphagg.nn.training.plan import transform_for
from tests.conftest import DATA

FOLDER = Path("build/bench/small-sets")
SPLITS, EPOCHS = 2, 100
RATIO = (0.4, 0.3, 0.3)
ROOT = DATA / "graph_learning"


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


def fake(level: str) -> GraphData:
    torch.manual_seed(0)
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


def public(path: str) -> Callable[[], GraphData]:
    return lambda: load_data(str(ROOT / path))


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
    "texas": public("heterophilous/texas.npz"),
    "cornell": public("heterophilous/cornell.npz"),
    "MUTAG": public("tu/MUTAG.npz"),
    "cora, public": public("planetoid/cora.npz"),
    "cora, geom": public("planetoid/cora.npz#geom"),
    "chameleon": public("heterophilous/chameleon_filtered.npz"),
    "CSL": public("csl/csl.npz"),
    "citeseer, public": public("planetoid/citeseer.npz"),
    "squirrel": public("heterophilous/squirrel_filtered.npz"),
    "ENZYMES": public("tu/ENZYMES.npz#bench"),
}  # fmt: skip


@cache
def dataset(name: str) -> GraphData:
    return checked(SETS[name]())


def run_cell(folder: Path, cell: tuple[int, str, str]) -> dict:
    """Train one cell and keep its result; one that is there is read."""
    index, name, model = cell
    data = dataset(name)
    about = {"set": name, "model": model, "split": index % len(data.splits)}
    path = folder / file_of(about)
    if path.exists():
        return kept.read(path)
    metric = data.metric_of("auto")
    shape, largest = data.shape(metric), max(int(g.num_nodes or 0) for g in data.graphs)
    preset = simple(model, shape.level, largest) if model in SIMPLE else simple("sage", shape.level)
    training = replace(preset.training, random_state=index, epochs=EPOCHS, metric=metric)
    transform = transform_for(preset.model)
    data = data if transform is None else data.transformed(transform)
    graphs = None if data.single else Graphs.of(data.graphs)
    split = data.splits[index % len(data.splits)]
    feed = Feed(data, graphs, split, training.batch_size, (), index)
    task = Task(feed, shape, metric, training, torch.device("cpu"))
    began = time.process_time()
    if model == "others":
        chosen = [c for c in measured(task, networks=False)]
        scores = {c.name: [c.val, c.test] for c in chosen}
    else:
        learner = Learner(trained(preset, task), training, metric, shape.level)
        parts = ("val", "test")
        scores = {model: [evaluate(learner, feed.evaluation(p), task.device) for p in parts]}
    result = about | {
        "scores": scores, "metric": metric, "tested": len(split.test),
        "cpu_seconds": round(time.process_time() - began, 2),
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    return result


def file_of(cell: dict) -> str:
    plain = "".join(c if c.isalnum() else "-" for c in cell["set"].lower())
    return f"{plain}_{cell['model']}_{cell['split']}.json"


def markdown(folder: Path) -> str:
    """A row per set: test score in percent of each model and control, and of `auto` left out."""
    scores, seconds, tested = by_set(folder)
    others = ("label propagation", "trees on counts", "constant")
    heads = ["set", "homophily", *SIMPLE, *others, "auto", "behind the best of four"]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    gaps, worse = [], []
    for name in SETS:
        if not set(SIMPLE) <= set(scores.get(name, {})):
            continue
        model = left_out(name, scores)
        means = {key: 100 * float(np.mean(values)) for key, values in scores[name].items()}
        best, control = (max(means[key] for key in keys) for keys in (SIMPLE, means))
        gaps.append(best - means[model])
        # Two standard deviations of the mean of two test parts, as a binomial share.
        share = min((control + means[model]) / 200, 0.995)
        chance = 200 * (share * (1 - share) / (SPLITS * tested[name])) ** 0.5
        if control - means[model] > chance:
            worse.append(name)
        row = [
            f"{np.mean(scores[name][key]) * 100:.1f} ± {np.std(scores[name][key]) * 100:.1f}"
            if key in means
            else ""
            for key in (*SIMPLE, *others)
        ]
        shown = f"{homophily_of(name):.2f}" if dataset(name).single else ""
        lines.append(f"| {name} | {shown} | {' | '.join(row)} | {model} | {gaps[-1]:.1f} |")
    within = sum(gap <= 1 for gap in gaps)
    lines += [
        "",
        f"Left out, `auto` is within 1 point of the best of four on {within} of {len(gaps)} sets, "
        f"{np.mean(gaps):.1f} points behind it in the mean, at most {max(gaps):.1f}; below the "
        f"best model or control by more than chance on {len(worse)}: {', '.join(worse) or 'none'}.",
        "",
        "Fitted to all sets: threshold "
        f"{threshold([n for n in scores if dataset(n).single], scores):.2f}, graphs "
        f"{constant([n for n in scores if not dataset(n).single], scores)}.",
        "",
        "CPU seconds: " + ", ".join(f"{name} {value:.0f}" for name, value in seconds.items()) + ".",
    ]
    return "\n".join(lines)


Scores = dict[str, dict[str, list[float]]]


def by_set(folder: Path) -> tuple[Scores, dict[str, float], dict[str, int]]:
    scores: Scores = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, float] = defaultdict(float)
    tested: dict[str, int] = {}
    for cell in kept.read_all(folder):
        seconds[cell["model"]] += cell["cpu_seconds"]
        tested[cell["set"]] = cell["tested"]
        for name, (_, test) in cell["scores"].items():
            scores[cell["set"]][name].append(test)
    whole = {name: of for name, of in scores.items() if set(SIMPLE) <= set(of)}
    return whole, seconds, tested


@cache
def homophily_of(name: str) -> float:
    return homophily(dataset(name))[0]


def left_out(name: str, scores: Scores) -> Simple:
    """What the rule chooses for a set when it is fitted to all others of its kind."""
    single = dataset(name).single
    others = [other for other in scores if other != name and dataset(other).single == single]
    if not single:
        return constant(others, scores)
    return "gcn" if homophily_of(name) > threshold(others, scores) else "sage"


def threshold(names: list[str], scores: Scores) -> float:
    """The homophily between `sage` and `gcn` with the best mean score; the middle of equal ones."""
    values = sorted(homophily_of(name) for name in names)
    cuts = [-1.0, *((a + b) / 2 for a, b in pairwise(values)), 1.0]
    means = [
        np.mean([np.mean(scores[n]["gcn" if homophily_of(n) > cut else "sage"]) for n in names])
        for cut in cuts
    ]
    best = [cut for cut, mean in zip(cuts, means, strict=True) if mean >= max(means) - 1e-9]
    return float(best[len(best) // 2])


def constant(names: list[str], scores: Scores) -> Simple:
    """The model with the best mean score."""
    return max(SIMPLE, key=lambda model: np.mean([np.mean(scores[n][model]) for n in names]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--out", type=Path, default=FOLDER)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if not chosen.table:
        for name in SETS:
            for index in range(SPLITS):
                for model in (*SIMPLE, "others"):
                    run_cell(chosen.out, (index, name, model))
    print(markdown(chosen.out))


if __name__ == "__main__":
    main()
