"""The demo shows what can be shown, and says what it leaves out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphagg.cli import demo
from graphagg.errors import MissingExtra
from graphagg.kernels import Kernel
from tests.unit.commands import Answer


def missing(package: str, extra: str) -> Callable[[Path, bool], dict[str, Any]]:
    def part(directory: Path, shown: bool) -> dict[str, Any]:
        raise MissingExtra(package, extra)

    return part


def test_a_part_without_its_extra_is_left_out_and_named(
    tmp_path: Path, call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(demo._DEMOS, "passages", (missing("faiss", "rag"), ""))
    monkeypatch.setitem(demo._DEMOS, "communities", (missing("datasketch", "communities"), ""))
    said = call("demo", "--out", tmp_path)
    assert said.code == 0
    assert "Nearest to Valjean" in said.out and "graphagg embed neighbors" in said.out
    assert "Skipped: communities" in said.out and "'datasketch'" in said.out
    assert "communities query" not in said.out
    found = call("demo", "--out", tmp_path, "--json").json
    assert found["left_out"].keys() == {"passages", "communities"}


def test_a_demo_of_nothing_is_an_error(
    tmp_path: Path, call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in demo._DEMOS:
        monkeypatch.setitem(demo._DEMOS, name, (missing("faiss", "rag"), ""))
    error = call("demo", "--out", tmp_path).error
    assert "'faiss'" in error and "[fast]" in error  # less to install than `rag`


def test_a_demo_that_python_runs_has_the_bits_of_one_that_is_compiled(
    tmp_path: Path, call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {}
    for name, small in (("compiled", 0), ("small", 1 << 14)):
        monkeypatch.setattr(Kernel, "small_rows", small)
        said[name] = call("demo", "--out", tmp_path / name, "--json").json
        said[name].pop("picture")
        for kind in ("passages", "communities", "embedding"):
            said[name][kind] = (tmp_path / name / kind / "manifest.json").read_bytes()
    assert said["small"] == said["compiled"]


def test_the_graphs_compile_nothing_and_passages_have_profile_standard(
    tmp_path: Path, call: Callable[..., Answer]
) -> None:
    code = "import sys\nfrom graphagg.cli import demo\nfrom pathlib import Path\n"
    code += "del demo._DEMOS['passages']\ndemo._run(Path(sys.argv[1]), True)\n"
    code += "assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, capture_output=True)
    shown = call("demo", "--out", tmp_path).out
    assert call("info", tmp_path / "passages", "--json").json["parameters"]["profile"] == "standard"
    for words in ("of the passages needed are among", "-> Warsaw", "inherited="):
        assert words in shown
    assert (tmp_path / "community.png").read_bytes().startswith(b"\x89PNG")
