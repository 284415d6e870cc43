"""Every benchmark that a page or a docstring names exists and can be imported."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "graphagg").rglob("*.py"),
    *(ROOT / "benchmarks").glob("*.md"),
    ROOT / "Makefile",
]
COMMAND = re.compile(r"python\s+-m\s+(benchmarks(?:\.\w+)*)")
CITED = sorted({n for page in PAGES for n in COMMAND.findall(page.read_text(encoding="utf-8"))})


def test_pages_cite_benchmarks():
    assert len(CITED) > 15


@pytest.mark.parametrize("name", CITED)
def test_a_cited_benchmark_can_run(name: str):
    module = importlib.import_module(name)
    if hasattr(module, "__path__"):  # of a folder, `python -m` runs __main__
        module = importlib.import_module(f"{name}.__main__")
    assert callable(module.main)
