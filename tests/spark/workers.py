"""Jobs that are killed, and Python workers that die while a job runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil


class Killed(BaseException):
    """The job is killed."""


def killing(ran: list[str], after: str | None = None) -> Callable[[str, int, int], None]:
    """A progress that notes the stages that ran, and kills the job after one of them."""

    def progress(stage: str, done: int, total: int) -> None:
        ran.append(stage)
        if stage == after:
            raise Killed

    return progress


@contextmanager
def dying_workers() -> Iterator[None]:
    """Context manager: one worker is killed; its task runs a second time, which is the last."""
    killed: list[int] = []
    done = threading.Event()

    def kill_worker() -> None:
        while not killed and not done.wait(0.02):
            for worker in _python_workers()[:1]:
                worker.send_signal(signal.SIGKILL)
                killed.append(worker.pid)

    killer = threading.Thread(target=kill_worker)
    killer.start()
    try:
        yield
    finally:
        done.set()
        killer.join()
    assert killed


def _python_workers() -> list[psutil.Process]:
    """Forked workers: children of the daemon, which is a child of the JVM."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            parent = process.parent()
            if parent is not None and "pyspark.worker" in parent.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found
