"""The loops that run the steps of a build.

`InProcess` runs the steps one after another, `Resumable` likewise and goes on after a kill. The
loops of a Spark job are in `build.spark`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from graphagg.arrays import Array
from graphagg.minhash.bands import BANDS_AT_ONCE
from graphagg.progress import Progress
from graphagg.spark.state import State, Stored
from graphagg.spark.tasks import Stats
from graphagg.store.work import WorkFolder


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


class InProcess:
    """Steps that run one after another.

    Args:
        state: the arrays.
        progress: called after each step with the name of its loop.
    """

    bands_per_step = BANDS_AT_ONCE

    def __init__(self, state: State, progress: Progress) -> None:
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

    def __init__(self, state: Stored, work: WorkFolder) -> None:
        super().__init__(state, lambda name, done, total: work.step(name)(done, total))
        self._work = work

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """Read the note of an earlier run, or call `make` and note its result."""
        return self._work.note(name, make)
