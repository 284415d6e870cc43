"""The tables of the study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.report import Report
from benchmarks.scaling.fit import (
    EMPTY,
    LIMIT,
    InvertedFile,
    Result,
    Series,
    empty_cpu,
    marginal,
    series,
    widest,
)
from benchmarks.scaling.study import JOBS, MODELS, WORKERS

EDGES, PASSAGES = 10**9, 10**8
CORES = (16, 64, 256)
PROJECTED = {"communities": EDGES, "embed": EDGES, "trigraph": PASSAGES}
ASSUMPTIONS = """\
- Beyond the measured range a cost grows from the largest input that was run with the exponent
  between the two largest, or 1, whichever is larger; core hours are cores of the machine that
  measured. An empty job's CPU is left out.
- Hours are core hours over cores: all cores are busy, and network and disks keep up.
- Tasks hold what they held here, so that an executor's memory is that of the largest input. What
  does not keep to this: `communities` sorts a band in one task (38 bytes a vertex, 3.8 GB for 10^8
  vertices) in at most 8 tasks side by side, and orders the sizes of sets in one (36 bytes a
  vertex); `embed` cuts an oversized piece with 8 bytes a node in one task; `trigraph` trains its
  inverted file in one task (256 sqrt(W) vectors of W: 3.9 GB for 10^8 of 384 numbers).
- Of `embed`, a Gram matrix of 13 MB goes from each shard of 50,000 nodes to each 8 pieces: its
  shuffle grows with the product. Larger pieces (the default is 5,000,000 entries, here 30,000) make
  it smaller by as much.
- Degrees, names and words keep their laws; a graph that cuts worse has a larger halo.
- Shuffle is what was written, after lz4; disk is the work folder's peak, gone when the index is
  published, and the index."""


def write(report: Report, results: Sequence[Result], inverted: InvertedFile | None) -> None:
    """All tables."""
    if not results:
        report.line("no cell is done yet")
        return
    empties = {w: empty_cpu(results, w) for w in WORKERS}
    told = [f"{cpu:.1f} with {w} workers" for w, cpu in empties.items() if cpu is not None]
    report.heading("Scaling: cells")
    report.line(f"An empty job's CPU seconds: {', '.join(told)}.\n")
    write_cells(report, results)
    report.heading("Scaling: growth of CPU less the empty job's")
    write_growth(report, results)
    report.heading("Scaling: where the CPU goes, largest input")
    write_phases(report, results)
    report.heading("Scaling: projected")
    write_projection(report, results, inverted)
    report.line(ASSUMPTIONS)


def write_cells(report: Report, results: Iterable[Result]) -> None:
    """What was measured."""
    header = ["job", "input", "workers", "CPU s", "wall s", "shuffle MB", "spilled MB",
              "executor MiB", "without files", "driver MiB", "work MB", "index MB",
              "tasks"]  # fmt: skip
    rows = [
        [r["job"], f"{r['amount']:,}", r["workers"], f"{r['cpu']:.1f}", f"{r['wall']:.0f}",
         _mb(r["shuffle_written"]), _mb(r["spilled"]), _mib(r["executor_pss"]),
         _mib(r["executor_anonymous"]), _mib(r["driver_pss"]), _mb(r["work_peak"]),
         _mb(r["index"]), r["tasks"]]
        for r in results
        if r["job"] != EMPTY
    ]  # fmt: skip
    report.table(header, rows)


def write_growth(report: Report, results: Sequence[Result]) -> None:
    """Exponents, and 10 times the input against the limit."""
    header = ["job", "workers", "1x, times the empty job", "CPU s less empty", "exponent",
              "last exponent", "10x / 1x", f"at most {LIMIT:g}"]  # fmt: skip
    rows = []
    for job in JOBS:
        for workers in WORKERS:
            found = series(results, job, workers, "cpu")
            if not found.amounts:
                continue
            growth, empty = found.growth(), empty_cpu(results, workers) or 0.0
            verdict = "" if growth is None else "yes" if growth <= LIMIT else "NO"
            rows.append(
                [job, workers, f"{(found.values[0] + empty) / empty:.1f}",
                 " / ".join(f"{value:.0f}" for value in found.values),
                 _number(found.exponent), _number(found.last_exponent), _number(growth), verdict]
            )  # fmt: skip
    report.table(header, rows)


def write_phases(report: Report, results: Sequence[Result]) -> None:
    """The phases that take 2 % of the CPU or more, beside their CPU at the smallest input."""
    for job in JOBS:
        rows = [r for r in results if r["job"] == job and r["workers"] == widest(results, job)]
        if len(rows) < 2:
            continue
        small, large = rows[0], rows[-1]
        before = grouped(small["phases"])
        table = [
            [name, f"{cpu:.1f}", f"{100 * cpu / large['cpu']:.0f} %", f"{before.get(name, 0):.1f}",
             _number(cpu / before[name] if before.get(name, 0) > 1 else None)]
            for name, cpu in grouped(large["phases"]).items()
            if cpu >= 0.02 * large["cpu"]
        ]  # fmt: skip
        report.line(f"{job}, {large['amount']:,} {JOBS[job].unit}, {large['workers']} workers:\n")
        ratio = f"{large['scale']}x / {small['scale']}x"
        report.table(["phase", "CPU s", "share", f"at {small['scale']}x", ratio], table)


def grouped(phases: Iterable[dict[str, Any]]) -> dict[str, float]:
    """CPU by the stem of a phase's name: `pass1.3` and `pass1.4` are one."""
    found: dict[str, float] = {}
    for phase in phases:
        names = [name.split(".")[0].rstrip("0123456789-") for name in phase["phase"].split("+")]
        stem = names[-1] or phase["phase"]
        found[stem] = found.get(stem, 0.0) + phase["cpu"]
    return found


