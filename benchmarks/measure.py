"""Measures CPU and wall time and peak memory, also in fresh processes. Linux only."""

from __future__ import annotations

import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
ONE_THREAD = dict.fromkeys(THREADS, "1")


class Cost(NamedTuple):
    """CPU and wall seconds of a call, and its result."""

    cpu: float
    wall: float
    result: Any = None


def cost(work: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> Cost:
    """Time a call; `clock` is `process_time` (all threads) or `thread_time`."""
    cpu, wall = clock(), time.perf_counter()
    result = work()
    return Cost(clock() - cpu, time.perf_counter() - wall, result)


def median_cost(costs: Sequence[Cost]) -> Cost:
    """Return the medians of CPU and of wall time."""
    return Cost(*(statistics.median(each[i] for each in costs) for i in (0, 1)))


def in_turn(
    sides: Mapping[str, Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] = time.thread_time,
    warm_up: int = 1,
) -> dict[str, list[Cost]]:
    """Time several sides in alternation, after `warm_up` rounds that are not counted."""
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for number in range(-warm_up, rounds):
        for name, work in sides.items():
            spent = cost(work, clock)
            if number >= 0:
                costs[name].append(spent)
    return costs


def ratio(costs: Sequence[Cost], base: Sequence[Cost]) -> float:
    """Return the median over the pairs of the CPU of `costs` divided by that of `base`."""
    return statistics.median(a.cpu / b.cpu for a, b in zip(costs, base, strict=True))


def percentiles(values: Sequence[float], digits: int = 2) -> str:
    """Format the percentiles as `p50 / p99`."""
    p50, p99 = np.percentile(values, [50, 99])
    return f"{p50:.{digits}f} / {p99:.{digits}f}"


class Peak:
    """The peak of this process's resident memory from now on.

    `ru_maxrss` does not work: a process inherits it from its parent, and it cannot be reset.
    """

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._before = resident("VmRSS")

    def growth(self) -> int:
        """Return how many bytes the peak is above the initial size."""
        return resident("VmHWM") - self._before


def resident(field: str = "VmRSS", process: int | str = "self") -> int:
    """Read the memory of a process from `/proc`, in bytes: `VmRSS` (now), `VmHWM` (peak), ..."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)


def evict(folder: Path) -> None:
    """Drop the files below a folder from the page cache, as far as permissions allow."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())  # pages that are not on disk yet cannot be dropped
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def in_process(
    function: Callable[..., Any], seconds: int = 0, memory: int = 0, **arguments: Any
) -> Any:
    """Call a function of a module in a fresh process of one thread.

    Args:
        function: a top-level function of a module; arguments and result are passed as JSON.
        seconds: limit of CPU seconds; 0: no limit.
        memory: limit of address space in bytes; 0: no limit.
        **arguments: arguments of the function.

    Returns:
        The result; None if the process failed or exceeded a limit, which is reported on stderr.
    """
    module = function.__globals__["__spec__"].name
    command = [sys.executable, "-m", "benchmarks.measure", module, function.__name__]

    def limit() -> None:
        for kind, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory)):
            if most:
                resource.setrlimit(kind, (most, most))

    done = subprocess.run(
        [*command, json.dumps(arguments, default=str)],
        stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD, preexec_fn=limit,
    )  # fmt: skip
    print(function.__name__, arguments, done.stdout or f"exit code {done.returncode}",
          file=sys.stderr, flush=True)  # fmt: skip
    return None if done.returncode else json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    called = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
    print(json.dumps(called(**json.loads(sys.argv[3]))))
