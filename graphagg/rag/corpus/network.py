"""Passages and entities of a corpus as one network, for themes.

Three kinds of edges connect its vertices: a passage and an entity that it and another passage name
(`passage_ties`); two such entities that share sentences (`entity_ties`); and a passage and its
nearest neighbors by text vectors, so that a passage without names has a theme too.

The weights of a passage's edges to entities add up to 1, those to neighbors to `TEXT_WEIGHT`: a
long passage has no more weight than a short one. Vectors are compared as integers, 2048 times their
values: float32 sums those exactly, so neighbors do not depend on the order of rows. That costs P^2
d products, .8 CPU s for 6,119 passages.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Array, Doubles, Floats, Ints, members
from graphagg.graph.adjacency import merge_repeats, pair_keys, pairs_of
from graphagg.graph.csr import Csr
from graphagg.progress import Progress, silent
from graphagg.rag.config.corpus import GraphConfig
from graphagg.rag.corpus.graph import (
    WeightedEdges,
    entities_in_graph,
    entity_ties,
    passage_ties,
    positions_of,
)
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.view import View

SCALE = 2048
"""Integers per unit: sums stay below 2^24, up to which float32 is exact."""
TEXT_WEIGHT = 3.0
"""Total weight of a passage's edges to its nearest neighbors."""
_BLOCK = 512
_GOLDEN = np.array(0x9E3779B97F4A7C15, np.uint64)  # in arrays, overflow gives no warning


@dataclass(frozen=True)
class CorpusNetwork:
    """Passages 0 to P - 1 and the entities of several passages, from P on, with their edges.

    Attributes:
        rows: `[P]`, the row of each passage, ascending.
        entities: `[E]`, the entities of the gazetteer, ascending.
        shared: `[S]`, positions in `entities` of the entities that are vertices.
        vectors: `[P, d]` float32, whole numbers: the mean of each passage's windows.
        contains: edges of an entity (position in `entities`) and a passage (position in `rows`).
        edges: edges of vertices; a pair may occur more than once.
    """

    rows: Ints
    entities: Ints
    shared: Ints
    vectors: Floats
    contains: WeightedEdges
    edges: WeightedEdges

    @property
    def size(self) -> int:
        """The number of vertices."""
        return len(self.rows) + len(self.shared)


def network(
    corpus: StoredCorpus,
    view: View,
    graph: GraphConfig,
    neighbors: int = 0,
    progress: Progress = silent,
) -> CorpusNetwork:
    """Build the network of the visible passages, each tied to its `neighbors` nearest passages."""
    rows = view.rows
    entities = np.flatnonzero(entities_in_graph(view, graph))
    mentions, _ = passage_ties(view, entities)
    contains = mentions._replace(target=positions_of(rows, len(view.visible))[mentions.target])
    ties = entity_ties(view, entities, np.diff(corpus.sentence_bounds), graph)
    vectors = whole_vectors(corpus, rows)
    shared = np.flatnonzero(np.asarray(view.df)[entities] > 1)
    vertex = positions_of(shared, len(entities))
    vertex[shared] += len(rows)
    neighbor_edges = _spread(nearest(vectors, neighbors, progress))
    kinds = (
        _spread(_among(WeightedEdges(contains.target, vertex[contains.source], contains.weight))),
        neighbor_edges._replace(weight=TEXT_WEIGHT * neighbor_edges.weight),
        _spread(_among(WeightedEdges(vertex[ties.source], vertex[ties.target], ties.weight))),
    )
    source, target, weight = (np.concatenate(columns) for columns in zip(*kinds, strict=True))
    edges = WeightedEdges(source, target, weight)
    return CorpusNetwork(rows, entities, shared, vectors, contains, edges)


def _among(edges: WeightedEdges) -> WeightedEdges:
    """Keep the edges whose ends are both vertices."""
    return edges.of((edges.source >= 0) & (edges.target >= 0))


