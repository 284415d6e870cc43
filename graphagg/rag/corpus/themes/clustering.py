"""Nested themes of a network: stable Leiden by consensus, with vertices visited in hash order.

Leiden depends on the order in which it visits vertices, so two versions of a corpus could get very
different themes. Three measures make it stable. None uses earlier versions, so the map after a
change equals the map of a rebuild:

    1. Vertices are visited in the order of a hash of their names, so two versions visit shared
       vertices in the same order.
    2. Consensus (Lancichinetti and Fortunato, *Consensus clustering in complex networks*, 2012):
       the graph is clustered in several such orders, and an edge is weighted by the share of
       partitions that put its ends together, if that is enough of them. Departure: only existing
       edges are weighted, instead of the graph of all pairs, which keeps the cost linear.
    3. The result is a set of grains: small groups on which nearly all partitions agree. Each level
       groups grains, not the themes of another level. Grains are few, so many more runs are cheap.

Themes are nested: a finer level stays inside the themes of the coarser one.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, offsets
from graphagg.graph.adjacency import expand_rows, rows_from_pairs
from graphagg.graph.csr import Csr
from graphagg.graph.leiden import by_size, leiden
from graphagg.progress import Progress, silent
from graphagg.rag.config.corpus import MapConfig
from graphagg.rag.corpus.graph import WeightedEdges
from graphagg.rag.corpus.themes.network import ThemeNetwork, network
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.view import View

THEME_RUNS = 50
"""Number of partitions of the grains per level."""
ITERATIONS = 1
"""Of Leiden: several runs agree, so that one is enough."""
GRAIN = 16.0
"""Resolution of grains; no theme is finer."""
_GOLDEN = np.array(0x9E3779B97F4A7C15, np.uint64)  # arrays wrap around without a warning


class Agreement(NamedTuple):
    """How several partitions must agree on an edge, and the effect on the edge's weight.

    Attributes:
        runs: number of partitions; 1: one partition alone.
        least: smallest share of them that puts both ends together, else the edge is dropped.
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
    done: Callable[[], None] = lambda: None,
) -> list[Ints]:
    """The theme of each vertex at each level, the coarsest first: labels from 0, with gaps.

    `names` `[n]` come from `name_hashes`; `resolutions` ascend, one per level; the agreements
    are of partitions of the vertices and of the grains. `done` is called after each partition
    of the vertices and each level.
    """
    adjacency, weights = symmetric(len(names), edges)
    grains = _steady(adjacency, weights, names, GRAIN, of_grains, done)
    condensed, ties, first = _grains_as_vertices(adjacency, weights, names, grains)
    rows = expand_rows(condensed)
    levels = []
    for resolution in resolutions:
        labels = _steady(condensed, ties, first, resolution, of_themes)
        done()
        # Ties across go, so that the next level stays inside this one: a partition of what does
        # not hang together joins nothing.
        ties = np.where(labels[rows] == labels[condensed.indices], ties, 0.0)
        levels.append(by_size(labels[grains]))
    return levels


def name_hashes(names: Sequence[str]) -> Ints:
    """A number for each name that does not depend on the others."""
    return np.array([zlib.crc32(name.encode()) for name in names], np.int64)


def symmetric(size: int, edges: WeightedEdges) -> tuple[Csr, Doubles]:
    """Each edge in both directions, with the weights; repeats are added up."""
    pairs = edges.source.astype(np.int32), edges.target.astype(np.int32)
    adjacency, _ = rows_from_pairs(*pairs, (size, size), symmetric=True, weights=edges.weight)
    return adjacency, adjacency.entries.astype(np.float64)


def _steady(
    adjacency: Csr, weights: Doubles, names: Ints, resolution: float, agreement: Agreement,
    done: Callable[[], None] = lambda: None,
) -> Ints:  # fmt: skip
    """The consensus of several partitions."""
    runs, least, power = agreement
    if runs == 1:
        return partition(adjacency, weights, names, resolution)
    rows, together = expand_rows(adjacency), np.zeros(len(weights))
    for run in range(1, runs + 1):
        labels = partition(adjacency, weights, names, resolution, run)
        together += labels[rows] == labels[adjacency.indices]
        done()
    share = together / runs
    agreed = np.where(share >= least, weights * share**power, 0.0)
    return partition(adjacency, agreed, names, resolution)


def partition(
    adjacency: Csr, weights: Doubles, names: Ints, resolution: float, run: int = 0
) -> Ints:
    """Leiden with vertices visited in the order of run `run`; ties of weight 0 are left out."""
    rows = expand_rows(adjacency)
    degrees = np.bincount(rows, weights, adjacency.rows).astype(np.float64, copy=False)
    ties = np.flatnonzero((weights > 0) & (rows != adjacency.indices))
    bounds = offsets(np.bincount(rows[ties], minlength=adjacency.rows))
    graph = Csr(bounds, adjacency.indices[ties], weights[ties], adjacency.rows)
    gamma = resolution / 2 / max(float(degrees.sum()), 1e-300)
    order = np.argsort(random_bits(names, run), kind="stable")
    masses = np.stack([degrees, degrees], axis=1)
    return by_size(leiden(graph, masses, gamma, iterations=ITERATIONS, order=order))


