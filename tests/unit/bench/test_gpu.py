"""The benchmark of a GPU, on the CPU: its items run, and the driver tells what it left out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import __main__ as driver
from benchmarks.gpu import equality, layers
from benchmarks.gpu.items import ITEMS, Item


def test_every_device_path_gives_what_the_cpu_gives() -> None:
    rows = list(equality.rows("cpu"))
    assert len(rows) == 2 * len(equality.cases())
    assert all(row["equal"] for row in rows), [row for row in rows if not row["equal"]]


@pytest.mark.slow
def test_layers_and_monoids_beside_pyg() -> None:
    rows = [next(layers.layers("cpu", local=local)) for local in (True, False)]
    rows.append(next(layers.monoids("cpu")))
    for row in rows:
        assert row["type"] == "float32"
        assert row["ours forward+backward ms"] > 0 and row["PyG forward+backward ms"] > 0


@pytest.mark.parametrize(
    # All items take minutes; the quickest one shows that the driver and its processes work.
    "items",
    [("tests",), pytest.param(tuple(ITEMS), marks=pytest.mark.slow)],
)
def test_a_dry_run_on_the_cpu_writes_one_file_with_a_row_of_each_item(
    items: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [option for name in items for option in ("--item", name)]
    command = ["gpu", "--device", "cpu", "--minutes", "600", "--out", str(tmp_path), *options]
    monkeypatch.setattr(sys, "argv", command)
    assert driver.main() == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["machine"]["device"] == "cpu" and tuple(results["items"]) == items
    for name, item in results["items"].items():
        assert item["rows"] or "not installed" in item["note"], (name, item["note"])
        assert not item["note"].startswith(("failed", "cut short")), (name, item["note"])


def test_what_has_no_time_or_no_package_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no time" in driver.run_item("equality", "cpu", 1.0)["note"]
    needy = Item("Needy", ITEMS["layer"].run, ("no_such_package",))
    monkeypatch.setitem(ITEMS, "layer", needy)
    assert driver.run_item("layer", "cpu", 60.0)["note"] == (
        "left out: no_such_package not installed"
    )


def test_a_process_is_ended_with_its_children() -> None:
    script = "import subprocess, sys; print('{}', flush=True); subprocess.run(['sleep', '60'])"
    out, _, code = driver.ended([sys.executable, "-c", script], 1.0)
    assert (out, code) in (
        ("{}\n", None),
        ("", None),
    )  # a busy machine may not get to the first line
    assert driver.ended([sys.executable, "-c", "raise SystemExit(3)"], 60.0)[2] == 3


def test_rows_before_an_end_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def ended(command: list[str], seconds: float) -> tuple[str, str, int | None]:
        if command[-3] == "layer":
            return '{"batch": "a", "ms": 1.5}\nhalf', "", None
        return '{"what": "b"}\n', "ValueError: broken\n", 1

    monkeypatch.setattr(driver, "ended", ended)
    found: dict[str, Any] = {"machine": {"device": "cpu"}, "items": {}}
    for name in ("layer", "equality"):
        found["items"][name] = driver.run_item(name, "cpu", 9.0)
        driver.write(tmp_path, found)
    kept = json.loads((tmp_path / "results.json").read_text())["items"]
    assert kept["layer"]["rows"] == [{"batch": "a", "ms": 1.5}]
    assert "cut short" in kept["layer"]["note"]
    assert kept["equality"]["note"] == "failed: ValueError: broken"
    report = (tmp_path / "report.md").read_text()
    assert "| a | 1.50 |" in report and "failed: ValueError: broken" in report
