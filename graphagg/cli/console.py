"""What all commands share: results on stdout, progress on stderr."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
err = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


class Report(Protocol):
    """A progress callback: stage, done, total."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report that `done` of `total` units of `stage` are done."""


def print_json(value: object) -> None:
    """Print JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def progress_report() -> Iterator[Report]:
    """Progress on stderr: bars where it is a terminal, else a line a finished stage."""
    if not err.is_terminal:
        yield _plain_report
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        yield report


def _plain_report(stage: str, done: int, total: int) -> None:
    if done == total:
        print(f"{stage}: {total:,} done", file=sys.stderr, flush=True)


class Meter:
    """Wall and CPU seconds since it was made, and the process's peak memory."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()

    def read(self) -> dict[str, float]:
        """`wall_seconds` since then; `cpu_seconds` and `peak_memory_mib` of the whole process."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = usage.ru_utime + usage.ru_stime + children.ru_utime + children.ru_stime
        unit = 1 if sys.platform == "darwin" else 1024
        return {
            "wall_seconds": round(time.perf_counter() - self._wall, 1),
            "cpu_seconds": round(cpu, 1),
            "peak_memory_mib": round(usage.ru_maxrss * unit / 2**20, 1),
        }
