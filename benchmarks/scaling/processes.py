"""Measures CPU, memory and disk of a run and all its child processes. Linux only.

CPU is that of a separate control group, which the kernel counts for every process in it. A sum over
processes does not work: PySpark's daemon does not wait for its workers, so the CPU of a worker that
ends before its daemon is lost.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_INTERVAL = 1.0  # seconds between two samples


class GroupMeter:
    """A control group with this process and all processes that it starts.

    Args:
        folder: folder of the group.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def cpu(self) -> float:
        """Return the CPU seconds of the group without this process."""
        old = self._folder / "cpuacct.usage"  # nanoseconds, cgroups v1
        if old.exists():
            used = int(old.read_text(encoding="ascii")) / 1e9
        else:
            stat = (self._folder / "cpu.stat").read_text(encoding="ascii").split()
            used = int(stat[stat.index("usage_usec") + 1]) / 1e6
        return used - time.process_time()


@contextmanager
def meter() -> Iterator[GroupMeter]:
    """Context manager: enter a new control group; leave and remove it at the end."""
    for parent in _groups():
        folder = parent / f"graphagg-bench-{os.getpid()}"
        try:
            folder.mkdir()
            (folder / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        except OSError:
            continue
        try:
            yield GroupMeter(folder)
        finally:
            (parent / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
            with suppress(OSError):  # a process is still in it
                folder.rmdir()
        return
    raise SystemExit("cannot create a control group: run as root, or in a delegated control group")


def _groups() -> Iterator[Path]:
    """Yield the control groups of this process that count CPU: cgroups v1, then v2."""
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        below = path.lstrip("/")
        if "cpuacct" in controllers.split(","):
            yield Path("/sys/fs/cgroup", controllers, below)
        elif not controllers:
            yield Path("/sys/fs/cgroup", below)


class Watch:
    """Context manager that samples memory and disk once per second.

    Args:
        workers: processes whose children are executors.
        folder: the folder whose size is sampled.

    Attributes:
        executor: bytes of the largest executor's JVM with its Python workers, as proportional set
            size: a page that n processes share counts 1/n in each.
        disk: maximum size of the folder, in allocated blocks.
    """

    def __init__(self, workers: Sequence[int], folder: Path) -> None:
        self.executor = self.disk = 0
        self._workers, self._folder = workers, folder
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(_INTERVAL):
            for worker in self._workers:
                with suppress(psutil.Error):
                    for executor in psutil.Process(worker).children():
                        tree = [executor, *executor.children(recursive=True)]
                        self.executor = max(self.executor, sum(map(_pss, tree)))
            self.disk = max(self.disk, sum(dict(map(_blocks, self._folder.rglob("*"))).values()))


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # the process has ended
        return 0


def _blocks(path: Path) -> tuple[int, int]:
    """Return the inode of a file, which identifies hard links, and its allocated bytes."""
    try:
        return path.stat().st_ino, path.stat().st_blocks * 512  # arrays are sparse files
    except OSError:  # removed meanwhile
        return 0, 0
