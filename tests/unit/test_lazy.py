"""Faces of packages: names load at first use, and type checkers know which there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("communities", "embedding", "graph", "nn", "nn/training", "rag", "spark")


def test_a_name_that_does_not_exist_fails_in_mypy(tmp_path: Path) -> None:
    """Over the faces alone, so that mypy reads a few small files."""
    for name in ("", *PACKAGES):
        (tmp_path / "graphagg" / name).mkdir(exist_ok=True, parents=True)
        face = (ROOT / "graphagg" / name / "__init__.py").read_text(encoding="utf-8")
        (tmp_path / "graphagg" / name / "__init__.py").write_text(face, encoding="utf-8")
    lines = [f"from graphagg.{name.replace('/', '.')} import Nothing" for name in PACKAGES]
    (tmp_path / "user.py").write_text("\n".join([*lines, "from graphagg.rag import PassageIndex"]))
    options = ("--strict", "--ignore-missing-imports", "--no-site-packages")
    command = [sys.executable, "-m", "mypy", *options, "user.py"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    missing = [line for line in checked.stdout.splitlines() if 'has no attribute "Nothing"' in line]
    assert len(missing) == len(PACKAGES), checked.stdout
    assert "PassageIndex" not in checked.stdout
