"""Growth of what was measured, and what it says about inputs that were not run.

A cost is c(n) = a n^b, fitted by least squares on logarithms after an empty job's CPU is
subtracted. What a job pays once (models, sessions, code compiled at first use) stays in c: it makes
b small, and a projection with that b would be too good. So a projection starts at the largest input
that was run and goes on with the exponent between the two largest, or 1, whichever is larger.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Result = dict[str, Any]
EMPTY = "empty"
LIMIT = 12.0  # times the CPU at 10 times the input


@dataclass(frozen=True)
class Series:
    """One measure of a job, with so many workers, by the size of its input.

    Attributes:
        amounts: edges or passages, ascending.
        values: what was measured, of CPU less an empty job's.
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
        wanted = self.amounts[0] * times if self.amounts else 0
        if wanted not in self.amounts or self.values[0] <= 0:
            return None
        return self.values[self.amounts.index(wanted)] / self.values[0]

    def projected(self, amount: float) -> float | None:
        """The cost of another input, from the largest that was run."""
        last = self.last_exponent
        if last is None:
            return None
        return float(self.values[-1] * (amount / self.amounts[-1]) ** max(1.0, last))


def load(folder: Path) -> list[Result]:
    """All cells of a folder."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*x_*w.json")]
    return sorted(found, key=lambda r: (r["job"], r["workers"], r["scale"]))


def empty_cpu(results: Iterable[Result], workers: int) -> float | None:
    """CPU seconds of an empty job, the median of its runs."""
    runs = [r["cpu"] for r in results if r["job"] == EMPTY and r["workers"] == workers]
    return statistics.median(runs) if runs else None


def series(results: Sequence[Result], job: str, workers: int, measure: str) -> Series:
    """A measure by size; `cpu` is less the empty job's."""
    less = 0.0
    if measure == "cpu":
        found = empty_cpu(results, workers)
        if found is None:
            return Series((), ())
        less = found
    rows = [r for r in results if r["job"] == job and r["workers"] == workers]
    return Series(tuple(r["amount"] for r in rows), tuple(r[measure] - less for r in rows))


def widest(results: Sequence[Result], job: str) -> int:
    """The number of workers with the most sizes; of equals the larger."""
    counts = {w: 0 for w in sorted({r["workers"] for r in results}, reverse=True)}
    for result in results:
        counts[result["workers"]] += result["job"] == job
    return max(counts, key=lambda w: counts[w], default=1)


def marginal(found: Series) -> float | None:
    """Cost of one more edge or passage, between the two largest sizes."""
    if len(found.amounts) < 2:
        return None
    return (found.values[-1] - found.values[-2]) / (found.amounts[-1] - found.amounts[-2])


@dataclass(frozen=True)
class InvertedFile:
    """CPU of the inverted file of W vectors, from one run of `inverted_job`.

    k-means over 64 vectors a list and 4 sqrt(W) lists is linear in W; filling compares every vector
    with every list.

    Attributes:
        vectors: W of the run.
        train, fill: CPU seconds.
    """

    vectors: int
    train: float
    fill: float

    def projected(self, vectors: float) -> tuple[float, float]:
        """CPU seconds of training, which is one task, and of filling, which is many."""
        ratio = vectors / self.vectors
        return self.train * ratio, self.fill * math.pow(ratio, 1.5)
