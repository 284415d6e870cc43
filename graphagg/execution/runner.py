"""Runs the tasks of a stage: here one after another, in `graphagg.spark.job` in parallel."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]  # Windows

from graphagg.progress import Progress, silent

if TYPE_CHECKING:
    from graphagg.store.work import WorkFolder

Stats = dict[str, Any]
"""A few numbers that a task returns, by name; `block` is the number of the task."""
TaskFunction = Callable[[int], Stats | None]
"""A task, called with its number. If it runs more than once, it writes the same bytes."""


def peak_memory() -> int:
    """Return the peak memory of this process in bytes; 0 if the system has no count (Windows)."""
    if resource is None:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


class TaskRunner(Protocol):
    """Runs the stages of a build."""

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a small JSON value: from an earlier run of this build, or from `make`."""

    def run(self, count: int, task: TaskFunction, stage: str = "") -> list[Stats]:
        """Run `task(i)` for i below `count`, in any order.

        With a `stage` name, results are saved and progress is reported. Returns the results of the
        tasks in order, each with its number as `block`.
        """


class InProcessRunner:
    """Runs tasks one after another. With results saved in `work`, a killed build can resume."""

    def __init__(self, progress: Progress = silent, work: WorkFolder | None = None) -> None:
        self._progress, self._work = progress, work

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a small JSON value: from an earlier run, or from `make`."""
        return make() if self._work is None else self._work.note(name, make)

    def run(self, count: int, task: TaskFunction, stage: str = "") -> list[Stats]:
        """Run the tasks in order; see `TaskRunner`."""
        rows: list[Stats] = []
        for i in range(count):
            result = self.note(f"{stage}.{i}", partial(task, i)) if stage else task(i)
            rows.append({"block": i} | (result or {}))
            if stage:
                self._progress(stage, i + 1, count)
        return rows
