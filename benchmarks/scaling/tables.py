"""The tables of the study."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.report import Report
from benchmarks.scaling.cells import EMPTY, JOBS, LIMIT, WORKERS, Result, empty_cpu, series, widest

CORES = (16, 64, 256)
PROJECTED = {"communities": 10**9, "embed": 10**9, "passages": 10**8}


def write(report: Report, results: Sequence[Result]) -> None:
    """Report the cells, the growth of CPU, and the projection to large inputs."""
    if not results:
        report.line("no cell is finished")
        return
    report.heading("Scaling: cells")
    for workers in WORKERS:
        if (cpu := empty_cpu(results, workers)) is not None:
            report.line(f"An empty job with {workers} workers: {cpu:.1f} CPU s.\n")
    report.table(
        ["job", "input", "workers", "CPU s", "wall s", "shuffle MB", "spilled MB", "executor MiB",
         "work MB", "index MB", "tasks"],
        [
            [r["job"], f"{r['amount']:,}", r["workers"], f"{r['cpu']:.1f}", f"{r['wall']:.0f}",
             f"{r['shuffle_written'] / 1e6:,.1f}", f"{r['spilled'] / 1e6:,.1f}",
             f"{r['executor_pss'] / 2**20:,.0f}", f"{r['work_peak'] / 1e6:,.1f}",
             f"{r['index'] / 1e6:,.1f}", r["tasks"]]
            for r in results
            if r["job"] != EMPTY
        ],
    )  # fmt: skip
    report.heading("Scaling: growth of CPU less the empty job's")
    write_growth(report, results)
    report.heading("Scaling: projected")
    write_projection(report, results)
    report.line("Beyond the measured range a cost grows from the largest input that was run with "
                "the exponent between the two largest, or 1, whichever is larger; hours are core "
                "hours over cores: all cores are busy, network and disks keep up.")  # fmt: skip


def write_growth(report: Report, results: Sequence[Result]) -> None:
    """Report the exponents, and the growth at 10 times the input compared with the limit."""
    header = ["job", "workers", "1x, times the empty job", "CPU s less empty", "exponent",
              "last exponent", "10x / 1x", f"at most {LIMIT:g}"]  # fmt: skip
    rows = []
    for job in JOBS:
        for workers in WORKERS:
            cpu = series(results, job, workers, "cpu")
            if not cpu.amounts:
                continue
            growth, empty = cpu.growth(), empty_cpu(results, workers) or 0.0
            verdict = "" if growth is None else "yes" if growth <= LIMIT else "NO"
            rows.append(
                [job, workers, f"{(cpu.values[0] + empty) / empty:.1f}",
                 " / ".join(f"{value:.0f}" for value in cpu.values),
                 *("" if value is None else f"{value:.2f}"
                   for value in (cpu.exponent, cpu.last_exponent, growth)), verdict]
            )  # fmt: skip
    report.table(header, rows)


def write_projection(report: Report, results: Sequence[Result]) -> None:
    """Report the projected core hours, hours, shuffle and disk of the large inputs."""
    header = ["job", "input", "core hours", *(f"h, {c} cores" for c in CORES), "shuffle TB",
              "work TB", "index TB", "executor MiB"]  # fmt: skip
    rows = []
    for job, amount in PROJECTED.items():
        workers = widest(results, job)
        names = ("cpu", "shuffle_written", "work_peak", "index")
        cpu, *sizes = (series(results, job, workers, name).projected(amount) for name in names)
        if cpu is None:
            continue
        hours = [f"{cpu / 3600:,.0f}", *(f"{cpu / 3600 / cores:,.1f}" for cores in CORES)]
        shown = ["" if size is None else f"{size / 1e12:.2f}" for size in sizes]
        peak = max(r["executor_pss"] for r in results if r["job"] == job)
        rows.append([job, f"{amount:.0e} {JOBS[job].unit}", *hours, *shown, f"{peak / 2**20:,.0f}"])
    report.table(header, rows)
