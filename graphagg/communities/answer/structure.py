"""The structure of an answer: weighted similarity graph, sub-communities, picture.

Paper: arXiv 1601.03958, the last stage: the weighted Jaccard graph of the community, split into
sub-communities and drawn. Departure: Louvain (scikit-network) instead of WALKTRAP.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array
from graphagg.checks import number
from graphagg.communities.similarity.jaccard import pair_similarities
from graphagg.communities.snapshot import CommunitySnapshot
from graphagg.errors import InvalidParameter, MissingExtra
from graphagg.fields import Brief
from graphagg.graph.ids import VertexId
from graphagg.tables import (
    Writer,
    graph_writers,
    ids_column,
    json_writer,
    networkx_module,
    save,
    table_writers,
)

if TYPE_CHECKING:
    import networkx
    import pyarrow
    from matplotlib.axes import Axes

MOST_VERTICES = 2_000
"""Most vertices whose pairwise similarities are computed: 2 million pairs."""

_ALL_NAMED = 60
"""Most vertices of a picture that names them all; a larger one names the seeds alone."""
_EXTRA = "communities"
_NO_LIMIT = 1 << 62


@dataclass(frozen=True, repr=False)
class CommunityStructure(Brief):
    """The weighted similarity graph of a community.

    Attributes:
        vertices: ids; the seeds come first.
        seeds: number of seeds among them.
        edges: `[E, 2]` int64 positions in `vertices`, first below second: pairs that are alike, or
            joined in the graph.
        weights: `[E]` float64 exact Jaccard similarity.
        in_graph: `[E]` bool, whether the graph joins the two, in either direction.
        labels: `[V]` int64 sub-community of each vertex, 0 is the largest.
        positions: `[V, 2]` float64 of the picture, within [-1, 1].
    """

    vertices: tuple[VertexId, ...]
    seeds: int
    edges: Array
    weights: Array
    in_graph: Array
    labels: Array
    positions: Array

    def communities(self) -> list[list[VertexId]]:
        """The sub-communities, the largest first."""
        count = int(self.labels.max(initial=-1)) + 1
        return [
            [self.vertices[i] for i in np.flatnonzero(self.labels == label)]
            for label in range(count)
        ]

    def to_networkx(self) -> networkx.Graph:
        """Make a networkx graph of similarity.

        Nodes carry `community`, `seed` and `pos`; edges carry the similarity as `weight`, and
        `in_graph`, whether they are edges of the graph.
        """
        graph: networkx.Graph = networkx_module().Graph()
        for i, vertex in enumerate(self.vertices):
            graph.add_node(
                vertex,
                community=int(self.labels[i]),
                seed=i < self.seeds,
                pos=tuple(self.positions[i].tolist()),
            )
        pairs = zip(self.edges.tolist(), self.weights.tolist(), self.in_graph.tolist(), strict=True)
        for (a, b), weight, joined in pairs:
            graph.add_edge(self.vertices[a], self.vertices[b], weight=weight, in_graph=joined)
        return graph

    def to_arrow(self) -> pyarrow.Table:
        """Make a table of one row per vertex: `vertex`, `community`, `seed`, `x` and `y`."""
        import pyarrow as pa

        return pa.table(
            {
                "vertex": ids_column(self.vertices),
                "community": self.labels,
                "seed": np.arange(len(self.vertices)) < self.seeds,
                "x": self.positions[:, 0],
                "y": self.positions[:, 1],
            }
        )

    def save(self, path: str | os.PathLike[str], *, title: str = "") -> None:
        """Write a picture (.png, .svg), a table (.csv, .parquet), .json, .graphml or .gexf."""
        pictures: dict[str, Writer] = dict.fromkeys(
            (".png", ".svg"), lambda partial: self.draw(partial, title=title)
        )
        writers = pictures | table_writers(self.to_arrow) | json_writer(self.to_json)
        save(path, writers | graph_writers(self._plain_graph))

    def _plain_graph(self) -> networkx.Graph:
        """Make the graph with attributes that files can hold: `x` and `y` in place of `pos`."""
        graph = self.to_networkx()
        for _, attributes in graph.nodes(data=True):
            attributes["x"], attributes["y"] = attributes.pop("pos")
        return graph

    def draw(self, path: str | os.PathLike[str], *, title: str = "", most_edges: int = 400) -> None:
        """Write a picture (.png, .svg) with the `most_edges` most similar pairs.

        Edges of the graph are solid and dark, other similar pairs dotted and light.
        """
        target = Path(path)
        if target.suffix not in (".png", ".svg"):
            raise InvalidParameter(f"{target}: suffix {target.suffix!r}, wanted .png or .svg")
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.collections import LineCollection
            from matplotlib.figure import Figure
        except ImportError:
            raise MissingExtra("matplotlib", _EXTRA) from None
        figure = Figure(figsize=(9, 9), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        heaviest = np.argsort(-self.weights, kind="stable")[:most_edges]
        weights = self.weights[heaviest]
        widths = 0.3 + 1.7 * weights / max(float(weights.max(initial=0.0)), 1e-12)
        joined = self.in_graph[heaviest]
        for chosen, color, style, label in (
            (~joined, "0.7", "dotted", "alike"), (joined, "0.35", "solid", "edge of the graph"),
        ):  # fmt: skip
            if chosen.any():
                lines = [self.positions[edge] for edge in self.edges[heaviest][chosen]]
                options: Any = {"colors": color, "linestyles": style, "label": label}
                axes.add_collection(
                    LineCollection(lines, linewidths=widths[chosen], alpha=0.6, zorder=1, **options)
                )
        if len(heaviest):
            axes.legend(loc="lower right", fontsize=8, frameon=False)
        self._draw_vertices(axes)
        axes.set_title(title)
        axes.set_axis_off()
        axes.margins(0.08)
        date = {"Date": None} if target.suffix == ".svg" else None
        figure.savefig(target, dpi=120, metadata=date)

    def _draw_vertices(self, axes: Axes) -> None:
        """Draw vertices colored by sub-community, as large as their degree, the seeds as stars."""
        degrees = np.bincount(self.edges.ravel(), minlength=len(self.vertices))
        sizes = 40 + 160 * degrees / max(int(degrees.max(initial=0)), 1)
        is_seed = np.arange(len(self.vertices)) < self.seeds
        styles = (("o", ~is_seed, 1.0, "white"), ("*", is_seed, 2.0, "black"))
        for marker, chosen, scale, edge in styles:
            x, y = self.positions[chosen].T
            axes.scatter(
                x, y, s=sizes[chosen] * scale, c=self.labels[chosen] % 10, cmap="tab10", vmin=0,
                vmax=9, marker=marker, edgecolors=edge, linewidths=0.8, zorder=2,
            )  # fmt: skip
        named = self.seeds if len(self.vertices) > _ALL_NAMED else len(self.vertices)
        for i, name in enumerate(map(str, self.vertices[:named])):
            axes.annotate(
                name, tuple(self.positions[i]), xytext=(4, 4), textcoords="offset points",
                fontsize=8, fontweight="bold" if is_seed[i] else "normal", zorder=3,
            )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "vertices": list(self.vertices),
            "seeds": self.seeds,
            "edges": [
                [self.vertices[a], self.vertices[b], weight]
                for (a, b), weight in zip(self.edges.tolist(), self.weights.tolist(), strict=True)
                if weight > 0
            ],
            "labels": self.labels.tolist(),
            "communities": self.communities(),
            "positions": self.positions.tolist(),
        }


def structure_of(
    snapshot: CommunitySnapshot,
    ids: Sequence[VertexId],
    seeds: int,
    resolution: float,
    random_state: int,
) -> CommunityStructure:
    """Compute similarities, sub-communities and positions of vertices, the seeds first."""
    number("resolution", resolution, above=0)
    dense = similarities(snapshot, ids)
    joined = np.zeros(dense.shape, dtype=np.bool_)
    if snapshot.config.kind != "two-mode":
        position = {vertex: i for i, vertex in enumerate(ids)}
        for a, b in subgraph_of(snapshot, ids).edges:
            joined[position[a], position[b]] = joined[position[b], position[a]] = True
    first, second = np.nonzero(np.triu(joined | (dense > 0), 1))
    labels, positions = _layout(dense, resolution, random_state)
    return CommunityStructure(
        tuple(ids), seeds, np.stack([first, second], axis=1), dense[first, second],
        joined[first, second], labels, positions,
    )  # fmt: skip


def subgraph_of(snapshot: CommunitySnapshot, ids: Sequence[VertexId]) -> networkx.Graph:
    """Build the graph of `Community.to_networkx` from the rows of these vertices alone."""
    networkx, kind = networkx_module(), snapshot.config.kind
    graph = networkx.DiGraph() if kind.startswith("directed") else networkx.Graph()
    graph.add_nodes_from(ids)
    if kind == "two-mode":
        alike = similarities(snapshot, ids)
        for a, b in np.argwhere(np.triu(alike, 1)).tolist():
            graph.add_edge(ids[a], ids[b], weight=float(alike[a, b]))
        return graph
    adjacency, weighted = snapshot.adjacency, snapshot.config.weights
    vertices = np.array([snapshot.find(vertex) for vertex in ids], dtype=np.int64)
    order = np.argsort(vertices)
    for vertex, dense in zip(ids, vertices.tolist(), strict=True):
        row = adjacency.row(dense)
        if len(row):
            # Binary search; a number above all of the row is compared with its last entry.
            at = np.minimum(np.searchsorted(row, vertices[order]), len(row) - 1)
            joined = row[at] == vertices[order]
            for other, entry in zip(order[joined].tolist(), at[joined].tolist(), strict=True):
                weight = {"weight": float(adjacency.values(dense)[entry])} if weighted else {}
                graph.add_edge(vertex, ids[other], **weight)
    return graph


def similarities(snapshot: CommunitySnapshot, ids: Sequence[VertexId]) -> Array:
    """Exact Jaccard similarity of all pairs of `MOST_VERTICES` at most, `[V, V]`; diagonal 0."""
    if len(ids) > MOST_VERTICES:
        raise InvalidParameter(
            f"{len(ids):,} vertices, at most {MOST_VERTICES:,} are compared with each other; "
            "ask for fewer"
        )
    vertices = np.array([snapshot.find(vertex) for vertex in ids], dtype=np.int64)
    dense, sets = np.zeros((len(ids), len(ids))), snapshot.neighborhoods.bundle
    for i in range(1, len(ids)):
        pair_similarities(sets, vertices[i : i + 1], vertices[:i], _NO_LIMIT, dense[i, :i])
    return dense + dense.T


def _layout(dense: Array, resolution: float, random_state: int) -> tuple[Array, Array]:
    try:
        from scipy import sparse
        from sknetwork.clustering import Louvain
        from sknetwork.embedding import Spring
    except ImportError:
        raise MissingExtra("scikit-network", _EXTRA) from None
    if not dense.any():  # on a circle
        angle = 2 * np.pi * np.arange(len(dense)) / max(len(dense), 1)
        return np.arange(len(dense)), np.stack([np.cos(angle), np.sin(angle)], axis=1)
    matrix = sparse.csr_matrix(dense)
    labels = Louvain(resolution=resolution, random_state=random_state).fit_predict(matrix)
    start = np.random.default_rng(random_state).standard_normal((len(dense), 2))
    positions = Spring(2).fit_transform(matrix, position_init=start)
    positions = positions - positions.mean(axis=0)
    return labels.astype(np.int64), positions / max(float(np.abs(positions).max()), 1e-12)
