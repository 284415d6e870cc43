"""Results of cells of a table: one JSON file per cell, so that an interrupted run can resume."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphagg.errors import TrainingInterrupted
from graphagg.nn.training import GraphData, Split, TrainingConfig, train

Result = dict[str, Any]


def add_options(parser: argparse.ArgumentParser, folder: Path) -> None:
    """Add the options that all tables have."""
    parser.add_argument("--budget-minutes", type=float, default=360.0)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--known", action="store_true")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--out", type=Path, default=folder)


def train_once(
    path: Path, about: Result, model: Any, data: GraphData, split: Split, training: TrainingConfig
) -> Result:
    """Train a model on one split and save its result."""
    scratch = path.parent / "runs" / path.stem
    result = train(
        model, replace(data, splits=(split,)), scratch, training=training, device="cpu", force=True
    )
    figures = about | {"metric": result.metric, **result.splits[0].to_json()}
    write(path, figures)
    shutil.rmtree(scratch)
    return figures


def read(path: Path) -> Result:
    result: Result = json.loads(path.read_text(encoding="utf-8"))
    return result


def write(path: Path, figures: Result) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(figures) + "\n", encoding="utf-8")
    partial.replace(path)


def read_all(folder: Path) -> list[Result]:
    """Read all results in a folder of cells."""
    return [read(path) for path in sorted(folder.glob("*_[0-9].json"))]


def restore(folder: Path, known: Path, file_of: Callable[[Result], str]) -> None:
    """Write the cells of a file that are missing in the folder."""
    for figures in json.loads(known.read_text(encoding="utf-8")):
        path = folder / file_of(figures)
        if not path.exists():
            write(path, figures)


def save(results: Iterable[Result], known: Path) -> None:
    """Write results to one file, one per line."""
    lines = ",\n".join(json.dumps(each) for each in results)
    known.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def run_all(cells: Iterable[Any], run: Callable[[Any], Result], minutes: float) -> None:
    """Run cells until all are done or the CPU minutes are used up; report failed cells."""
    start = time.process_time()
    for cell in cells:
        if (time.process_time() - start) / 60 > minutes:
            print(f"stopped after {minutes:g} CPU minutes", file=sys.stderr, flush=True)
            return
        try:
            print(cell, run(cell), file=sys.stderr, flush=True)
        except TrainingInterrupted:
            raise
        except Exception as error:
            print(f"{cell}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
