"""The cells of the study, and the growth of what they measured.

A cost is c(n) = a n^b, fitted by least squares on logarithms after an empty job's CPU is
subtracted. What a job pays once (models, sessions, code compiled at first use) stays in c: it makes
b small, and a projection with that b would be too good. So a projection starts at the largest input
that was run and goes on with the exponent between the two largest, or 1, whichever is larger.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

WORKERS = (1, 2)
EMPTY, EMPTY_RUNS = "empty", 3
LIMIT = 12.0  # times the CPU at 10 times the input
Result = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A job that is measured.

    Attributes:
        unit: what its input is counted in.
        base: edges or passages at 1x.
        scales: the inputs, in times the smallest one.
        options: of the script, but for input and output.
    """

    unit: str
    base: int
    scales: tuple[int, ...]
    options: tuple[str, ...] = ()


JOBS = {
    "communities": Job("edges", 1_000_000, (1, 10, 30, 100)),
    "embed": Job("edges", 1_000_000, (1, 10, 30, 100)),
    "passages": Job("passages", 3_000, (1, 3, 10), ("--passages-per-task", "500")),
}
SCALES = sorted({scale for job in JOBS.values() for scale in job.scales})


@dataclass(frozen=True)
class Cell:
    """A job on `scale` times its smallest input, `amount` edges or passages.

    For the empty job, `scale` counts the runs.
    """

    job: str
    scale: int
    workers: int
    amount: int

    @property
    def file(self) -> str:
        """Name of its result."""
        return f"{self.job}_{self.scale}x_{self.workers}w.json"


def all_cells(divisor: int = 1) -> list[Cell]:
    """Every cell, two workers first, small inputs before large ones; divided for a trial."""
    cells = []
    for workers in reversed(WORKERS):
        cells += [Cell(EMPTY, run, workers, 0) for run in range(EMPTY_RUNS)]
        cells += [
            Cell(name, scale, workers, job.base * scale // divisor)
            for scale in SCALES
            for name, job in JOBS.items()
            if scale in job.scales
        ]
    return cells


@dataclass(frozen=True)
class Series:
    """One measure of a job, with so many workers, by the size of its input.

    Attributes:
        amounts: edges or passages, ascending.
        values: the measure; of CPU less an empty job's.
    """

    amounts: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def exponent(self) -> float | None:
        """b of a n^b by least squares; None for fewer than two sizes, or where nothing was used."""
        if len(self.amounts) < 2 or min(self.values) <= 0:
            return None
        return float(np.polyfit(np.log(self.amounts), np.log(self.values), 1)[0])

    @property
    def last_exponent(self) -> float | None:
        """b between the two largest sizes."""
        return Series(self.amounts[-2:], self.values[-2:]).exponent

    def growth(self, times: int = 10) -> float | None:
        """How many times the smallest input's cost `times` times that input has."""
        amount = self.amounts[0] * times if self.amounts else 0
        if amount not in self.amounts or self.values[0] <= 0:
            return None
        return self.values[self.amounts.index(amount)] / self.values[0]

    def projected(self, amount: float) -> float | None:
        """The cost of another input, from the largest that was run."""
        last = self.last_exponent
        if last is None:
            return None
        return float(self.values[-1] * (amount / self.amounts[-1]) ** max(1.0, last))


def load(folder: Path) -> list[Result]:
    """All results in a folder."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*x_*w.json")]
    return sorted(results, key=lambda r: (r["job"], r["workers"], r["scale"]))


def empty_cpu(results: Iterable[Result], workers: int) -> float | None:
    """CPU seconds of an empty job, the median of its runs."""
    runs = [r["cpu"] for r in results if r["job"] == EMPTY and r["workers"] == workers]
    return statistics.median(runs) if runs else None


def series(results: Sequence[Result], job: str, workers: int, measure: str) -> Series:
    """A measure by size; `cpu` is less the empty job's."""
    less = empty_cpu(results, workers) if measure == "cpu" else 0.0
    if less is None:
        return Series((), ())
    rows = [r for r in results if r["job"] == job and r["workers"] == workers]
    return Series(tuple(r["amount"] for r in rows), tuple(r[measure] - less for r in rows))


def widest(results: Sequence[Result], job: str) -> int:
    """The number of workers with the most sizes; the larger of equals."""
    counts = {w: 0 for w in sorted({r["workers"] for r in results}, reverse=True)}
    for result in results:
        counts[result["workers"]] += result["job"] == job
    return max(counts, key=lambda w: counts[w], default=1)
