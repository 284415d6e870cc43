"""A store in memory, empty for every test, and a cache of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graphagg.store.remote import clients, files


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    clients._memory.cache_clear()
    monkeypatch.setenv("GRAPHAGG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "_FIRST_WAIT", 0.0)
    yield tmp_path / "cache"