def write_projection(
    report: Report, results: Sequence[Result], inverted: InvertedFile | None
) -> None:
    """Core hours, hours, shuffle and disk of the large inputs."""
    header = ["job", "input", "core hours", *(f"h, {c} cores" for c in CORES), "shuffle TB",
              "work TB", "index TB", "executor MiB"]  # fmt: skip
    rows = []
    for job, amount in PROJECTED.items():
        workers = widest(results, job)
        cpu = series(results, job, workers, "cpu").projected(amount)
        if cpu is None:
            continue
        sizes = [
            series(results, job, workers, name).projected(amount)
            for name in ("shuffle_written", "work_peak", "index")
        ]
        peak = max(r["executor_pss"] for r in results if r["job"] == job)
        told = [_tb(size) for size in sizes]
        rows.append([job, f"{amount:.0e} {JOBS[job].unit}", *_hours(cpu), *told, _mib(peak)])
    models = _models(results)
    if models is not None:
        rows.append(["the default models, more", "1e+08 passages", *_hours(models * PASSAGES)])
    if inverted is not None:
        train, fill = inverted.projected(PASSAGES)
        rows.append(["inverted file: training, one task", "1e+08 vectors", f"{train / 3600:.1f}"])
        rows.append(["inverted file: filling", "1e+08 vectors", *_hours(fill)])
    report.table(header, [[*row, *[""] * (len(header) - len(row))] for row in rows])


def _models(results: Sequence[Result]) -> float | None:
    """CPU seconds a passage of the default models beside the small ones."""
    own = marginal(series(results, MODELS, 1, "cpu"))
    small = marginal(_below(series(results, "trigraph", 1, "cpu"), 3))
    return None if own is None or small is None else own - small


def _below(found: Series, count: int) -> Series:
    return Series(found.amounts[:count], found.values[:count])


def _hours(cpu: float) -> list[str]:
    core_hours = cpu / 3600
    return [f"{core_hours:,.0f}", *(f"{core_hours / cores:,.1f}" for cores in CORES)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _mb(size: float) -> str:
    return f"{size / 1e6:,.1f}"


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f}"


def _tb(size: float | None) -> str:
    return "" if size is None else f"{size / 1e12:.2f}"
