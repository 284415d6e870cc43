"""Other ways to make one embedding of pieces, for comparison with the merge of graphagg.

`concat` is DistNE's (arXiv 2106.10620): each part's internal subgraph is embedded, and so is the
border subgraph, the edges between parts over the nodes that have one; a node's vector is its
internal block beside its border block. The dimensions are shared out by size, |V_b| / (|V| + |V_b|)
to the border; a border subgraph over the limit is cut again, with the dimensions that are left.

`procrustes` embeds each part with its halo and turns the pieces onto each other: nodes that pieces
share say how (orthogonal Procrustes; the pieces one after another, each onto the mean of those
before it, then sweeps over all of them). A node's vector is the mean of its copies.

A hub belongs to part 0 here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.fusions.bases import BaseEmbedder, prone
from benchmarks.vectors.measure import propagated
from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.cut import induced, partition
from graphagg.embedding.partition.pieces import Layout
from graphagg.embedding.partition.report import HUB, Parts
from graphagg.embedding.prone.engine import in_process
from graphagg.embedding.prone.network import Network
from graphagg.embedding.prone.sparse import entries_where, one_thread
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.csr import Csr

_LEAST_DIM = 8
_SWEEPS = 8


@dataclass(frozen=True)
class Fusion:
    """A way to embed a partitioned graph.

    Attributes:
        name: `concat` or `procrustes`.
        base: embeds a piece.
    """

    name: str
    base: BaseEmbedder = prone

    def __call__(self, network: Network, config: EmbeddingConfig) -> Array:
        """Partition, embed and fuse the pieces, propagate: vectors `[N, d]` of all nodes."""
        with one_thread():
            parts, report = partition(network.matrix, config)
            layout = Layout.of(parts, report.levels[-1].pieces)
            engine = in_process(network.matrix, layout, config)
            engine.prepare()
            parts = np.where(parts == HUB, 0, parts)
            if self.name == "concat":
                vectors = concat(network.matrix, parts, config, self.base)
            else:
                vectors = procrustes(network.matrix, parts, config, self.base)
            return propagated(engine, vectors[layout.order], network, config)


def concat(
    matrix: Csr,
    parts: Parts,
    config: EmbeddingConfig,
    base: BaseEmbedder,
    dim: int | None = None,
    depth: int = 0,
) -> Array:
    """The internal and the border blocks of all nodes, `[N, dim]`."""
    dim = config.dim if dim is None else dim
    rows, columns = expand_rows(matrix), np.asarray(matrix.indices)
    crossing = parts[rows] != parts[columns]
    filled = int(np.count_nonzero(matrix.degrees() > 0))
    border = len(np.unique(rows[crossing]))
    wide = int(dim * border / max(filled + border, 1))
    if wide < _LEAST_DIM or dim - wide < _LEAST_DIM:
        wide = 0 if wide < _LEAST_DIM else dim - _LEAST_DIM
    seed = [config.random_state, depth]
    inner = _internal(matrix, parts, base, dim - wide, seed)
    if not wide:
        return inner
    outer = entries_where(matrix, crossing)
    return np.hstack((inner, _border(outer, config, base, wide, depth + 1)))


def _internal(matrix: Csr, parts: Parts, base: BaseEmbedder, dim: int, seed: list[int]) -> Array:
    vectors = np.zeros((matrix.rows, dim), dtype=np.float32)
    for part in range(int(parts.max()) + 1):
        nodes = np.flatnonzero(parts == part)
        inside = induced(matrix, nodes)
        if len(inside.indices):
            vectors[nodes] = base(inside, dim, [*seed, part])
    return vectors


def _border(outer: Csr, config: EmbeddingConfig, base: BaseEmbedder, dim: int, depth: int) -> Array:
    """Embed the border subgraph, or cut it again when it is over the limit."""
    nodes = np.flatnonzero(outer.degrees() > 0)
    inside = induced(outer, nodes)
    vectors = np.zeros((outer.rows, dim), dtype=np.float32)
    limit = config.max_piece_edges
    if limit is None or len(inside.indices) <= limit or dim < 2 * _LEAST_DIM:
        vectors[nodes] = base(inside, dim, [config.random_state, depth])
        return vectors
    again, _ = partition(inside, replace(config, pieces=None))
    parts = np.where(again == HUB, 0, again)
    vectors[nodes] = concat(inside, parts, config, base, dim, depth)
    return vectors


def procrustes(matrix: Csr, parts: Parts, config: EmbeddingConfig, base: BaseEmbedder) -> Array:
    """The mean of each node's copies in the pieces, turned onto each other, `[N, d]`."""
    nodes, vectors = [], []
    for part in range(int(parts.max()) + 1):
        own = np.flatnonzero(parts == part)
        members = np.union1d(own, matrix.gather(own)[1])
        if len(members) < 2:
            continue
        nodes.append(members)
        seed = [config.random_state, part]
        vectors.append(base(induced(matrix, members), config.dim, seed))
    _align(nodes, vectors, matrix.rows)
    return _mean(nodes, vectors, matrix.rows)[0].astype(np.float32)


def _align(nodes: list[Array], vectors: list[Array], count: int) -> None:
    """Turn each piece onto the mean of the others, in place."""
    sums, copies = np.zeros((count, vectors[0].shape[1])), np.zeros(count)
    for sweep in range(_SWEEPS + 1):
        for members, rows in zip(nodes, vectors, strict=True):
            if sweep:
                sums[members] -= rows
                copies[members] -= 1
            shared = copies[members] > 0
            target = sums[members[shared]] / copies[members[shared], None]
            rows[:] = rows @ turn_onto(rows[shared], target)
            sums[members] += rows
            copies[members] += 1


def turn_onto(rows: Array, target: Array) -> Array:
    """The orthogonal R that brings `rows @ R` nearest to `target`, `[d, d]`."""
    left, _, right = np.linalg.svd(rows.T.astype(np.float64) @ target)
    turned: Array = left @ right
    return turned


def _mean(nodes: list[Array], vectors: list[Array], count: int) -> tuple[Array, Array]:
    sums, copies = np.zeros((count, vectors[0].shape[1])), np.zeros(count)
    for members, rows in zip(nodes, vectors, strict=True):
        sums[members] += rows
        copies[members] += 1
    return sums / np.maximum(copies, 1)[:, None], copies
