"""The arrays of a build and the loops that run its steps: all that engines differ in.

`Memory` keeps arrays in memory, `Folder` in files of which a step reads its own range; both give
the same bytes. `InProcess` runs the steps one after another, `Resumable` likewise and goes on after
a kill. The state and the loops of a Spark job are in `build.spark`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from graphagg.arrays import Array
from graphagg.minhash.bands import BANDS_AT_ONCE
from graphagg.progress import Progress
from graphagg.spark.files import Files
from graphagg.spark.task_arrays import ArrayCollector
from graphagg.spark.tasks import Stats
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import GrowingFile
from graphagg.store.work import WorkFolder


class State(Protocol):
    """The arrays of a new version, by the names of their files without `.npy`."""

    def create(self, name: str, dtype: Any, shape: Sequence[int]) -> None:
        """Make an array of zeros, for ranges to be written into."""

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write rows `start` to `start + len(rows)` of an array."""

    def map(self, name: str) -> Array:
        """An array that is written no more, perhaps mapped."""

    def exists(self, name: str) -> bool:
        """Whether there is an array of this name."""

    def gather(self, writer: ArtifactWriter) -> None:
        """Bring all arrays into the folder of the version that is published."""


class Loops(Protocol):
    """Runs the steps of a build."""

    @property
    def bands_per_step(self) -> int:
        """LSH bands that one step sorts."""

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a small result that an earlier run of this build noted; else call `make`."""

    def each(self, name: str, count: int, step: Callable[[int], Stats]) -> list[Stats]:
        """Run `step(i)` for i below `count`; a step may run twice and then writes the same."""

    def join(
        self, name: str, array: str, dtype: Any, count: int,
        step: Callable[[int], tuple[Stats, Array]],
    ) -> list[Stats]:  # fmt: skip
        """Write `array`: the values that the steps give, one after another; else as `each`."""


class Memory(ArrayCollector):
    """Arrays in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._growing: dict[str, list[Array]] = {}

    @property
    def writer(self) -> ArtifactWriter:
        """Keeps whole arrays."""
        return self

    def create(self, name: str, dtype: Any, shape: Sequence[int]) -> None:
        """Make an array of zeros."""
        self.arrays[name] = np.zeros(shape, dtype)

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write a range."""
        self.arrays[name][start : start + len(rows)] = rows

    def append(self, name: str, dtype: Any, length: int, values: Array) -> int:
        """Append to the first `length` values of an array; returns the new length."""
        self._growing.setdefault(name, []).append(values)
        return length + len(values)

    def map(self, name: str) -> Array:
        """The array itself."""
        if name in self._growing:
            self.arrays[name] = np.concatenate(self._growing.pop(name))
        return self.arrays[name]

    def exists(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return name in self.arrays

    def gather(self, writer: ArtifactWriter) -> None:
        """Write all arrays."""
        for name in [*self.arrays, *self._growing]:
            writer.array(name, self.map(name))


class Folder(Files):
    """Arrays in files of a folder."""

    @property
    def writer(self) -> ArtifactWriter:
        """Writes whole arrays."""
        return ArtifactWriter(self.folder)

    def append(self, name: str, dtype: Any, length: int, values: Array) -> int:
        """Append to the first `length` values of an array; returns the new length."""
        file = GrowingFile(self.path(f"{name}.npy"), dtype, length)
        file.append(values)
        file.close()
        return file.length


class InProcess:
    """Steps that run one after another.

    Args:
        state: the arrays.
        progress: called after each step with the name of its loop.
    """

    bands_per_step = BANDS_AT_ONCE

    def __init__(self, state: Memory | Folder, progress: Progress) -> None:
        self._state, self._progress = state, progress

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """Call `make`."""
        return make()

    def each(self, name: str, count: int, step: Callable[[int], Stats]) -> list[Stats]:
        """Run the steps in order."""
        return self._run(name, count, lambda i, _: step(i))

    def join(
        self, name: str, array: str, dtype: Any, count: int,
        step: Callable[[int], tuple[Stats, Array]],
    ) -> list[Stats]:  # fmt: skip
        """Append what each step gives."""

        def append(i: int, before: list[Stats]) -> Stats:
            stats, values = step(i)
            length = before[-1]["length"] if before else 0
            return {**stats, "length": self._state.append(array, dtype, length, values)}

        return self._run(name, count, append)

    def _run(self, name: str, count: int, step: Callable[[int, list[Stats]], Stats]) -> list[Stats]:
        """Run the steps in order; each gets the results of those before it."""
        stats: list[Stats] = []
        for i in range(count):
            stats.append(self.note(f"{name}.{i}", partial(step, i, stats)))
            self._progress(name, i + 1, count)
        return stats


class Resumable(InProcess):
    """Steps that run one after another; each is noted, and not run again after a kill.

    Args:
        state: the arrays.
        work: the folder of the unfinished build.
    """

    def __init__(self, state: Folder, work: WorkFolder) -> None:
        super().__init__(state, lambda name, done, total: work.step(name)(done, total))
        self._work = work

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """Read the note of an earlier run, or call `make` and note its result."""
        return self._work.note(name, make)
