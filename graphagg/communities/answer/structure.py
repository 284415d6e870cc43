"""The structure of an answer: weighted similarity graph, sub-communities, picture.

Paper: arXiv 1601.03958, last stage: the weighted Jaccard graph of the community is split into
sub-communities and drawn. Departure: Leiden (`graphagg.graph.leiden`) instead of WALKTRAP.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.checks import number
from graphagg.communities.similarity.jaccard import pair_similarities
from graphagg.communities.snapshot import CommunitySnapshot
from graphagg.errors import InvalidParameter, needs
from graphagg.fields import Brief
from graphagg.graph.csr import Csr
from graphagg.graph.ids import VertexId
from graphagg.graph.leiden import by_size, leiden
from graphagg.store.reading import names_damage
from graphagg.tables import networkx_module

if TYPE_CHECKING:
    import networkx

MOST_VERTICES = 2_000
"""Maximum number of vertices whose pairwise similarities are computed: 2 million pairs."""

MOST_EDGES = 400
"""Maximum number of pairs drawn in a picture."""
_MOST_NAMES = 40
"""Maximum number of vertices labeled in a picture."""
_PICTURES = (".png", ".svg", ".pdf")
_EXTRA = "communities"
_NO_LIMIT = 1 << 62


@dataclass(frozen=True, repr=False)
class CommunityStructure(Brief):
    """The weighted similarity graph of a community.

    Attributes:
        vertices: ids; the seeds come first.
        seeds: number of seeds.
        edges: `[E, 2]` int64 positions in `vertices`, the lower one first: similar pairs, or pairs
            with an edge in the graph.
        weights: `[E]` float64 exact Jaccard similarity.
        in_graph: `[E]` bool, whether the graph has an edge between the two, in either direction.
        labels: `[V]` int64 sub-community of each vertex; 0 is the largest.
        positions: `[V, 2]` float64 coordinates in the picture, within [-1, 1].
    """

    vertices: tuple[VertexId, ...]
    seeds: int
    edges: Array
    weights: Array
    in_graph: Array
    labels: Array
    positions: Array

    def communities(self) -> list[list[VertexId]]:
        """Return the sub-communities, largest first."""
        count = int(self.labels.max(initial=-1)) + 1
        return [
            [self.vertices[i] for i in np.flatnonzero(self.labels == label)]
            for label in range(count)
        ]

    def to_networkx(self) -> networkx.Graph:
        """Return the similarity graph as a networkx graph.

        Nodes have the attributes `community`, `seed` and `pos`. Edges have the similarity as
        `weight`, and `in_graph`, whether they are edges of the graph.
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

    def drawn(self, most_edges: int = MOST_EDGES) -> Ints:
        """Return the positions in `edges` of the pairs that a picture shows.

        Graph edges at a seed come first, then other graph edges, then pairs without an edge;
        in each group the most similar pairs come first.
        """
        others = ~(self.in_graph & (self.edges < self.seeds).any(axis=1))
        order = np.lexsort((-self.weights, ~self.in_graph, others))
        return order[:most_edges]

    def describe(self, most_edges: int = MOST_EDGES) -> str:
        """Describe how many of the pairs a picture shows: `400 of 4,768 pairs`."""
        return f"{min(most_edges, len(self.edges)):,} of {len(self.edges):,} pairs"

    def draw(
        self, path: str | os.PathLike[str], *, title: str = "", most_edges: int = MOST_EDGES
    ) -> None:
        """Write a picture (.png, .svg, .pdf) of all vertices and the pairs of `drawn`.

        Edges of the graph are solid and dark, other similar pairs dotted and light. Seeds have a
        black outline. The seeds and the best connected vertices are labeled.
        """
        target = Path(path)
        if target.suffix not in _PICTURES:
            raise InvalidParameter(f"{target}: expected the suffix .png, .svg or .pdf")
        with needs("matplotlib", _EXTRA):
            from matplotlib.figure import Figure
        networkx, graph = networkx_module(), self.to_networkx()
        figure, edges = Figure(figsize=(9, 9)), self.drawn(most_edges)
        axes, places = figure.add_axes((0.0, 0.0, 1.0, 0.96)), dict(graph.nodes(data="pos"))
        widths = 0.3 + 1.7 * self.weights[edges] / max(float(self.weights.max(initial=0.0)), 1e-12)
        joined = self.in_graph[edges]
        for mask, color, style, label in (
            (~joined, "0.7", "dotted", "similar"), (joined, "0.35", "solid", "edge of the graph"),
        ):  # fmt: skip
            pairs = [(self.vertices[a], self.vertices[b]) for a, b in self.edges[edges][mask]]
            networkx.draw_networkx_edges(
                graph, places, pairs, widths[mask], color, style, alpha=0.6, ax=axes, label=label
            )
        degrees = np.bincount(self.edges.ravel(), minlength=len(self.vertices))
        networkx.draw_networkx_nodes(
            graph, places, node_size=40 + 160 * degrees / max(int(degrees.max(initial=0)), 1),
            node_color=self.labels % 10, cmap="tab10", vmin=0, vmax=9, ax=axes,
            edgecolors=["black" if i < self.seeds else "white" for i in range(len(degrees))],
        )  # fmt: skip
        named = np.lexsort((-degrees, np.arange(len(degrees)) >= self.seeds))[:_MOST_NAMES]
        names = {self.vertices[i]: self.vertices[i] for i in named}
        networkx.draw_networkx_labels(graph, places, names, font_size=8, ax=axes)
        if len(edges):
            legend = self.describe(most_edges)
            axes.legend(loc="lower right", fontsize=8, frameon=False, title=legend)
        axes.set_title(title)
        axes.set_axis_off()
        date = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(target.suffix)
        figure.savefig(target, dpi=120, metadata=date)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
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


