"""The themes of a view, before anything is said about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.graph.louvain import modularity
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.corpus.themes.network import Network, network
from graphagg.rag.corpus.themes.partition import Agreement, name_hashes, nested, symmetric
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.rag.tables.view import View


@dataclass(frozen=True)
class Parts:
    """A view, parted into themes; L levels, P passages, E entities.

    Attributes:
        net: the network that was parted.
        passage: `[L, P]` the place of each passage's theme in its level.
        entity: `[L, E]` likewise.
        parent: of each level, `[themes]`, the place of the theme in the level before; -1 in the
            first.
        modularity: of each level.
    """

    net: Network
    passage: Ints
    entity: Ints
    parent: tuple[Ints, ...]
    modularity: tuple[float, ...]

    def identifiers(self) -> list[list[str]]:
        """The id of each theme of each level: that of its parent, and its number inside it."""
        found: list[list[str]] = []
        for parent in self.parent:
            first = np.searchsorted(parent, parent)  # themes of one parent follow each other
            numbers = (np.arange(len(parent)) - first + 1).tolist()
            prefix = [f"{found[-1][p]}." if p >= 0 else "" for p in parent.tolist()]
            found.append([f"{p}{n}" for p, n in zip(prefix, numbers, strict=True)])
        return found


def parts_of(snapshot: Snapshot, view: View, config: MapConfig) -> Parts:
    """Part what a view shows into themes.

    The cost is that of `network`, of Louvain `runs` times over it, and `theme_runs` times a level
    over the grains.
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
    return Parts(net, passage, _of_entities(net, passage, parent), parent, quality)


def _numbered(levels: Sequence[Ints]) -> tuple[Ints, tuple[Ints, ...]]:
    """Themes in order: those of one parent follow each other, the largest first.

    Of equal sizes the one with the first passage comes first. Returns the themes of the passages,
    `[L, P]`, and the parents.
    """
    numbered, parents = [], []
    before = np.full(len(levels[0]), -1)
    for labels in levels:
        _, first, place, sizes = np.unique(
            labels, return_index=True, return_inverse=True, return_counts=True
        )
        parent = before[first]
        order = np.lexsort((first, -sizes, parent))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        before = rank[place]
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
    codes, place = np.unique(
        net.contains.source * themes + theme[net.contains.target], return_inverse=True
    )
    sums = np.bincount(place, net.contains.weight, len(codes)).astype(np.float64, copy=False)
    return codes // themes, codes % themes, sums
