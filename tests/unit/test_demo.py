"""The demo shows what can be shown, and says what it leaves out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphagg.cli import demo
from graphagg.errors import MissingExtra
from tests.unit.commands import Answer


def missing(package: str, extra: str) -> Callable[[Path, bool], dict[str, Any]]:
    def part(directory: Path, shown: bool) -> dict[str, Any]:
        raise MissingExtra(package, extra)

    return part


def test_a_part_without_its_extra_is_left_out_and_named(
    tmp_path: Path, call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_passages", missing("faiss", "rag"))
    monkeypatch.setattr(demo, "_communities", missing("datasketch", "communities"))
    said = call("demo", "--out", tmp_path)
    assert said.code == 0
    assert "Nearest to Valjean" in said.out and "graphagg embed neighbors" in said.out
    assert "Left out: communities" in said.out and "'datasketch'" in said.out
    assert "communities query" not in said.out
    found = call("demo", "--out", tmp_path, "--json").json
    assert found["left_out"].keys() == {"passages", "communities"}


def test_a_demo_of_nothing_is_an_error(
    tmp_path: Path, call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_passages", "_communities", "_embedding"):
        monkeypatch.setattr(demo, name, missing("faiss", "rag"))
    assert "'faiss'" in call("demo", "--out", tmp_path).error
