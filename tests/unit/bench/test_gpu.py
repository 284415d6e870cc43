"""The check of a GPU, on the CPU: its items run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as check


@pytest.mark.parametrize(
    "item", ["equality", *(pytest.param(n, marks=pytest.mark.slow) for n in list(check.ITEMS)[1:])]
)
def test_an_item_runs_on_the_cpu(
    item: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["gpu", "--device", "cpu", "--out", str(tmp_path), "--item", item]
    monkeypatch.setattr(sys, "argv", options)
    assert check.main() == 0
    report = (tmp_path / "report.md").read_text()
    assert f"## {item}" in report and "failed" not in report
