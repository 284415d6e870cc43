"""Kernels that are compiled at their first call."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np

from graphagg.arrays import Array
from graphagg.kernels import kernel
from graphagg.kernels.prefetch import prefetch


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


@kernel
def _sum_of_places(values: Array, places: Array) -> float:
    total = 0.0
    for i in range(len(places)):
        prefetch(values, places[i] + 8)
        total += values[places[i]]
    return total


def test_what_is_asked_for_ahead_may_be_past_the_end() -> None:
    for values in (np.arange(7.0), np.arange(7, dtype=np.int32)):
        assert _sum_of_places(values, np.array([6, 0, 6])) == 12


def test_a_kernel_may_call_another_and_is_what_python_computes() -> None:
    values = np.arange(7.0)
    assert _sum_of_squares(values) == 91.0 == _sum_of_squares.function(values)
    assert _total(values) == 21.0


def test_a_kernel_keeps_its_name_and_text_and_travels_by_name() -> None:
    assert _sum_of_squares.__name__ == "_sum_of_squares"
    assert pickle.loads(pickle.dumps(_total)) is _total


def test_numba_is_loaded_by_the_first_call() -> None:
    code = (
        "import sys, numpy\nfrom graphagg.rag.tables import vectors, view\n"
        "assert 'numba' not in sys.modules\n"
        "vectors.Stack([numpy.ones((1, 2), numpy.float32)]).dots(numpy.ones((1, 2), 'f4'))\n"
        "assert 'numba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
