"""One cell: a model on one split of a set; its result is saved as a JSON file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from benchmarks.training import kept, models, public
from benchmarks.training.table import SPLITS
from benchmarks.training.trees import accuracies
from graphagg.nn.training import GraphData, Shape
from graphagg.nn.training.plan import fit_config, transform_for

SETS = {  # the cheap ones first
    "texas": "heterophilous/texas.npz",
    "cornell": "heterophilous/cornell.npz",
    "MUTAG": "tu/MUTAG.npz",
    "Cora": "planetoid/cora.npz#geom",
    "chameleon": "heterophilous/chameleon_filtered.npz",
    "CSL": "csl/csl.npz",
    "Citeseer": "planetoid/citeseer.npz#geom",
    "ENZYMES": "tu/ENZYMES.npz#bench",
    "squirrel": "heterophilous/squirrel_filtered.npz",
    "PROTEINS": "tu/PROTEINS.npz#bench",
    "actor": "heterophilous/actor.npz",
}


@dataclass(frozen=True)
class Cell:
    """A model on a split of a set."""

    data: str
    model: str
    split: int

    @property
    def file(self) -> str:
        """Name of the result file."""
        name = "".join(c if c.isalnum() else "-" for c in self.model.lower()).strip("-")
        return f"{self.data.lower()}_{name}_{self.split}.json"


def all_cells() -> list[Cell]:
    """Return all cells, ordered by split: the first split of all sets and models comes first."""
    of_graphs = ("tu/", "csl/")
    return [
        Cell(d, m, s)
        for s in range(SPLITS)
        for d, path in SETS.items()
        for m in models.MODELS
        if m != models.TREES or path.startswith(of_graphs)
    ]


def quick_cells() -> list[Cell]:
    """Return one cell of each kind, for the tests."""
    return [Cell("texas", "GCN (PyG)", 0), Cell("texas", "GPS exact", 0), Cell("MUTAG", "LCM", 0)]


@cache
def dataset(name: str) -> GraphData:
    return public.load(SETS[name])


@cache
def encoded(name: str) -> GraphData:
    """Return the set with the encodings that all GPS models read; they are computed once."""
    data = dataset(name)
    transform = transform_for(models.OURS["GPS exact"](not data.single))
    return data if transform is None else data.transformed(transform)


def run_cell(cell: Cell, folder: Path, epochs: int | None = None) -> dict:
    """Train a cell and save its result; read the result if it exists."""
    path = folder / cell.file
    if path.exists():
        return kept.read(path)
    data = dataset(cell.data) if cell.model in models.BASELINES else encoded(cell.data)
    training = replace(kind_of(data).training, random_state=cell.split)
    if epochs is not None:
        warmup = min(training.warmup_epochs, epochs)
        training = replace(training, epochs=epochs, warmup_epochs=warmup, patience=0)
    about = {"set": cell.data, "model": cell.model, "split": cell.split}
    split = data.splits[cell.split]
    if cell.model == models.TREES:
        figures = about | {"split": str(cell.split)} | accuracies(data, split)
        kept.write(path, figures)
        return figures
    return kept.train_once(path, about, build(cell.model, data), data, split, training)


def kind_of(data: GraphData) -> models.Kind:
    if data.single:
        return models.ONE
    return models.SKIPS if data.name == "csl" else models.MANY


def build(model: str, data: GraphData):
    """Return a function that builds the named model for a `Shape`."""
    if model in models.BASELINES:
        return partial(models.Baseline, model, settings=kind_of(data))
    config = models.OURS[model](not data.single)

    def make(shape: Shape):
        from graphagg.nn.model.network import GPS

        return GPS(fit_config(config, shape))

    return make


def file_of(result: dict) -> str:
    return Cell(result["set"], result["model"], int(result["split"])).file
