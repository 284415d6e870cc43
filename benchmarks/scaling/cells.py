"""The cells of the study, and the growth of their costs.

A cost is c(n) = a n^b, fitted by least squares on logarithms after an empty job's CPU is
subtracted. One-time costs of a job (models, sessions, code compiled at first use) stay in c. They
make b small, and a projection with that b would be too optimistic. So a projection starts at the
largest measured input, with the exponent between the two largest inputs, or 1 if that is larger.
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
LIMIT = 12.0  # maximum growth of CPU at 10 times the input
Result = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A job to measure.

    Attributes:
        unit: unit of its input.
        base: edges or passages at 1x.
        scales: sizes of the inputs, as multiples of the smallest one.
        options: options of the script, except input and output.
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
        """Name of the result file."""
        return f"{self.job}_{self.scale}x_{self.workers}w.json"


def all_cells(divisor: int = 1) -> list[Cell]:
    """Return all cells, two workers first, small inputs first; `divisor` shrinks inputs."""
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
    """One measure of a job with a number of workers, by the size of its input.

    Attributes:
        amounts: edges or passages, ascending.
        values: the measure; CPU is without that of an empty job.
    """

    amounts: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def exponent(self) -> float | None:
        """b of a n^b by least squares; None with fewer than two sizes or with a value of 0."""
        if len(self.amounts) < 2 or min(self.values) <= 0:
            return None
        return float(np.polyfit(np.log(self.amounts), np.log(self.values), 1)[0])

    @property
    def last_exponent(self) -> float | None:
        """b between the two largest sizes."""
        return Series(self.amounts[-2:], self.values[-2:]).exponent

    def growth(self, times: int = 10) -> float | None:
        """Return the cost at `times` times the smallest input, as a multiple of its cost."""
        amount = self.amounts[0] * times if self.amounts else 0
        if amount not in self.amounts or self.values[0] <= 0:
            return None
        return self.values[self.amounts.index(amount)] / self.values[0]

    def projected(self, amount: float) -> float | None:
        """Project the cost of another input from the largest measured one."""
        last = self.last_exponent
        if last is None:
            return None
        return float(self.values[-1] * (amount / self.amounts[-1]) ** max(1.0, last))


def load(folder: Path) -> list[Result]:
    """Load all results in a folder."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*x_*w.json")]
    return sorted(results, key=lambda r: (r["job"], r["workers"], r["scale"]))


def empty_cpu(results: Iterable[Result], workers: int) -> float | None:
    """Return the CPU seconds of an empty job, the median of its runs."""
    runs = [r["cpu"] for r in results if r["job"] == EMPTY and r["workers"] == workers]
    return statistics.median(runs) if runs else None


def series(results: Sequence[Result], job: str, workers: int, measure: str) -> Series:
    """Return a measure by size; `cpu` is without that of the empty job."""
    less = empty_cpu(results, workers) if measure == "cpu" else 0.0
    if less is None:
        return Series((), ())
    rows = [r for r in results if r["job"] == job and r["workers"] == workers]
    return Series(tuple(r["amount"] for r in rows), tuple(r[measure] - less for r in rows))


def widest(results: Sequence[Result], job: str) -> int:
    """Return the number of workers with the most sizes; the larger number on a tie."""
    counts = {w: 0 for w in sorted({r["workers"] for r in results}, reverse=True)}
    for result in results:
        counts[result["workers"]] += result["job"] == job
    return max(counts, key=lambda w: counts[w], default=1)
