"""Advice on mapped files is taken by the kernel, and changes nothing that is read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from graphagg.store.ranges import at_random, is_large, will_need


def test_the_range_of_a_view_is_asked_for_in_its_file(tmp_path: Path) -> None:
    """`will_need` finds the mapping below any view; the kernel refuses a range outside of it."""
    np.save(tmp_path / "a.npy", np.arange(100_000))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    will_need(mapped[50_000:], np.asarray(mapped)[1:90_000][5:], np.arange(100_000))
    assert mapped.sum() == 4_999_950_000


def test_arrays_are_found_in_what_holds_them(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(100_000))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    at_random([(mapped, 3), np.arange(5), "a"])
    assert mapped.sum() == 4_999_950_000


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="the system does not tell its memory")
def test_more_than_half_of_memory_is_large() -> None:
    assert not is_large(0) and is_large(1 << 60)