@names_damage
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
    labels = _parts(dense, resolution, random_state)
    positions = _layout(dense, joined, random_state)
    return CommunityStructure(
        tuple(ids), seeds, np.stack([first, second], axis=1), dense[first, second],
        joined[first, second], labels, positions,
    )  # fmt: skip


@names_damage
def subgraph_of(snapshot: CommunitySnapshot, ids: Sequence[VertexId]) -> networkx.Graph:
    """Build the graph of `Community.to_networkx`; only the rows of these vertices are read."""
    networkx, kind = networkx_module(), snapshot.config.kind
    graph = networkx.DiGraph() if kind.startswith("directed") else networkx.Graph()
    graph.add_nodes_from(ids)
    if kind == "two-mode":
        jaccard = similarities(snapshot, ids)
        for a, b in np.argwhere(np.triu(jaccard, 1)).tolist():
            graph.add_edge(ids[a], ids[b], weight=float(jaccard[a, b]))
        return graph
    adjacency = snapshot.adjacency
    vertices = np.array([snapshot.find(vertex) for vertex in ids], dtype=np.int64)
    order = np.argsort(vertices)
    for vertex, dense in zip(ids, vertices.tolist(), strict=True):
        row = adjacency.row(dense)
        if len(row):
            # Binary search; a number larger than the whole row is compared with the last entry.
            at = np.minimum(np.searchsorted(row, vertices[order]), len(row) - 1)
            for other in order[row[at] == vertices[order]].tolist():
                graph.add_edge(vertex, ids[other])
    return graph


def similarities(snapshot: CommunitySnapshot, ids: Sequence[VertexId]) -> Array:
    """Compute exact Jaccard similarities `[V, V]` of up to `MOST_VERTICES`; the diagonal is 0."""
    if len(ids) > MOST_VERTICES:
        raise InvalidParameter(
            f"the structure would have {len(ids):,} vertices, expected at most {MOST_VERTICES:,}; "
            "use a smaller `k`"
        )
    vertices = np.array([snapshot.find(vertex) for vertex in ids], dtype=np.int64)
    dense, sets = np.zeros((len(ids), len(ids))), snapshot.neighborhoods.bundle
    for i in range(1, len(ids)):
        pair_similarities(sets, vertices[i : i + 1], vertices[:i], _NO_LIMIT, dense[i, :i])
    if not ((dense >= 0) & (dense <= 1)).all():  # Leiden and the layout use them as weights
        raise ValueError("a similarity is outside 0 to 1, so the weights are damaged")
    return dense + dense.T


def _parts(dense: Array, resolution: float, random_state: int) -> Ints:
    """Return sub-communities by similarity, computed with Leiden; 0 is the largest."""
    rows, columns = np.nonzero(dense)
    matrix = Csr.from_pairs(rows, columns, dense[rows, columns], dense.shape)
    degrees, total = dense.sum(axis=1), max(float(dense.sum()), 1e-300)
    masses = np.stack([degrees, degrees], axis=1)
    return by_size(leiden(matrix, masses, resolution / (2 * total), random_state=random_state))


def _layout(dense: Array, joined: Array, random_state: int) -> Array:
    """Return positions `[V, 2]` computed from similarities and edges."""
    ties = np.maximum(dense, joined)  # a hub is similar to no vertex; edges place it in the middle
    if not ties.any():  # on a circle
        angle = 2 * np.pi * np.arange(len(dense)) / max(len(dense), 1)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    networkx = networkx_module()
    placed = networkx.spring_layout(networkx.from_numpy_array(ties), seed=random_state)
    positions = np.array([placed[i] for i in range(len(dense))])
    positions = positions - np.average(positions, axis=0, weights=ties.sum(axis=1))
    # Distances from the middle follow ranks, so that a few outliers do not crowd the rest.
    radius = np.maximum(np.hypot(*positions.T), 1e-12)
    ranks = np.argsort(np.argsort(radius, kind="stable"), kind="stable")
    even = np.sqrt((ranks + 0.5) / len(ranks))
    return np.asarray(positions * (even / radius)[:, None])
