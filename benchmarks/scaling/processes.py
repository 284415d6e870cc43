"""CPU, memory and disk of everything that a run starts, however deep in the tree. Linux only.

CPU is that of a control group of our own where one can be made (as root, or where the system
delegates one): the kernel counts every process in it. Elsewhere it is added up over live processes
and those that were reaped. PySpark's daemon ignores the end of its workers, so that the CPU of a
worker that ends before its daemon is lost there; what is measured so is marked `tree`.
"""

from __future__ import annotations

import ctypes
import os
import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_INTERVAL = 1.0  # seconds between two looks


def become_reaper() -> None:
    """Adopt the orphans among our descendants."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def reap_orphans(ours: Iterable[int]) -> None:
    """Reap adopted processes that have ended; `ours` are waited for by who started them."""
    known = set(ours)
    for child in psutil.Process().children():
        if child.pid not in known:
            try:
                os.waitpid(child.pid, os.WNOHANG)
            except ChildProcessError:
                continue


class TreeMeter:
    """Live processes and reaped ones."""

    name = "tree"

    def cpu(self) -> float:
        """CPU seconds, user and system, of all that was started from here so far."""
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        total = reaped.ru_utime + reaped.ru_stime
        for process in psutil.Process().children(recursive=True):
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system + times.children_user + times.children_system
        return total


class GroupMeter:
    """A control group that this process is in, and with it all that it starts.

    Args:
        folder: of the group.
    """

    name = "cgroup"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def cpu(self) -> float:
        """CPU seconds of the group without our own."""
        old = self._folder / "cpuacct.usage"  # nanoseconds, of version 1
        if old.exists():
            used = int(old.read_text(encoding="ascii")) / 1e9
        else:
            stat = (self._folder / "cpu.stat").read_text(encoding="ascii").split()
            used = int(stat[stat.index("usage_usec") + 1]) / 1e6
        return used - time.process_time()


Meter = TreeMeter | GroupMeter


@contextmanager
def meter() -> Iterator[Meter]:
    """The best meter there is; its control group is left and removed again."""
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
            with suppress(OSError):  # something is still in it
                folder.rmdir()
        return
    yield TreeMeter()


def _groups() -> Iterator[Path]:
    """The groups that this process is in and that tell CPU: of version 1, then of version 2."""
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        below = path.lstrip("/")
        if "cpuacct" in controllers.split(","):
            yield Path("/sys/fs/cgroup", controllers, below)
        elif not controllers:
            yield Path("/sys/fs/cgroup", below)


@dataclass
class Memory:
    """Proportional set size in bytes: a page that n processes share counts 1/n in each.

    Attributes:
        pss: with mapped files.
        anonymous: without them.
    """

    pss: int = 0
    anonymous: int = 0

    def add(self, pid: int) -> None:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:  # it has ended
            return
        sizes = {name: rest for name, _, rest in (line.partition(":") for line in lines[1:])}
        self.pss += 1024 * int(sizes["Pss"].split()[0])
        self.anonymous += 1024 * int(sizes["Pss_Anon"].split()[0])

    def raise_to(self, other: Memory) -> None:
        self.pss = max(self.pss, other.pss)
        self.anonymous = max(self.anonymous, other.anonymous)


class Family:
    """Who is whose child, at one moment."""

    def __init__(self) -> None:
        self._children: dict[int, list[int]] = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                self._children.setdefault(_parent(entry.name), []).append(int(entry.name))

    def children(self, pid: int) -> list[int]:
        """Of one process."""
        return self._children.get(pid, [])

    def memory(self, pid: int) -> Memory:
        """Of a process and all below it."""
        found, members = Memory(), [pid]
        while members:
            member = members.pop()
            found.add(member)
            members += self.children(member)
        return found


def _parent(pid: str) -> int:
    try:
        stat = Path("/proc", pid, "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has ended
        return 0
    return int(stat.rpartition(")")[2].split()[1])


@dataclass(frozen=True)
class Mark:
    """The end of a phase: what appeared on disk, when, and the CPU of the tree by then."""

    name: str
    wall: float
    cpu: float


@dataclass
class Peaks:
    """The largest values that were seen.

    Attributes:
        executor: an executor's JVM with its Python workers; of the largest executor.
        driver: the driver's JVM and its Python.
        disk: bytes of each folder that is watched, by its name.
        marks: ends of phases.
        looks: how often we looked.
    """

    executor: Memory = field(default_factory=Memory)
    driver: Memory = field(default_factory=Memory)
    disk: dict[str, int] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    looks: int = 0


class Watch:
    """Looks at memory, disk and finished phases once a second while it is entered.

    Args:
        workers: processes whose children are executors.
        driver: the process that was submitted.
        folders: whose sizes are wanted.
        cpu: tells the CPU seconds of the run so far.
    """

    def __init__(
        self,
        workers: Iterable[int],
        driver: int,
        folders: dict[str, Path],
        cpu: Callable[[], float],
    ) -> None:
        self.peaks = Peaks(disk=dict.fromkeys(folders, 0))
        self._workers, self._driver, self._folders = tuple(workers), driver, folders
        self._seen: set[str] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._start, self._cpu = time.monotonic(), cpu

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(_INTERVAL):
            self.peaks.looks += 1
            self._look_at_memory()
            self._look_at_disk()

    def _look_at_memory(self) -> None:
        family = Family()
        for worker in self._workers:
            for executor in family.children(worker):
                self.peaks.executor.raise_to(family.memory(executor))
        self.peaks.driver.raise_to(family.memory(self._driver))

    def _look_at_disk(self) -> None:
        ended = []
        for name, folder in self._folders.items():
            total = 0
            for path, size in _files(folder):
                total += size
                if path not in self._seen and is_end_of_phase(path):
                    self._seen.add(path)
                    ended.append(phase_name(path))
            self.peaks.disk[name] = max(self.peaks.disk[name], total)
        if ended:
            now, cpu = time.monotonic() - self._start, self._cpu()
            self.peaks.marks += [Mark(name, round(now, 2), round(cpu, 2)) for name in ended]


def _files(folder: Path) -> Iterable[tuple[str, int]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            try:
                yield path, os.stat(path).st_blocks * 512  # arrays are preallocated with holes
            except OSError:  # removed meanwhile
                continue


def is_end_of_phase(path: str) -> bool:
    """Whether a file says that a phase is finished: Spark's `_SUCCESS`, or a note of the job."""
    parent, name = os.path.split(path)
    if name == "_SUCCESS":
        return True
    return name.endswith(".json") and parent.endswith("work") and name != "job.json"


def phase_name(path: str) -> str:
    """The phase that such a file ends."""
    parent, name = os.path.split(path)
    return os.path.basename(parent) if name == "_SUCCESS" else name.removesuffix(".json")
