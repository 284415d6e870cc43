"""A small part of `make bench-train`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.training import kept
from benchmarks.training.cells import all_cells, quick_cells, run_cell
from benchmarks.training.models import MODELS
from benchmarks.training.public import ROOT
from benchmarks.training.table import by_split, markdown

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ROOT.is_dir(), reason=f"{ROOT} is absent; set GRAPHAGG_DATA"),
]


def test_cells_are_kept_and_the_table_says_what_is_missing(tmp_path: Path) -> None:
    for cell in quick_cells():
        result = run_cell(cell, tmp_path, epochs=3)
        assert result["epochs"] == 3 and 0 <= result["test"] <= 1
        changed = result | {"test": 0.125}
        (tmp_path / cell.file).write_text(json.dumps(changed))
        assert run_cell(cell, tmp_path) == changed
    # The plain model of texas is a cell, and the one that validation chooses.
    sets = dict.fromkeys(cell.data for cell in all_cells())
    table = markdown(by_split(kept.read_all(tmp_path)), sets, MODELS)
    assert table.count("12.5 (1/3)") == 4 and "\n3 cells, " in table
    assert all(model in table.splitlines()[0] for model in MODELS)
    assert len({cell.file for cell in all_cells()}) == len(all_cells()) == 276
