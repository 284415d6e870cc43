"""From a network to nested themes: Louvain, made steady by agreement and by an order of its own.

Louvain depends on the order in which it visits vertices, and on a corpus without sharp borders two
orders give rather different themes; so would two versions of a corpus. Two things make it steady,
and neither knows of another version, so that a map after changes is that of a rebuild:

1. Vertices are visited by a hash of their names, so that what two versions share is visited in the
   same order.
2. Consensus (Lancichinetti and Fortunato, *Consensus clustering in complex networks*, 2012): the
   finest level is parted in several such orders, and an edge counts by the share of partitions that
   put its ends together. Departure: the share weighs the edges there are, instead of replacing the
   graph by that of all pairs, which keeps the cost linear.

Themes are nested: a coarser level parts the themes of the finer one.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from graphagg.arrays import Array, Doubles, Ints
from graphagg.graph.adjacency import expand_rows, rows_from_pairs
from graphagg.graph.csr import Csr
from graphagg.graph.louvain import by_size, louvain
from graphagg.rag.graph.ties import Edges


def nested(names: Ints, edges: Edges, resolutions: Sequence[float], runs: int) -> list[Ints]:
    """The theme of each vertex at each level, the coarsest first: labels from 0, gaps allowed.

    Args:
        names: `[n]`, a number for the name of each vertex: `name_hashes`.
        edges: of the vertices.
        resolutions: one a level, ascending.
        runs: partitions that have to agree.
    """
    adjacency, weights = symmetric(len(names), edges)
    agreed = weights * _agreement(adjacency, weights, names, resolutions[-1], runs)
    labels = parted(adjacency, agreed, names, resolutions[-1])
    levels = [labels]
    for resolution in reversed(resolutions[:-1]):
        labels = _coarser(adjacency, weights, names, labels, resolution)
        levels.append(labels)
    return levels[::-1]


def name_hashes(names: Sequence[str]) -> Ints:
    """A number for each name that does not depend on the others."""
    return np.array([zlib.crc32(name.encode()) for name in names], np.int64)


def symmetric(size: int, edges: Edges) -> tuple[Csr, Doubles]:
    """Each edge both ways, and the weights of the entries; repeats are added up."""
    pairs = edges.source.astype(np.int32), edges.target.astype(np.int32)
    adjacency, _ = rows_from_pairs(*pairs, (size, size), symmetric=True, weights=edges.weight)
    return adjacency, adjacency.entries.astype(np.float64)


def _agreement(
    adjacency: Csr, weights: Doubles, names: Ints, resolution: float, runs: int
) -> Doubles:
    """`[nnz]`, the share of partitions that put the ends of each entry together."""
    if runs == 1:
        return np.ones(len(weights))
    rows, together = expand_rows(adjacency), np.zeros(len(weights))
    for run in range(1, runs + 1):
        labels = parted(adjacency, weights, names, resolution, run)
        together += labels[rows] == labels[adjacency.indices]
    return together / runs


def parted(adjacency: Csr, weights: Doubles, names: Ints, resolution: float, run: int = 0) -> Ints:
    """Louvain, where vertices are visited in the order of run `run`."""
    order = np.argsort(_mixed(names, run), kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    rows = place[expand_rows(adjacency)]
    moved = Csr.from_pairs(rows, place[adjacency.indices], weights, (len(order), len(order)))
    return louvain(moved, moved.entries, resolution=resolution)[place]


def _mixed(names: Ints, run: int) -> Array:
    """Another order for each run: the finalizer of splitmix64."""
    golden = 0x9E3779B97F4A7C15
    with np.errstate(over="ignore"):
        z = names.astype(np.uint64) + np.uint64((run + 1) * golden % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _coarser(
    adjacency: Csr, weights: Doubles, names: Ints, labels: Ints, resolution: float
) -> Ints:
    """Themes of themes."""
    rows, count = expand_rows(adjacency), int(labels.max(initial=-1)) + 1
    pairs = labels[rows], labels[adjacency.indices]
    codes, place = np.unique(pairs[0] * max(count, 1) + pairs[1], return_inverse=True)
    joined = np.bincount(place, weights, len(codes))
    whole = Csr.from_pairs(codes // max(count, 1), codes % max(count, 1), joined, (count, count))
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, labels, names)  # a theme goes by the least of its members
    return by_size(parted(whole, whole.entries, first, resolution)[labels])
