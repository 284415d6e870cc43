"""Kernels that are compiled at their first call."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphagg import kernels
from graphagg.arrays import Array
from graphagg.kernels import Kernel, kernel


@kernel
def _square(x: float) -> float:
    """The square."""
    return x * x


@kernel
def _sum_of_squares(values: Array) -> float:
    total = 0.0
    for value in values:
        total += _square(value)
    return total


@kernel(fastmath=True)
def _total(values: Array) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


@kernel(small=True)
def _squares(values: Array, factor: Any) -> Any:
    """Squares, wrapped around, and the least of them."""
    out = np.empty(len(values), np.uint32)
    least = np.uint32(0xFFFFFFFF)
    for i in range(len(values)):
        out[i] = _square(values[i]) * factor
        least = min(least, out[i])
    return out, least


def test_python_runs_what_is_small_and_gives_what_compiled_code_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Kernel, "small_rows", 8)
    monkeypatch.setattr(_squares, "_compiled", None)
    few, many = np.arange(8, dtype=np.uint32) << 16, np.arange(9, dtype=np.uint32) << 16
    factor = np.uint32(0x85EBCA6B)
    small, least = _squares(few, factor)
    assert _squares._compiled is None and type(least) is int
    large, _ = _squares(many, factor)
    assert _squares._compiled is not None
    np.testing.assert_array_equal(small, large[:8])
    assert small.dtype == large.dtype and _squares(few, factor)[1] == least


def test_what_costs_more_than_compiling_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kernel, "small_rows", 8)
    monkeypatch.setattr(_squares, "_compiled", None)
    monkeypatch.setattr(_squares, "_patience", 1e-9)
    values = np.arange(8, dtype=np.uint32)
    for is_compiled in (False, True):
        _squares(values, np.uint32(1))
        assert (_squares._compiled is not None) is is_compiled


def test_what_takes_long_to_compile_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kernels._say_that_it_compiles.cache_clear()
    monkeypatch.setattr(kernels, "_SILENT", 0)
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))

    @kernel
    def sums(values: Array) -> float:
        return float(np.sort(values).sum())

    with caplog.at_level(logging.WARNING, logger="graphagg"):
        assert sums(np.arange(3.0)) == 3.0
    assert "compiling functions" in caplog.text


def test_a_kernel_may_call_another_and_is_what_python_computes() -> None:
    values = np.arange(7.0)
    assert _sum_of_squares(values) == 91.0 == _sum_of_squares.function(values)
    assert _total(values) == 21.0


def test_a_kernel_keeps_its_name_and_text_and_travels_by_name() -> None:
    assert _sum_of_squares.__name__ == "_sum_of_squares"
    assert pickle.loads(pickle.dumps(_total)) is _total


def test_numba_is_loaded_by_the_first_call() -> None:
    code = (
        "import sys, numpy\nfrom graphagg.kernels import lower_bound\n"
        "from graphagg.nearest import vectors\nfrom graphagg.rag.tables import view\n"
        "assert 'numba' not in sys.modules\n"
        "assert lower_bound(numpy.arange(9), 0, 9, 4) == 4\nassert 'numba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_cache_of_another_version_is_removed(tmp_path: Path) -> None:
    """Numba unpickles the types of a cached call before it looks whether the source changed."""
    source = (
        "from typing import NamedTuple\nfrom graphagg.kernels import kernel\n"
        "class {0}(NamedTuple):\n    x: float\n"
        "@kernel\ndef first(pair):\n    return pair.x\n"
    )
    call = (
        "import graphagg.kernels, sys\n"
        f"graphagg.kernels.__file__ = {str(tmp_path / 'kernels.py')!r}\n"
        "import of_version\nprint(of_version.first(of_version.{0}(2.0)))"
    )
    for name in ("Pair", "Couple"):
        (tmp_path / "of_version.py").write_text(source.format(name))
        done = subprocess.run(
            [sys.executable, "-c", call.format(name)],
            capture_output=True, text=True, cwd=tmp_path, check=False,
        )  # fmt: skip
        assert done.stdout == "2.0\n", done.stderr


@kernel
def _value_at(values: Array, i: int) -> float:
    return values[i]


@pytest.mark.parametrize("index", [3, -4, 1 << 62, -(1 << 62)])
def test_an_index_out_of_range_is_an_error(index: int) -> None:
    with pytest.raises(IndexError):
        _value_at(np.ones(3), index)