def modularity(adjacency: Csr, weights: Doubles, labels: Ints) -> float:
    """Share of edges inside communities, minus the share expected by chance; 0 without edges."""
    rows = expand_rows(adjacency)
    total = float(weights.sum())
    if not total:
        return 0.0
    inside = float(weights[labels[rows] == labels[adjacency.indices]].sum())
    ends = np.bincount(labels[rows], weights) / total
    return inside / total - float(ends @ ends)


def random_bits(names: Ints, run: Array | int = 0) -> Array:
    """Output number `run` of the generator splitmix64 that each name seeds, uint64."""
    z = names.astype(np.uint64) + (np.asarray(run, np.uint64) + np.uint64(1)) * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits: Array = z ^ (z >> np.uint64(31))
    return bits


def _grains_as_vertices(
    adjacency: Csr, weights: Doubles, names: Ints, labels: Ints
) -> tuple[Csr, Doubles, Ints]:
    """The graph of grains, with edges inside as loops; the name of a grain is its least name."""
    rows, size = expand_rows(adjacency), int(labels.max(initial=-1)) + 1
    codes, position = np.unique(
        labels[rows] * size + labels[adjacency.indices], return_inverse=True
    )
    joined = np.bincount(position, weights, len(codes))
    condensed = Csr.from_pairs(*np.divmod(codes, max(size, 1)), joined, (size, size))
    first = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(first, labels, names)
    return condensed, condensed.entries, first


@dataclass(frozen=True)
class Assignment:
    """The theme of each passage and entity; L levels, P passages, E entities.

    Attributes:
        net: the network that was clustered.
        passage: `[L, P]` position of each passage's theme in its level.
        entity: `[L, E]` likewise.
        parent: per level, `[themes]` position of the parent in the level before; -1 in the first.
        modularity: per level.
    """

    net: ThemeNetwork
    passage: Ints
    entity: Ints
    parent: tuple[Ints, ...]
    modularity: tuple[float, ...]

    def identifiers(self) -> list[list[str]]:
        """Theme ids of each level: the parent's id, and the rank inside the parent."""
        ids: list[list[str]] = []
        for parent in self.parent:
            first = np.searchsorted(parent, parent)  # themes of one parent follow each other
            ranks = (np.arange(len(parent)) - first + 1).tolist()
            prefix = [f"{ids[-1][p]}." if p >= 0 else "" for p in parent.tolist()]
            ids.append([f"{p}{rank}" for p, rank in zip(prefix, ranks, strict=True)])
        return ids


def assign(
    snapshot: PassageSnapshot, view: View, config: MapConfig, progress: Progress = silent
) -> Assignment:
    """Cluster the visible passages and entities into themes.

    Costs one `network`, Leiden `runs` times over it, and `THEME_RUNS` times per level over the
    grains.
    """
    steps, total = count(1), 1 + config.runs * (config.runs > 1) + len(config.resolutions)

    def done() -> None:
        progress("themes", next(steps), total)

    net = network(snapshot.corpus, view, config.graph, config.nearest_passages)
    done()
    keys = view.gazetteer.keys.take(net.entities[net.shared])
    ids = (snapshot.corpus.id(row) for row in net.rows.tolist())
    names = name_hashes([*(f"p{i}" for i in ids), *(f"e{key}" for key in keys)])
    of_grains = Agreement(config.runs, 0.8, 1)
    of_themes = Agreement(THEME_RUNS, 0.5, 3)
    levels = nested(names, net.edges, config.resolutions, of_grains, of_themes, done)
    adjacency, weights = symmetric(net.size, net.edges)
    quality = tuple(modularity(adjacency, weights, labels) for labels in levels)
    passage, parent = _numbered([labels[: len(net.rows)] for labels in levels])
    return Assignment(net, passage, _of_entities(net, passage, parent), parent, quality)


def _numbered(levels: Sequence[Ints]) -> tuple[Ints, tuple[Ints, ...]]:
    """Number themes so that siblings are consecutive, the largest first, then by first passage.

    Returns the themes of the passages, `[L, P]`, and the parents.
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
    """Theme of each entity: its largest weight on the finest level; ties go to the first."""
    entity, theme, weight = weights_in(net, passage[-1])
    order = np.lexsort((theme, -weight, entity))
    _, first = np.unique(entity[order], return_index=True)
    levels = [theme[order][first]]
    for above in reversed(parent[1:]):
        levels.append(above[levels[-1]])
    return np.stack(levels[::-1])


def weights_in(net: ThemeNetwork, theme: Ints) -> tuple[Ints, Ints, Doubles]:
    """Each entity and theme that share a passage, and the weight of the entity there.

    `theme` `[P]` is of the passages. Returns entities, ascending; themes, ascending for each;
    sums of edge weights.
    """
    themes = int(theme.max(initial=0)) + 1
    codes, position = np.unique(
        net.contains.source * themes + theme[net.contains.target], return_inverse=True
    )
    sums = np.bincount(position, net.contains.weight, len(codes)).astype(np.float64, copy=False)
    return *np.divmod(codes, themes), sums
