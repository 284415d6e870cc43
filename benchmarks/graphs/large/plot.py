"""CPU, peak and bytes against size, for communities and embeddings, with peers: `--plot FILE`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Figures = Mapping[str, Mapping[str, Any]]
_STYLES = {
    "communities": ("tab:blue", "o-", "communities"),
    "communities-spark": ("tab:blue", "s--", "communities, Spark"),
    "datasketch": ("tab:gray", "^:", "datasketch"),
    "rensa": ("tab:green", "v:", "rensa"),
    "embed": ("tab:orange", "o-", "embedding"),
    "embed-spark": ("tab:orange", "s--", "embedding, Spark"),
}
_PANELS = (
    ("CPU seconds", lambda each: each["cpu"]),
    ("peak, GiB", lambda each: each["peak"] / 2**30),
    ("bytes per edge", lambda each: each["bytes"] / each["counts"]["edges"]),
)


def draw(measured: Mapping[str, Figures], path: Path) -> None:
    """Write the picture: one panel per measure; a job without the measure is left out.

    Args:
        measured: figures by job and by the name of the graph.
        path: `.png` or `.svg`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (label, value) in zip(figure.subplots(1, 3), _PANELS, strict=True):
        for job, (color, style, name) in _STYLES.items():
            points = [
                (each["counts"]["edges"], value(each))
                for graph, each in measured.get(job, {}).items()
                if graph[:1].isdigit() and value(each) > 0
            ]
            if not points:
                continue
            x, y = np.array(sorted(points), dtype=float).T
            slope = ""
            if label.startswith("CPU") and len(x) > 1:
                slope = f", slope {np.polyfit(np.log(x), np.log(y), 1)[0]:.2f}"
            axes.plot(x, y, style, color=color, label=f"{name}{slope}", markersize=5)
        axes.set_xscale("log")
        if label.startswith("CPU"):
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel("edges")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.savefig(path, dpi=110)
