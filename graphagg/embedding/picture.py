"""A picture of an embedding in two dimensions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.prone.sparse import one_thread
from graphagg.errors import InvalidParameter, MissingExtra

if TYPE_CHECKING:
    from graphagg.embedding.index import NodeEmbedding


MOST_POINTS = 10_000


def project(rows: Array, random_state: int = 0) -> Array:
    """t-SNE of rows at length 1, `[n, 2]`, by scikit-learn.

    Raises:
        InvalidParameter: under 3 rows.
        MissingExtra: scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise MissingExtra("scikit-learn", "embedding") from None
    if len(rows) < 3:
        raise InvalidParameter(f"{len(rows)} vertices have a vector, wanted 3 at least to draw")
    perplexity = min(30.0, (len(rows) - 1) / 3)
    model = TSNE(perplexity=perplexity, init="pca", random_state=random_state)
    with one_thread():  # on a few thousand points threads cost more than they give
        points: Array = model.fit_transform(rows)
    return points


def draw(
    index: NodeEmbedding,
    path: str | os.PathLike[str],
    *,
    labels: Sequence[str | None] | None = None,
    random_state: int = 0,
) -> None:
    """Draw the vertices, colored by piece, or by label where labels are given.

    Of a larger graph 10,000 vertices are drawn at random; those without a vector are left out.

    Args:
        index: the embedding.
        path: .png or .svg.
        labels: of each vertex, None where it has none.
        random_state: of the choice and of t-SNE.
    """
    target = Path(path)
    if target.suffix not in (".png", ".svg"):
        raise InvalidParameter(f"{target}: suffix {target.suffix!r}, wanted .png or .svg")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "embedding") from None
    rows = index.normalized()
    drawn = np.flatnonzero(rows.any(axis=1))
    if len(drawn) > MOST_POINTS:
        generator = np.random.default_rng(random_state)
        drawn = np.sort(generator.choice(drawn, MOST_POINTS, replace=False))
    colors = _colors(index, labels)[drawn]
    points = project(rows[drawn], random_state)
    figure = Figure(figsize=(9, 9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.scatter(
        points[:, 0], points[:, 1], s=4, c=colors, cmap="tab20", vmin=0, vmax=19, linewidths=0
    )
    axes.set_title(f"{len(drawn):,} vertices, colored by {'label' if labels else 'piece'}")
    axes.set_axis_off()
    figure.savefig(target, dpi=120, metadata={"Date": None} if target.suffix == ".svg" else None)


def _colors(index: NodeEmbedding, labels: Sequence[str | None] | None) -> Array:
    if labels is None:
        return np.asarray(index.parts[: len(index)]) % 20
    names = sorted({label for label in labels if label is not None})
    colors = {label: i % 20 for i, label in enumerate(names)}
    return np.array([19 if label is None else colors[label] for label in labels])
