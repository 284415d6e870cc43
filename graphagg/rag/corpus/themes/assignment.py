"""Assignment of the passages and entities of a view to nested themes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.graph.louvain import modularity
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.corpus.themes.clustering import Agreement, name_hashes, nested, symmetric
from graphagg.rag.corpus.themes.network import Network, network
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.rag.tables.view import View


@dataclass(frozen=True)
class Assignment:
    """The theme of each passage and entity; L levels, P passages, E entities.

    Attributes:
        net: the network that was clustered.
        passage: `[L, P]` the position of each passage's theme in its level.
        entity: `[L, E]` likewise.
        parent: of each level, `[themes]`, the position of the theme in the level before; -1 in
            the first.
        modularity: of each level.
    """

    net: Network
    passage: Ints
    entity: Ints
    parent: tuple[Ints, ...]
    modularity: tuple[float, ...]

    def identifiers(self) -> list[list[str]]:
        """The id of each theme of each level: its parent's id, and its rank inside the parent."""
        ids: list[list[str]] = []
        for parent in self.parent:
            first = np.searchsorted(parent, parent)  # themes of one parent follow each other
            ranks = (np.arange(len(parent)) - first + 1).tolist()
            prefix = [f"{ids[-1][p]}." if p >= 0 else "" for p in parent.tolist()]
            ids.append([f"{p}{rank}" for p, rank in zip(prefix, ranks, strict=True)])
        return ids


def assign(snapshot: Snapshot, view: View, config: MapConfig) -> Assignment:
    """Cluster the visible passages and entities into themes.

    Costs one `network`, Louvain `runs` times over it, and `theme_runs` times per level over the
    grains.
    """
    net = network(snapshot.corpus, view, config.graph, config.near, config.text_weight)
    keys = view.gazetteer.keys.take(net.entities[net.shared])
    ids = (snapshot.corpus.id(row) for row in net.rows.tolist())
    names = name_hashes([*(f"p{i}" for i in ids), *(f"e{key}" for key in keys)])
    of_grains = Agreement(config.runs, 0.8, 1)
    of_themes = Agreement(config.theme_runs, 0.5, 3)
    levels = nested(names, net.edges, config.resolutions, of_grains, of_themes)
    adjacency, weights = symmetric(net.size, net.edges)
    quality = tuple(modularity(adjacency, weights, labels) for labels in levels)
    passage, parent = _numbered([labels[: len(net.rows)] for labels in levels])
    return Assignment(net, passage, _of_entities(net, passage, parent), parent, quality)


def _numbered(levels: Sequence[Ints]) -> tuple[Ints, tuple[Ints, ...]]:
    """Number the themes so that children of one parent follow each other, the largest first.

    Of equal sizes the one with the first passage comes first. Returns the themes of the passages,
    `[L, P]`, and the parents.
    """
    numbered, parents = [], []
    before = np.full(len(levels[0]), -1)
    for labels in levels:
        _, first, position, sizes = np.unique(
            labels, return_index=True, return_inverse=True, return_counts=True
        )
        parent = before[first]
        order = np.lexsort((first, -sizes, parent))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        before = rank[position]
        numbered.append(before)
        parents.append(parent[order])
    return np.stack(numbered), tuple(parents)


def _of_entities(net: Network, passage: Ints, parent: tuple[Ints, ...]) -> Ints:
    """The theme of each entity: on the finest level where it weighs most, the first of equals."""
    entity, theme, weight = weights_in(net, passage[-1])
    order = np.lexsort((theme, -weight, entity))
    _, first = np.unique(entity[order], return_index=True)
    levels = [theme[order][first]]
    for above in reversed(parent[1:]):
        levels.append(above[levels[-1]])
    return np.stack(levels[::-1])


def weights_in(net: Network, theme: Ints) -> tuple[Ints, Ints, Doubles]:
    """Each entity and theme that share a passage, and the weight of the entity there.

    Args:
        net: the network.
        theme: `[P]` of each passage.

    Returns:
        Entities, ascending; themes, ascending for each; the sums of the weights of edges.
    """
    themes = int(theme.max(initial=0)) + 1
    codes, position = np.unique(
        net.contains.source * themes + theme[net.contains.target], return_inverse=True
    )
    sums = np.bincount(position, net.contains.weight, len(codes)).astype(np.float64, copy=False)
    return codes // themes, codes % themes, sums
