"""One cell: a model on one split of a set, a JSON file once it is done."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from benchmarks.training.models import BASELINES, MANY, MODELS, ONE, OURS, SKIPS, Baseline, Kind
from benchmarks.training.table import SPLITS
from graphagg.errors import TrainingInterrupted
from graphagg.nn.training import GraphData, Shape, load_data, train
from graphagg.nn.training.data.dataset import checked
from graphagg.nn.training.plan import fitted, plan_of
from tests.conftest import DATA

ROOT = DATA / "graph_learning"
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
        """Name of its result."""
        name = "".join(c if c.isalnum() else "-" for c in self.model.lower()).strip("-")
        return f"{self.data.lower()}_{name}_{self.split}.json"


def all_cells() -> list[Cell]:
    """Every cell; the first split of every set and model comes before the second of any."""
    return [Cell(d, m, s) for s in range(SPLITS) for d in SETS for m in MODELS]


def quick_cells() -> list[Cell]:
    """One of each kind, for the tests."""
    return [Cell("texas", "GCN (PyG)", 0), Cell("texas", "GPS exact", 0), Cell("MUTAG", "LCM", 0)]


@cache
def dataset(name: str) -> GraphData:
    return checked(load_data(str(ROOT / SETS[name])))


@cache
def encoded(name: str) -> GraphData:
    """The set with the encodings that all GPS models read, made once."""
    data = dataset(name)
    transform = plan_of(OURS["GPS exact"](not data.single)).transform()
    return data if transform is None else data.transformed(transform)


def run_cell(cell: Cell, folder: Path, epochs: int | None = None) -> dict:
    """Train a cell and keep its result; one that is there is read."""
    path = folder / cell.file
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    data = dataset(cell.data) if cell.model in BASELINES else encoded(cell.data)
    training = replace(kind_of(data).training, random_state=cell.split)
    if epochs is not None:
        warmup = min(training.warmup_epochs, epochs)
        training = replace(training, epochs=epochs, warmup_epochs=warmup, patience=0)
    scratch = folder / "runs" / path.stem
    result = train(
        build(cell.model, data),
        replace(data, splits=(data.splits[cell.split],)),
        scratch,
        training=training,
        device="cpu",
        force=True,
    )
    found = {"set": cell.data, "model": cell.model, "split": cell.split}
    found |= {"metric": result.metric, **result.splits[0].to_json()}
    partial_path = path.with_suffix(".partial")
    partial_path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    partial_path.replace(path)
    shutil.rmtree(scratch)
    return found


def kind_of(data: GraphData) -> Kind:
    if data.single:
        return ONE
    return SKIPS if data.name == "csl" else MANY


def build(model: str, data: GraphData):
    """What makes the model of a name for a `Shape`."""
    if model in BASELINES:
        return partial(Baseline, "gcn" if "GCN" in model else "gin", settings=kind_of(data))
    config = OURS[model](not data.single)

    def make(shape: Shape):
        from graphagg.nn.model.network import GPS

        return GPS(fitted(config, shape))

    return make


def run_all(folder: Path, cells: list[Cell], minutes: float) -> None:
    """Run cells until they are done or the CPU minutes are used up; one that fails is told."""
    start = time.process_time()
    for cell in cells:
        if (time.process_time() - start) / 60 > minutes:
            print(f"stopped after {minutes:g} CPU minutes", file=sys.stderr, flush=True)
            return
        there = (folder / cell.file).exists()
        try:
            found = run_cell(cell, folder)
        except TrainingInterrupted:
            raise
        except Exception as error:
            print(f"{cell}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        if not there:
            told = ("train", "val", "test", "epoch", "epochs", "cpu_seconds")
            print(cell, {key: found[key] for key in told}, file=sys.stderr, flush=True)


def restore(folder: Path, known: Path) -> None:
    """Lay down the cells that a file holds and the folder does not."""
    folder.mkdir(parents=True, exist_ok=True)
    for found in json.loads(known.read_text(encoding="utf-8")):
        path = folder / Cell(found["set"], found["model"], int(found["split"])).file
        if not path.exists():
            path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def save(folder: Path, known: Path) -> None:
    """Write all cells of the folder into one file, a line each."""
    paths = [folder / cell.file for cell in all_cells()]
    lines = [json.dumps(json.loads(path.read_text("utf-8"))) for path in paths if path.exists()]
    known.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
