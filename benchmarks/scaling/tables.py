"""The tables and the picture of the study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import Report
from benchmarks.scaling.cells import EMPTY, JOBS, LIMIT, WORKERS, Result, empty_cpu, series, widest

CORES = (16, 64, 256)
PROJECTED = {"communities": 10**9, "embed": 10**9, "passages": 10**8}
COLORS = {"communities": "tab:blue", "embed": "tab:orange", "passages": "tab:green"}
PANELS: tuple[tuple[str, str, float], ...] = (
    ("cpu", "CPU seconds less an empty job's", 1.0),
    ("wall", "wall seconds", 1.0),
    ("shuffle_written", "shuffle written, MB", 1e6),
    ("executor_pss", "peak of an executor with its Python, MiB", 2.0**20),
)


def write(report: Report, results: Sequence[Result]) -> None:
    """Report the cells, the growth of CPU, and the projection to large inputs."""
    if not results:
        report.line("no cell is done yet")
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
    """Exponents, and 10 times the input against the limit."""
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
    """Core hours, hours, shuffle and disk of the large inputs."""
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


def draw(results: Sequence[Result], folder: Path) -> Path:
    """Write `scaling.png`: a panel per measure, a color per job, dashes for one worker."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.subplots(2, 2)
    for axes, (measure, label, unit) in zip(figure.axes, PANELS, strict=True):
        for job in JOBS:
            for workers in WORKERS:
                _line(axes, results, job, workers, measure, unit)
        axes.set(xscale="log", xlim=(0.8, 130), xlabel="input", ylabel=label)
        axes.minorticks_off()
        axes.set_xticks([1, 10, 100], ["1x", "10x", "100x"])
        axes.grid(alpha=0.3)
        if measure == "executor_pss":
            axes.set_ylim(bottom=0)
        else:
            axes.set_yscale("log")
    figure.axes[0].legend(fontsize=7)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "scaling.png"
    figure.savefig(path, dpi=110)
    return path


def _line(
    axes: Any, results: Sequence[Result], job: str, workers: int, measure: str, unit: float
) -> None:
    """One series, and for CPU its exponent and the limit at 10 times the input."""
    points = series(results, job, workers, measure)
    if not points.amounts:
        return
    label = f"{job}, {workers} worker{'s' * (workers > 1)}"
    if measure == "cpu" and points.exponent is not None:
        label += f": exponent {points.exponent:.2f}"
        ends = [points.values[0], LIMIT * points.values[0]]
        axes.plot([1, 10], ends, ":", color="gray", linewidth=1)
    scales = [amount / points.amounts[0] for amount in points.amounts]
    values = [value / unit for value in points.values]
    style = "o--" if workers == 1 else "s-"
    axes.plot(scales, values, style, color=COLORS[job], label=label, markersize=4, linewidth=1)
