"""The search for constants: what all sets gain by is taken, what one set gains by is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from graphagg.rag.best.tuning.kernel import Weights
from graphagg.rag.best.tuning.search import value_of, with_value

from benchmarks.choose.search import GRID, MIDDLE, Search
from graphagg.arrays import Array

NAMES = ("a", "b", "c", "d-untitled")


class _Set:
    """A set whose recall is a function of the constants."""

    def __init__(self, recall: Callable[[Weights], float]) -> None:
        self._recall = recall

    def recall(self, weights: Weights) -> Array:
        return np.array([0.0, self._recall(weights)])


def _search(plain: float = 0.0, **recalls: Callable[[Weights], float]) -> Search:
    flat: Callable[[Weights], float] = lambda _: 50.0  # noqa: E731
    sets: Any = {name: _Set(recalls.get(name[0], flat)) for name in NAMES}
    return Search(sets, {name: np.array([0.0, plain]) for name in NAMES})


def test_the_middle_is_in_each_range_and_stays_where_nothing_gains() -> None:
    for name, values in GRID.items():
        assert values[0] < value_of(MIDDLE, name) < values[-1]
    assert _search().choose(NAMES) == MIDDLE


def test_what_all_sets_gain_by_is_taken() -> None:
    every = {name: lambda w: 50.0 + w.coverage for name in "abcd"}
    wanted = with_value(MIDDLE, "coverage", GRID["coverage"][-1])
    assert _search(**every).choose(NAMES) == wanted
    assert _search(**every).choose(NAMES[:1]) == wanted  # one set alone has no error


def test_what_one_set_gains_by_is_not_taken() -> None:
    one = _search(a=lambda w: 50.0 + 20.0 * w.rest)
    assert one.choose(NAMES) == MIDDLE
    assert one.choose(["a"]).open_terms == GRID["open_terms"][-1]


def test_what_a_plain_method_has_more_counts_twice() -> None:
    names = ["a", "b"]
    gains = {"a": lambda w: 50.0 + 10.0 * w.own, "b": lambda w: 50.0 + w.own}
    short = _search(**gains)._sure_gain(MIDDLE, with_value(MIDDLE, "own", 0.4), names)
    ahead = _search(plain=60.0, **gains)._sure_gain(MIDDLE, with_value(MIDDLE, "own", 0.4), names)
    assert np.isclose(ahead, 3.0 * short)
