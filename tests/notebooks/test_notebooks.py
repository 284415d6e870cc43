"""The notebooks run from top to bottom, and show what a run shows."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 200_000
"""Bytes of a notebook with its outputs."""


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code(book: Any) -> list[Any]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def pictures(book: Any) -> int:
    outputs = [output for cell in code(book) for output in cell.outputs]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_there_are_the_six_of_them() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "aggregators", "communities", "corpus", "embedding", "retrieval", "spark",
    ]  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_kept_outputs_are_of_one_run_and_small(path: Path) -> None:
    book = read(path)
    nbformat.validate(book)
    cells = code(book)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert path.stat().st_size < LARGEST
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr"
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|tmp|root|work|Users)/", text)  # it tells of no machine


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path: Path) -> None:
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kept, fresh = read(path), module.execute(path)
    for cell in code(fresh):  # with a cold cache, kernels say that they are compiled
        cell.outputs = [each for each in cell.outputs if "compiling functions" not in str(each)]
    assert not any(
        output.output_type == "error" or output.get("name") == "stderr"
        for cell in code(fresh)
        for output in cell.outputs
    )
    assert pictures(fresh) == pictures(kept)
    shown = [bool(cell.outputs) for cell in code(fresh)]
    assert shown == [bool(cell.outputs) for cell in code(kept)]
