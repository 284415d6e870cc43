"""Communities within communities: a tree of partitions of a whole graph.

The coarsest partition is that of `detect`. The next one is made at a larger resolution of the same
graph without the edges between communities, and so on, so each community is part of one of
the level before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from graphagg.communities.config import QualityFunction
from graphagg.communities.detection import Partition, partition, read_edges
from graphagg.errors import InvalidParameter
from graphagg.graph.graph import GraphKind
from graphagg.graph.ids import VertexId
from graphagg.graph.reading.settings import WeightedReadingOptions
from graphagg.tables import Exportable

if TYPE_CHECKING:
    import networkx
    import pyarrow


@dataclass(frozen=True, repr=False)
class Hierarchy(Exportable):
    """Partitions of one graph, from coarse to fine; each splits the communities of the one before.

    Attributes:
        levels: the partition at each resolution; the resolutions ascend.

    Examples:
        >>> tree = hierarchy([(1, 2), (2, 3), (1, 3), (3, 4), (4, 5), (4, 6), (5, 6)], [0.1, 1.0])
        >>> tree
        Hierarchy(1 > 2 communities of 6 vertices)
        >>> tree.to_arrow().column_names
        ['vertex', 'level_1', 'level_2']
        >>> [part["vertices"] for part in tree.to_json()[0]["parts"]]
        [[1, 2, 3], [4, 5, 6]]
        >>> sorted(tree.to_networkx().nodes[1].items())
        [('level_1', 0), ('level_2', 0)]
    """

    levels: dict[float, Partition]

    def __repr__(self) -> str:
        counts = " > ".join(f"{len(level):,}" for level in self.levels.values())
        return f"Hierarchy({counts} communities of {len(self._last.vertices):,} vertices)"

    @property
    def _last(self) -> Partition:
        return list(self.levels.values())[-1]

    @property
    def _labels(self) -> dict[str, Any]:
        return {f"level_{i}": p.labels for i, p in enumerate(self.levels.values(), 1)}

    def to_arrow(self) -> pyarrow.Table:
        """Make a table of one row per vertex: `vertex`, `level_1`, ..., and `side` if two-mode."""
        table = self._last.to_arrow().drop_columns("community")
        for position, (name, labels) in enumerate(self._labels.items(), 1):
            table = table.add_column(position, name, [labels])
        return table

    def to_networkx(self) -> networkx.Graph:
        """Make a networkx graph; nodes carry `level_1`, ..., edges their `weight`."""
        graph, names = self._last.to_networkx(), list(self._labels)
        for node, *labels in zip(self._last.vertices, *self._labels.values(), strict=True):
            del graph.nodes[node]["community"]
            graph.nodes[node].update(zip(names, map(int, labels), strict=True))
        return graph

    def to_json(self) -> list[dict[str, Any]]:
        """The tree: `community`, `size`, and `parts`, or `vertices` at the last level."""
        *inner, last = self.levels.values()
        nodes = [
            {"community": number, "size": len(members), "vertices": members}
            for number, members in enumerate(last.communities())
        ]
        below = last.labels
        for level in reversed(inner):
            _, first = np.unique(below, return_index=True)  # a vertex of each part
            parts: list[list[dict[str, Any]]] = [[] for _ in range(len(level))]
            for part, parent in enumerate(level.labels[first].tolist()):
                parts[parent].append(nodes[part])
            nodes = [
                {"community": number, "size": size, "parts": parts[number]}
                for number, size in enumerate(level.sizes.tolist())
            ]
            below = level.labels
        return nodes


def hierarchy(
    edges: Any,
    resolutions: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
    *,
    kind: GraphKind = "undirected",
    objective: QualityFunction = "modularity",
    random_state: int = 0,
    vertices: Iterable[VertexId] = (),
    **reading: Unpack[WeightedReadingOptions],
) -> Hierarchy:
    """Partition a whole graph into communities, these into smaller ones, and so on.

    Args:
        edges: see `detect`.
        resolutions: one for each level, ascending; larger gives smaller communities.
        kind: see `detect`.
        objective: see `detect`.
        random_state: see `detect`.
        vertices: see `detect`.
        reading: fields of `graphagg.graph.WeightedReading`.

    Raises:
        InvalidParameter: the resolutions do not ascend.

    Examples:
        >>> from graphagg.graph import bundled_graph
        >>> hierarchy(bundled_graph("les_miserables"), [1.0, 4.0])
        Hierarchy(6 > 18 communities of 77 vertices)
    """
    if not resolutions or list(resolutions) != sorted(set(resolutions)):
        raise InvalidParameter(f"resolutions: {list(resolutions)}, wanted ascending numbers")
    graph, weights = read_edges(
        edges, resolutions, kind, objective, random_state, vertices, reading
    )
    levels, labels = dict[float, Partition](), None
    for resolution in resolutions:
        levels[resolution] = partition(
            graph, weights, objective=objective, resolution=resolution, within=labels,
            random_state=random_state,
        )  # fmt: skip
        labels = levels[resolution].labels
    return Hierarchy(levels)