def _spread(edges: WeightedEdges) -> WeightedEdges:
    """Scale the weights so that they add up to 1 at each source."""
    totals = np.bincount(edges.source, edges.weight, int(edges.source.max(initial=-1)) + 1)
    return edges._replace(weight=edges.weight / totals[edges.source])


def whole_vectors(corpus: StoredCorpus, rows: Ints) -> Floats:
    """Return `[P, d]`: the mean window of each row, scaled to length `SCALE` and rounded."""
    vectors = np.zeros((len(rows), corpus.windows.dimension), np.float32)
    for begin in range(0, len(rows), _BLOCK):
        some = slice(begin, begin + _BLOCK)
        places, lengths = members(corpus.window_bounds, rows[some])
        windows = corpus.windows.take(places).astype(np.float64)
        sums = np.add.reduceat(windows, np.cumsum(lengths) - lengths, axis=0)
        norms = np.maximum(np.sqrt(np.einsum("pd,pd->p", sums, sums)), 1e-12)
        vectors[some] = np.rint(sums / norms[:, None] * SCALE)
    return vectors


def nearest(vectors: Floats, neighbors: int, progress: Progress = silent) -> WeightedEdges:
    """Find the `neighbors` nearest other vectors of each vector, with a cosine above 0.

    `vectors` `[P, d]` are whole numbers; ties go to the first vector.
    """
    count = min(neighbors, len(vectors) - 1)
    blocks = [_best_of(np.zeros((0, 1)), 0, 1)]
    for begin in range(0, len(vectors) if count > 0 else 0, _BLOCK):
        progress("themes", begin, len(vectors))
        products = vectors[begin : begin + _BLOCK] @ vectors.T
        itself = np.arange(len(products))
        products[itself, begin + itself] = -np.inf
        blocks.append(_best_of(products, begin, count))
    source, target, weight = (np.concatenate(columns) for columns in zip(*blocks, strict=True))
    return WeightedEdges(source, target, weight)


def _best_of(products: Array, begin: int, count: int) -> WeightedEdges:
    """Return edges for the `count` largest products of each row; ties go to the first column."""
    least = -np.partition(-products, count - 1, axis=1)[:, count - 1]
    sources, targets = np.nonzero(products >= np.maximum(least, 1)[:, None])
    values = products[sources, targets]
    order = np.lexsort((targets, -values, sources))
    sources, targets, values = sources[order], targets[order], values[order]
    starts = np.searchsorted(sources, np.arange(len(products)))
    first = np.arange(len(sources)) - starts[sources] < count
    weights: Doubles = values[first].astype(np.float64) / SCALE**2
    return WeightedEdges(sources[first] + begin, targets[first], weights)


def symmetric(size: int, edges: WeightedEdges) -> tuple[Csr, Doubles]:
    """Return each edge in both directions, with weights; repeats are added up, loops removed."""
    is_edge = edges.source != edges.target
    source, target, weight = (each[is_edge] for each in edges)
    pairs = pair_keys(np.minimum(source, target), np.maximum(source, target))
    keys, sums = merge_repeats(pairs, weight)
    low, high = pairs_of(keys)
    weights = np.tile(np.float32(sums), 2).astype(np.float64)
    both = np.concatenate([low, high]), np.concatenate([high, low])
    adjacency = Csr.from_pairs(*both, weights, (size, size))
    return adjacency, adjacency.entries


def name_hashes(ids: Sequence[str], keys: Sequence[str]) -> Ints:
    """Return a hash of each passage's id and each entity's key."""
    names = (*(f"p{name}" for name in ids), *(f"e{key}" for key in keys))
    return np.array([zlib.crc32(name.encode()) for name in names], np.int64)


def random_bits(names: Ints) -> Array:
    """Return the first output of the generator splitmix64 seeded with each name, uint64."""
    z = names.astype(np.uint64) + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits: Array = z ^ (z >> np.uint64(31))
    return bits
