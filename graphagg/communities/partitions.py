"""Partitions of a whole graph into communities: comparison, pictures and export."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.communities.config import QualityFunction
from graphagg.communities.warm_start import PartitionChanges, start_labels
from graphagg.errors import InvalidParameter, needs
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.graph import Graph
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.tables import Exportable, ids_column, networkx_module

if TYPE_CHECKING:
    import networkx
    import pyarrow

MOST_DRAWN = 1_000
"""Maximum number of vertices in a picture; a larger graph is drawn as one dot per community."""


@dataclass(frozen=True, repr=False)
class Partition(Exportable):
    """The communities of a graph; each vertex is in one.

    Attributes:
        graph: the graph.
        weights: `[nnz]` edge weights of its adjacency; None: all 1.
        labels: `[n]` int64 community of each vertex, in the order of `vertices`; 0 is the largest.
            With a start, its numbers are kept and new numbers are added after them.
        modularity: share of the edges inside communities, minus the share expected by chance.
        changes: how the communities of a start changed, if there was one.
        objective: the quality function, and its `resolution`.
        restarts: the quality of each restart; this partition is the best one. The spread shows how
            much the result depends on chance.
        pending: weight of the edges that `update` changed since it last visited all levels, as a
            share of the total weight.

    Examples:
        >>> from graphagg.communities import detect
        >>> partition = detect([("a", "b"), ("c", "d")])
        >>> partition.communities(), len(partition), partition.modularity
        ([['a', 'b'], ['c', 'd']], 2, 0.5)
        >>> partition.to_arrow().column_names, partition.to_pandas().shape[0]
        (['vertex', 'community'], 4)
        >>> partition.to_networkx().number_of_edges(), "communities" in partition.to_json()
        (2, True)
        >>> partition.compare({"a": 0, "b": 0, "c": 1, "d": 1})
        Agreement(ari=1.0, nmi=1.0, vertices=4)
        >>> from tempfile import mkdtemp
        >>> partition.save(mkdtemp() + "/partition.csv")
        >>> partition.plot(mkdtemp() + "/partition.png")
    """

    graph: Graph
    weights: Array | None
    labels: Ints
    modularity: float
    changes: PartitionChanges | None = None
    objective: QualityFunction = "modularity"
    resolution: float = 1.0
    restarts: tuple[float, ...] = ()
    pending: float = 0.0

    def __repr__(self) -> str:
        both = self.graph.report.both_sides
        note = f"; {both:,} ids are an element and a set" if both else ""
        size = f"{len(self)} communities of {len(self.vertices):,} vertices"
        return f"Partition({size}, modularity {self.modularity:.3f}{note})"

    @property
    def vertices(self) -> Sequence[VertexId]:
        """Ids of the vertices, ascending; for a two-mode graph, the sets and then the elements."""
        sides = list(sides_of(self.graph).values())
        return sides[0] if len(sides) == 1 else [*sides[0], *sides[1]]

    @property
    def numbers(self) -> Ints:
        """The number of each community, ascending."""
        return np.unique(self.labels)

    @property
    def sizes(self) -> Ints:
        """Number of vertices of each community, in the order of `numbers`."""
        return np.bincount(self.labels)[self.numbers]

    def __len__(self) -> int:
        return len(self.numbers)

    def communities(self) -> list[list[VertexId]]:
        """Return the members of each community, in the order of `numbers`."""
        order, ids = np.argsort(self.labels, kind="stable"), self.vertices
        groups = np.split(order, np.cumsum(self.sizes)[:-1])
        return [[ids[i] for i in group.tolist()] for group in groups]

    def to_arrow(self) -> pyarrow.Table:
        """Return a table with one row per vertex: `vertex`, `community`, and `side` if two-mode."""
        import pyarrow as pa

        sides = sides_of(self.graph)
        columns = [ids_column(list(ids)) for ids in sides.values()]
        if len({column.type for column in columns}) > 1:
            columns = [column.cast(pa.string()) for column in columns]
        table = pa.table({"vertex": pa.concat_arrays(columns), "community": self.labels})
        if len(sides) == 1:
            return table
        return table.append_column("side", [np.repeat(list(sides), [*map(len, sides.values())])])

    def to_networkx(self) -> networkx.Graph:
        """Return a networkx graph; nodes have `community`, edges have `weight` if weighted."""
        directed, two_mode = self.graph.kind == "directed", self.graph.kind == "two-mode"
        graph: networkx.Graph = (
            networkx_module().DiGraph() if directed else networkx_module().Graph()
        )
        ids, (first, second) = list(self.vertices), self.graph.pairs()
        if len(set(ids)) < len(ids):
            raise InvalidParameter(
                "a set and an element have the same id, expected different ids; write .csv, or "
                "rename the elements"
            )
        for vertex, label in zip(ids, self.labels.tolist(), strict=True):
            graph.add_node(vertex, community=label)
        shift = len(self.graph.rows) if two_mode else 0
        ends = [
            (ids[a], ids[shift + b]) for a, b in zip(first.tolist(), second.tolist(), strict=True)
        ]
        graph.add_edges_from(ends)
        if self.weights is not None:
            once: Any = slice(None)
            if self.graph.kind == "undirected":
                once = expand_rows(self.graph.adjacency) < self.graph.adjacency.indices
            weights = dict(zip(ends, self.weights[once].tolist(), strict=True))
            networkx_module().set_edge_attributes(graph, weights, "weight")
        return graph

    def to_json(self) -> dict[str, Any]:
        """Return JSON values with the keys of the command line's `--json`."""
        return {
            "vertices": len(self.vertices),
            "modularity": self.modularity,
            "restarts": list(self.restarts),
            "sizes": self.sizes.tolist(),
            "numbers": self.numbers.tolist(),
            "communities": self.communities(),
            "changes": None if self.changes is None else asdict(self.changes),
        }

    def compare(self, other: Any) -> Agreement:
        """Compare with another partition, or with anything that `detect` accepts as `start`."""
        labels, _ = start_labels(other, sides_of(self.graph))
        return agreement(self.labels[labels >= 0], labels[labels >= 0])

    def plot(self, path: str | os.PathLike[str], *, title: str = "") -> None:
        """Draw the graph (.png, .svg, .pdf) with a color for each community.

        A graph with more than `MOST_DRAWN` vertices has one dot per community, scaled by its size.
        """
        with needs("matplotlib", "communities"):
            from matplotlib.figure import Figure
        networkx, graph = networkx_module(), self.to_networkx().to_undirected()
        sizes, colors = np.full(len(self.labels), 40.0), self.labels
        if len(graph) > MOST_DRAWN:
            of = dict(zip(self.vertices, self.labels.tolist(), strict=True))
            joined = [(of[a], of[b]) for a, b in graph.edges]
            graph = networkx.Graph()
            graph.add_nodes_from(self.numbers.tolist())
            graph.add_edges_from(edge for edge in joined if edge[0] != edge[1])
            sizes, colors = 20 + 2_000 * self.sizes / len(self.labels), self.numbers
        figure = Figure(figsize=(9, 9))
        axes = figure.add_axes((0.0, 0.0, 1.0, 0.96))
        networkx.draw_networkx(
            graph, networkx.spring_layout(graph, seed=0), ax=axes, node_size=sizes,
            node_color=colors % 20, cmap="tab20", vmin=0, vmax=19, edge_color="0.8",
            with_labels=len(graph) <= 100, font_size=8,
        )  # fmt: skip
        axes.set_title(title or repr(self))
        axes.set_axis_off()
        figure.savefig(path, dpi=120)


