"""The study's plot: CPU, wall, shuffle and memory against the input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.scaling.fit import LIMIT, Result, series
from benchmarks.scaling.study import JOBS, MODELS, WORKERS

COLORS = {"communities": "tab:blue", "embed": "tab:orange", "trigraph": "tab:green"}
PANELS: tuple[tuple[str, str, float], ...] = (
    ("cpu", "CPU seconds less an empty job's", 1.0),
    ("wall", "wall seconds", 1.0),
    ("shuffle_written", "shuffle written, MB", 1e6),
    ("executor_pss", "peak of an executor with its Python, MiB", 2.0**20),
)


def draw(results: Sequence[Result], folder: Path) -> Path:
    """Write `scaling.png`: a panel a measure, a color a job, dashes for one worker."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.subplots(2, 2)
    for axes, (measure, label, unit) in zip(figure.axes, PANELS, strict=True):
        for job in JOBS:
            if job != MODELS:
                _lines(axes, results, job, measure, unit)
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks([1, 3, 10], ["1x", "3x", "10x"])
        axes.set_xlim(0.8, 14)
        axes.set_xlabel("input")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        if measure == "executor_pss":
            axes.set_ylim(bottom=0)
        else:
            axes.set_yscale("log")
            for axis in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
                axis(lambda value, _: f"{value:,.3g}" if f"{value:e}"[0] in "125" else "")
    _limits(figure.axes[0], results)
    figure.axes[0].legend(fontsize=7)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "scaling.png"
    figure.savefig(path, dpi=110)
    return path


def _lines(axes, results: Sequence[Result], job: str, measure: str, unit: float) -> None:
    for workers in WORKERS:
        found = series(results, job, workers, measure)
        if not found.amounts:
            continue
        label = f"{job}, {workers} worker{'s' * (workers > 1)}"
        exponent = found.exponent
        if measure == "cpu" and exponent is not None:
            label += f": exponent {exponent:.2f}"
        scales = [amount / found.amounts[0] for amount in found.amounts]
        style = "o--" if workers == 1 else "s-"
        values = [value / unit for value in found.values]
        axes.plot(scales, values, style, color=COLORS[job], label=label, markersize=4, linewidth=1)


def _limits(axes, results: Sequence[Result]) -> None:
    """The cost that 10 times the input may have, over each job's smallest."""
    for job in COLORS:
        for workers in reversed(WORKERS):
            found = series(results, job, workers, "cpu")
            if found.amounts:
                ends = [found.values[0], LIMIT * found.values[0]]
                axes.plot([1, 10], ends, ":", color="gray", linewidth=1)
                break
