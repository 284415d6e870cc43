"""A picture of a community's structure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graphagg.errors import InvalidParameter, MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from graphagg.communities.answer.structure import Structure

_LABELLED = 60
"""Vertices up to which all carry their names; beyond, the seeds alone."""


def draw(structure: Structure, path: str | os.PathLike[str], title: str, most_edges: int) -> None:
    """Draw vertices colored by sub-community, seeds as stars, and the heaviest edges."""
    target = Path(path)
    if target.suffix not in (".png", ".svg"):
        raise InvalidParameter(f"{target}: suffix {target.suffix!r}, wanted .png or .svg")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "communities") from None
    figure = Figure(figsize=(9, 9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw_edges(axes, structure, most_edges)
    _draw_vertices(axes, structure)
    axes.set_title(title)
    axes.set_axis_off()
    axes.margins(0.08)
    figure.savefig(target, dpi=120, metadata={"Date": None} if target.suffix == ".svg" else None)


def _draw_edges(axes: Axes, structure: Structure, most_edges: int) -> None:
    from matplotlib.collections import LineCollection

    places = structure.positions
    heaviest = np.argsort(-structure.weights, kind="stable")[:most_edges]
    strength = structure.weights[heaviest] / max(float(structure.weights.max(initial=0.0)), 1e-12)
    lines = LineCollection(
        [places[edge] for edge in structure.edges[heaviest]],
        linewidths=0.3 + 1.7 * strength,
        colors="0.6",
        alpha=0.5,
        zorder=1,
    )
    axes.add_collection(lines)


def _draw_vertices(axes: Axes, structure: Structure) -> None:
    places = structure.positions
    degree = np.bincount(structure.edges.ravel(), minlength=len(places))
    size = 40 + 160 * degree / max(int(degree.max(initial=0)), 1)
    is_seed = np.arange(len(places)) < structure.seeds
    for marker, chosen in (("o", ~is_seed), ("*", is_seed)):
        axes.scatter(
            places[chosen, 0],
            places[chosen, 1],
            s=size[chosen] * (2.0 if marker == "*" else 1.0),
            c=structure.labels[chosen] % 10,
            cmap="tab10",
            vmin=0,
            vmax=9,
            marker=marker,
            edgecolors="black" if marker == "*" else "white",
            linewidths=0.8,
            zorder=2,
        )
    for i, vertex in enumerate(structure.vertices):
        if is_seed[i] or len(places) <= _LABELLED:
            axes.annotate(
                str(vertex), tuple(places[i]), xytext=(4, 4), textcoords="offset points",
                fontsize=8, fontweight="bold" if is_seed[i] else "normal", zorder=3,
            )  # fmt: skip