class Agreement(NamedTuple):
    """How much two partitions agree.

    Attributes:
        ari: adjusted Rand index (Hubert and Arabie, 1985).
        nmi: mutual information divided by the mean of both entropies.
        vertices: number of vertices that are in both partitions.

    Examples:
        >>> Agreement(ari=1.0, nmi=1.0, vertices=4).vertices
        4
    """

    ari: float
    nmi: float
    vertices: int


def agreement(first: Ints, second: Ints) -> Agreement:
    """Compare two labelings `[n]` of the same vertices; the result is invariant to renumbering.

    Examples:
        >>> round(agreement(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])).ari, 2)
        0.57
    """
    count = len(first)
    tables = [np.unique(first, return_inverse=True)[1], np.unique(second, return_inverse=True)[1]]
    tables.append(
        np.unique(tables[0] * (1 + tables[1].max(initial=0)) + tables[1], return_inverse=True)[1]
    )
    sizes = [np.bincount(table).astype(np.float64) for table in tables]
    rows, columns, both = (float((size * (size - 1)).sum()) / 2 for size in sizes)
    chance = rows * columns / max(count * (count - 1) / 2, 1)
    most = (rows + columns) / 2 - chance
    ends = [-float((size / count * np.log(size / count)).sum()) for size in sizes]
    mean = (ends[0] + ends[1]) / 2
    return Agreement(
        ari=(both - chance) / most if most else 1.0,
        nmi=max(0.0, round((ends[0] + ends[1] - ends[2]) / mean, 12)) if mean else 1.0,
        vertices=count,
    )


def sides_of(graph: Graph) -> dict[str, VertexIds]:
    """Return the vertex ids by side; only a two-mode graph has two sides."""
    if graph.kind == "two-mode":
        return {"set": graph.rows, "element": graph.columns}
    return {"vertex": graph.rows}
