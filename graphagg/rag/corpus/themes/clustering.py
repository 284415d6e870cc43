"""Nested themes of a network: stable Louvain by consensus, with vertices visited in hash order.

The result of Louvain depends on the order in which it visits vertices, so two versions of a corpus
could have rather different themes. Three measures make it stable. None looks at earlier versions,
so the map after a change equals the map of a rebuild:

1. Vertices are visited in the order of a hash of their names: shared vertices of two versions are
   visited in the same order.
2. Consensus (Lancichinetti and Fortunato, *Consensus clustering in complex networks*, 2012): the
   graph is clustered in several such orders, and an edge counts by the share of partitions that put
   its ends together, if that is enough of them. Departure: the share weighs the edges there are,
   instead of replacing the graph by the graph of all pairs, which keeps the cost linear.
3. The result is a set of grains: small groups on which nearly all partitions agree. Each level
   groups grains, not the themes of another level. Grains are few, so many more runs are cheap.

Themes are nested: a finer level stays inside the themes of the coarser one.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints
from graphagg.graph.adjacency import expand_rows, rows_from_pairs
from graphagg.graph.csr import Csr
from graphagg.graph.louvain import as_matrix, by_size, louvain, modularity
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.corpus.graph import WeightedEdges
from graphagg.rag.corpus.themes.network import ThemeNetwork, network
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.view import View

THEME_RUNS = 50
"""Partitions of the grains that have to agree on each level."""
GRAIN = 16.0
"""The resolution of grains: no theme is finer."""


class Agreement(NamedTuple):
    """Agreement of several partitions on each edge, and its effect on the edge's weight.

    Attributes:
        runs: number of partitions; with 1 there is no agreement to find.
        least: share of them that has to put both ends together, else the edge goes.
        power: exponent of the share that the weight is multiplied by.
    """

    runs: int
    least: float
    power: int


def nested(
    names: Ints,
    edges: WeightedEdges,
    resolutions: Sequence[float],
    of_grains: Agreement,
    of_themes: Agreement,
) -> list[Ints]:
    """The theme of each vertex at each level, the coarsest first: labels from 0, gaps allowed.

    Args:
        names: `[n]`, a number for the name of each vertex: `name_hashes`.
        edges: of the vertices.
        resolutions: one per level, ascending.
        of_grains: of partitions of the vertices.
        of_themes: of partitions of the grains.
    """
    adjacency, weights = symmetric(len(names), edges)
    grains = _steady(adjacency, weights, names, GRAIN, of_grains)
    whole, ties, first = _grains_as_vertices(adjacency, weights, names, grains)
    rows = expand_rows(whole)
    levels = []
    for resolution in resolutions:
        labels = _steady(whole, ties, first, resolution, of_themes)
        # Ties across go, so that the next level stays inside this one: a partition of what does
        # not hang together joins nothing.
        ties = np.where(labels[rows] == labels[whole.indices], ties, 0.0)
        levels.append(by_size(labels[grains]))
    return levels


def name_hashes(names: Sequence[str]) -> Ints:
    """A number for each name that does not depend on the others."""
    return np.array([zlib.crc32(name.encode()) for name in names], np.int64)


def symmetric(size: int, edges: WeightedEdges) -> tuple[Csr, Doubles]:
    """Each edge both ways, and the weights of the entries; repeats are added up."""
    pairs = edges.source.astype(np.int32), edges.target.astype(np.int32)
    adjacency, _ = rows_from_pairs(*pairs, (size, size), symmetric=True, weights=edges.weight)
    return adjacency, adjacency.entries.astype(np.float64)


def _steady(
    adjacency: Csr, weights: Doubles, names: Ints, resolution: float, agreement: Agreement
) -> Ints:
    """The partition that several ones agree on."""
    runs, least, power = agreement
    if runs == 1:
        return partition(adjacency, weights, names, resolution)
    rows, together = expand_rows(adjacency), np.zeros(len(weights))
    for run in range(1, runs + 1):
        labels = partition(adjacency, weights, names, resolution, run)
        together += labels[rows] == labels[adjacency.indices]
    share = together / runs
    agreed = np.where(share >= least, weights * share**power, 0.0)
    return partition(adjacency, agreed, names, resolution)


def partition(
    adjacency: Csr, weights: Doubles, names: Ints, resolution: float, run: int = 0
) -> Ints:
    """Louvain, where vertices are visited in the order of run `run`."""
    order = np.argsort(_mixed(names, run), kind="stable")
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    # Rows in the new order, each sorted: that costs less than sorting all pairs.
    moved = as_matrix(adjacency, weights)[order]
    moved.indices = position[moved.indices].astype(np.int32)
    moved.has_sorted_indices = False
    moved.sort_indices()
    visited = Csr(moved.indptr.astype(np.int64), moved.indices, moved.data, len(order))
    return louvain(visited, visited.entries, resolution=resolution)[position]


def _mixed(names: Ints, run: int) -> Array:
    """Another order for each run: the finalizer of splitmix64."""
    golden = 0x9E3779B97F4A7C15
    with np.errstate(over="ignore"):
        z = names.astype(np.uint64) + np.uint64((run + 1) * golden % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _grains_as_vertices(
    adjacency: Csr, weights: Doubles, names: Ints, labels: Ints
) -> tuple[Csr, Doubles, Ints]:
    """The graph of grains: what lies inside one is its loop, and its name is the least inside."""
    rows, count = expand_rows(adjacency), int(labels.max(initial=-1)) + 1
    codes, position = np.unique(
        labels[rows] * max(count, 1) + labels[adjacency.indices], return_inverse=True
    )
    joined = np.bincount(position, weights, len(codes))
    pairs = codes // max(count, 1), codes % max(count, 1)
    whole = Csr.from_pairs(*pairs, joined, (count, count))
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, labels, names)
    return whole, whole.entries, first


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

    net: ThemeNetwork
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


def assign(snapshot: PassageSnapshot, view: View, config: MapConfig) -> Assignment:
    """Cluster the visible passages and entities into themes.

    Costs one `network`, Louvain `runs` times over it, and `THEME_RUNS` times per level over the
    grains.
    """
    net = network(snapshot.corpus, view, config.graph, config.nearest_passages)
    keys = view.gazetteer.keys.take(net.entities[net.shared])
    ids = (snapshot.corpus.id(row) for row in net.rows.tolist())
    names = name_hashes([*(f"p{i}" for i in ids), *(f"e{key}" for key in keys)])
    of_grains = Agreement(config.runs, 0.8, 1)
    of_themes = Agreement(THEME_RUNS, 0.5, 3)
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


def _of_entities(net: ThemeNetwork, passage: Ints, parent: tuple[Ints, ...]) -> Ints:
    """The theme of each entity: on the finest level where it weighs most, the first of equals."""
    entity, theme, weight = weights_in(net, passage[-1])
    order = np.lexsort((theme, -weight, entity))
    _, first = np.unique(entity[order], return_index=True)
    levels = [theme[order][first]]
    for above in reversed(parent[1:]):
        levels.append(above[levels[-1]])
    return np.stack(levels[::-1])


def weights_in(net: ThemeNetwork, theme: Ints) -> tuple[Ints, Ints, Doubles]:
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
