"""The bench of set tasks: its answers by brute force, and a small run of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from benchmarks.learning.sets_tasks import (
    AGGREGATORS,
    TASKS,
    Settings,
    draw,
    plot,
    run_all,
    write_tables,
)
from benchmarks.report import Report

BY_HAND = {
    "second-minimum": lambda values: sorted(values)[1],
    "times-of-minimum": lambda values: min(
        3, sorted(Counter(v >> 4 for v in values).items())[0][1]
    ),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("sizes", [(2, 16), (40, 40)])
def test_answers(task: str, sizes: tuple[int, int]) -> None:
    sets = draw(task, 50, sizes, 0.5, seed=1)
    parts = sets.values.tensor_split(sets.ptr[1:-1])
    assert len(parts) == 50 and all(sizes[0] <= len(part) <= sizes[1] for part in parts)
    assert [BY_HAND[task](part.tolist()) for part in parts] == sets.answers.tolist()
    assert sets.values.min() >= 0 and sets.values.max() < 256
    again = draw(task, 50, sizes, 0.5, seed=1)
    assert torch.equal(again.values, sets.values)


@pytest.mark.slow
def test_a_small_run_is_written_continued_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out, settings = tmp_path / "sets.json", Settings(width=32, batch=64, steps=150, tested=200)
    held = run_all(out, ["times-of-minimum"], ["lcm"], [0], settings)
    assert list(held["runs"]) == ["times-of-minimum/lcm/0"]
    held["runs"]["times-of-minimum/lcm/0"]["loss"] = -1.0  # a mark
    out.write_text(json.dumps(held))
    held = run_all(out, ["times-of-minimum"], list(AGGREGATORS), [0], settings)
    assert len(held["runs"]) == len(AGGREGATORS)
    assert held["runs"]["times-of-minimum/lcm/0"]["loss"] == -1.0  # not run again
    report = Report(tmp_path)
    seconds = {"lcm": {8: 0.1, 16: 0.2}}
    write_tables(report, held, seconds)
    assert "| lcm |" in report.save().read_text()
    plot(held, seconds, tmp_path / "sets.png")
    assert (tmp_path / "sets.png").read_bytes()[:4] == b"\x89PNG"
