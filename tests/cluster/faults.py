"""What can go wrong inside a task, and how a test brings it about. Workers import this too."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

STRUCK, GO = "struck", "go"
"""Files in the folder of a fault: the task that it struck wrote its process id; it may go on."""


@dataclass(frozen=True)
class Struck:
    """A task whose first run, of all runs of its stage, has a fault.

    Attributes:
        task: what it does otherwise.
        fault: a key of `FAULTS`.
        folder: where the task says that it was struck.
        cluster: the folder of the cluster.
    """

    task: Callable[..., Any]
    fault: str
    folder: Path
    cluster: Path

    def __call__(self, *arguments: Any) -> Any:
        """Run the task, or its fault and then the task."""
        if self._is_first():
            FAULTS[self.fault](self)
        return self.task(*arguments)

    def _is_first(self) -> bool:
        partial = self.folder / f"{os.getpid()}"
        partial.write_text(str(os.getpid()))
        with suppress(FileExistsError):
            os.link(partial, self.folder / STRUCK)
            return True
        return False


def _hold(struck: Struck) -> None:
    """Wait in the middle of the stage, to be killed or let go."""
    while not (struck.folder / GO).exists():
        time.sleep(0.1)


def _die(struck: Struck) -> None:
    """End as a process does that the kernel takes the memory of: by SIGKILL."""
    os.kill(os.getpid(), signal.SIGKILL)


def _lose_shuffle(struck: Struck) -> None:
    """Delete what the stage before wrote for the tasks of this one."""
    for path in struck.cluster.glob("worker*/**/shuffle_*"):
        path.unlink(missing_ok=True)


FAULTS = {"hold": _hold, "die": _die, "lose-shuffle": _lose_shuffle}


def strike(place: str, fault: str, folder: Path, cluster: Path) -> None:
    """Give the tasks of one stage a fault.

    Args:
        place: `module:function:name`: a function whose last argument is what its tasks do, and a
            part of the name of that.
        fault: a key of `FAULTS`.
        folder: where the task says that it was struck.
        cluster: the folder of the cluster.
    """
    name, function, of_task = place.split(":")
    module = import_module(name)
    original = getattr(module, function)

    def stricken(*arguments: Any) -> Any:
        *others, task = arguments
        if of_task in getattr(task, "func", task).__qualname__:
            task = Struck(task, fault, folder, cluster)
        return original(*others, task)

    setattr(module, function, stricken)
