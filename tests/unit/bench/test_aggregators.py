"""The table of aggregators says which seeds are there, and gives intervals only where there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.training import aggregators, kept


def cell(aggregator: str, seed: int, test: float) -> dict:
    return {
        "set": "ENZYMES", "aggregator": aggregator, "seed": seed, "metric": "accuracy",
        "test": test, "cpu_seconds": 4.0,
    }  # fmt: skip


def test_the_table_gives_mean_interval_and_what_is_missing() -> None:
    cells = [cell("sum", 0, 0.5), *(cell("lcm", seed, 0.1 * seed) for seed in range(5))]
    row = next(r for r in aggregators.markdown(cells).splitlines() if "ENZYMES | acc" in r)
    # Student's t of four degrees of freedom is 2.776 at 97.5 %; the deviation is 10 sqrt(2.5).
    assert "| 50.0 (1/5) |" in row and "| 20.0 ± 19.6 |" in row and "not run" in row


def test_kept_cells_are_laid_down_and_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, folder = cell("sum", 0, 0.5), tmp_path / "cells"
    (tmp_path / "known.json").write_text(json.dumps([result]))
    kept.restore(folder, tmp_path / "known.json", aggregators.file_of)
    monkeypatch.setattr(kept, "train", None)  # would be called for a cell that is not there
    assert aggregators.run_cell(folder, (0, "ENZYMES", "sum")) == result
    assert kept.read_all(folder) == [result]
