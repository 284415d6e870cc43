"""How the tasks of a stage run: here one after another, in parallel in `graphagg.spark.job`."""

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
"""A task by its number. It may run more than once, and then writes the same bytes."""


def peak_memory() -> int:
    """Bytes of memory that this process had at most; 0 where the system has no count (Windows)."""
    if resource is None:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


class TaskRunner(Protocol):
    """Runs the stages of a build."""

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """A small JSON value: of an earlier run of this build, else from `make`."""

    def run(self, count: int, task: TaskFunction, stage: str = "") -> list[Stats]:
        """Run `task(i)` for i below `count`, in any order.

        With a `stage` name results are noted and progress is reported. Returns what the tasks
        returned, with `block`, by their numbers.
        """


class InProcessRunner:
    """Runs tasks one after another. Results noted in `work` let a killed build resume."""

    def __init__(self, progress: Progress = silent, work: WorkFolder | None = None) -> None:
        self._progress, self._work = progress, work

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """A small JSON value: of an earlier run, else from `make`."""
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
