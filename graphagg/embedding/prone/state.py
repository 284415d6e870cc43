"""Where an engine keeps its arrays and how it runs its loops: what in process and Spark differ in.

`Memory` and `InProcess` are those of the build in process; those of the Spark build are in
`embedding.spark.engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from graphagg.arrays import Array
from graphagg.progress import Progress, silent

Task = Callable[[int], None]
"""Number `i` of a loop. It may run more than once, and then writes the same to the same places."""


class State(Protocol):
    """Arrays by name: small ones of a piece, and arrays of all nodes, written range by range."""

    def save(self, name: str, number: int, **arrays: Array) -> None:
        """Write arrays of a piece."""

    def load(self, name: str, number: int, array: str) -> Array:
        """An array of a piece, read-only."""

    def create(self, name: str, shape: Sequence[int], dtype: Any) -> None:
        """Make an array of all nodes, of zeros."""

    def rows(self, name: str) -> Array:
        """An array of all nodes, read-only, perhaps mapped."""

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write rows `start` to `start + len(rows)` of an array of all nodes."""

    def drop(self, name: str) -> None:
        """Remove everything of a name, where it is there."""


class Loops(Protocol):
    """Runs loops over pieces, ranges of nodes and shards."""

    def stage(self, name: str, make: Callable[[], None]) -> None:
        """Run `make`, unless it was finished before the job was killed."""

    def each(self, count: int, task: Task) -> None:
        """Run `task(i)` for i below `count`, in any order."""

    def total(
        self, name: str, count: int, task: Callable[[int], Sequence[Array]]
    ) -> Iterable[Array]:
        """Add up, in the order of i, the arrays that `task(i)` gives: a stage of its own."""


class Memory:
    """Arrays in memory."""

    def __init__(self) -> None:
        self._small: dict[str, dict[tuple[int, str], Array]] = {}
        self._whole: dict[str, Array] = {}

    def save(self, name: str, number: int, **arrays: Array) -> None:
        """Keep arrays of a piece, rows one after another as in a file."""
        small = self._small.setdefault(name, {})
        for key, array in arrays.items():
            small[number, key] = np.ascontiguousarray(array)

    def load(self, name: str, number: int, array: str) -> Array:
        """An array of a piece."""
        return self._small[name][number, array]

    def create(self, name: str, shape: Sequence[int], dtype: Any) -> None:
        """Make an array of all nodes."""
        self._whole[name] = np.zeros(shape, dtype)

    def rows(self, name: str) -> Array:
        """An array of all nodes."""
        return self._whole[name]

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write rows of an array of all nodes."""
        self._whole[name][start : start + len(rows)] = rows

    def drop(self, name: str) -> None:
        """Forget everything of a name."""
        self._small.pop(name, None)
        self._whole.pop(name, None)


class InProcess:
    """Loops that run one step after another.

    Args:
        progress: called after each step of a stage with the stage's name.
    """

    def __init__(self, progress: Progress = silent) -> None:
        self._progress, self._stage = progress, ""

    def stage(self, name: str, make: Callable[[], None]) -> None:
        """Run `make`."""
        self._stage = name
        make()

    def each(self, count: int, task: Task) -> None:
        """Run `task(i)` for i below `count`, in order."""
        for i in range(count):
            task(i)
            self._progress(self._stage, i + 1, count)

    def total(
        self, name: str, count: int, task: Callable[[int], Sequence[Array]]
    ) -> Iterable[Array]:
        """Add up the arrays that `task(i)` gives."""
        totals = list(task(0))
        for i in range(1, count):
            totals = [total + array for total, array in zip(totals, task(i), strict=True)]
        return totals
