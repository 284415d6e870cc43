"""Draws a community's structure as PNG or SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import InvalidParameter, MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ALL_NAMED = 60
"""Most vertices of a picture that names them all; a larger one names the seeds alone."""


def draw(
    target: Path,
    title: str,
    *,
    names: Sequence[str],
    seeds: int,
    positions: Array,
    labels: Array,
    degrees: Array,
    edges: Array,
    weights: Array,
) -> None:
    """Draw vertices colored by sub-community, seeds as stars, and edges as wide as they weigh.

    Args:
        target: the file; its suffix (.png, .svg) chooses the format.
        title: above the picture.
        names: names of the vertices, `[V]`; the seeds come first.
        seeds: number of seeds among them.
        positions: `[V, 2]`.
        labels: `[V]` sub-community of each vertex.
        degrees: `[V]` degree of each vertex, with which its mark grows.
        edges: `[E, 2]` positions in `names`, heaviest first.
        weights: `[E]`.
    """
    if target.suffix not in (".png", ".svg"):
        raise InvalidParameter(f"{target}: suffix {target.suffix!r}, wanted .png or .svg")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.collections import LineCollection
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "communities") from None
    figure = Figure(figsize=(9, 9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    widths = 0.3 + 1.7 * weights / max(float(weights.max(initial=0.0)), 1e-12)
    segments = [positions[edge] for edge in edges]
    axes.add_collection(
        LineCollection(segments, linewidths=widths, colors="0.6", alpha=0.5, zorder=1)
    )
    is_seed = np.arange(len(names)) < seeds
    _draw_vertices(axes, is_seed, positions, labels, degrees)
    for i, name in enumerate(names):
        if is_seed[i] or len(names) <= _ALL_NAMED:
            axes.annotate(
                name, tuple(positions[i]), xytext=(4, 4), textcoords="offset points",
                fontsize=8, fontweight="bold" if is_seed[i] else "normal", zorder=3,
            )  # fmt: skip
    axes.set_title(title)
    axes.set_axis_off()
    axes.margins(0.08)
    figure.savefig(target, dpi=120, metadata={"Date": None} if target.suffix == ".svg" else None)


def _draw_vertices(
    axes: Axes, is_seed: Array, positions: Array, labels: Array, degrees: Array
) -> None:
    sizes = 40 + 160 * degrees / max(int(degrees.max(initial=0)), 1)
    for marker, chosen in (("o", ~is_seed), ("*", is_seed)):
        axes.scatter(
            positions[chosen, 0],
            positions[chosen, 1],
            s=sizes[chosen] * (2.0 if marker == "*" else 1.0),
            c=labels[chosen] % 10,
            cmap="tab10",
            vmin=0,
            vmax=9,
            marker=marker,
            edgecolors="black" if marker == "*" else "white",
            linewidths=0.8,
            zorder=2,
        )
