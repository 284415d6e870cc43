"""The engine in process: pieces one after another, each step over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import Layout, Piece
from graphagg.embedding.prone.leaf import scaled_right_vectors
from graphagg.embedding.prone.matrix import arriving, log_matrix, raised, smoothing, strengths
from graphagg.embedding.prone.merge import (
    Level,
    Rows,
    Wide,
    check_width,
    level_grams,
    mapped,
    merge,
)
from graphagg.embedding.prone.merge import shards as node_shards
from graphagg.embedding.prone.propagation import band_pass, finish, rotation, start_rows
from graphagg.embedding.prone.sparse import gram, multiply
from graphagg.graph.csr import Csr
from graphagg.progress import Progress, silent


@dataclass(frozen=True)
class Vectors:
    """Vectors of all nodes, and what they are sums of.

    Attributes:
        rows: `[N', d]` the vectors.
        sources: `[N', d]`; a vector is the sum of its node's matrix row over these: the row of
            A1 after a propagation, of the log matrix before.
    """

    rows: Array
    sources: Array


@dataclass(frozen=True)
class LocalEngine:
    """The pieces of a matrix and what is done with them.

    Attributes:
        layout: who owns which node.
        pieces: all of them.
        config: parameters.
        progress: called after each stage.
    """

    layout: Layout
    pieces: Sequence[Piece]
    config: EmbeddingConfig
    progress: Progress = silent

    def collect(self, rows: Callable[[Piece], Array]) -> Array:
        """Rows of all nodes from what each piece gives of its own; partial rows are added up."""
        parts = [rows(piece) for piece in self.pieces]
        nodes = int(self.layout.starts[-1])
        whole = np.zeros((nodes, *parts[0].shape[1:]), dtype=parts[0].dtype)
        for piece, part in zip(self.pieces, parts, strict=True):
            whole[piece.first : piece.first + piece.own] = part[: piece.own]
            whole[piece.hubs] += part[piece.own :]
        return whole

    def of_rows(self, piece: Piece, whole: Array) -> Array:
        """What `whole` says of a piece's rows, partial ones included."""
        return np.concatenate((whole[piece.first : piece.first + piece.own], whole[piece.hubs]))

    def strengths(self) -> Array:
        """D of all nodes, `[N']`."""
        return self.collect(strengths)

    def factorize(self, strength: Array) -> Vectors:
        """U sqrt(S) of the log matrix: leaves, merge, one refinement."""
        matrices = self.log_matrices(strength)
        leaves, rank = [], self.config.rank(len(self.pieces))
        for piece, matrix in zip(self.pieces, matrices, strict=True):
            seed = [self.config.random_state, piece.number]
            values = scaled_right_vectors(matrix, rank, self.config.iterations, seed)
            leaves.append(Rows(piece.columns, values))
            self.progress("pieces", len(leaves), len(self.pieces))
        start = merged(leaves, len(strength), self.config)
        self.progress("merge", 1, 1)
        refined = self._multiply(matrices, start)
        turn = self._rotation(refined, self.config.dim)
        return Vectors(refined @ turn, start @ turn)

    def propagate(self, rows: Array, strength: Array) -> Vectors:
        """One pass of spectral propagation over all nodes."""
        loops = self.loops(strength)
        matrices = [
            smoothing(p, self.of_rows(p, strength), self.of_rows(p, loops)) for p in self.pieces
        ]
        degree = (strength + loops).astype(np.float32)
        kept = (loops / (strength + loops)).astype(np.float32)[:, None]

        def product(dense: Array) -> Array:
            spread: Array = self._multiply(matrices, dense) + kept * dense
            return spread

        filtered = band_pass(start_rows(rows), product)
        spread = finish(product(filtered), degree)
        turn = self._rotation(spread)
        return Vectors(spread @ turn, filtered @ turn)

    def loops(self, strength: Array) -> Array:
        """The weight of each node's loop: that of its mean edge."""
        counts = self.collect(lambda piece: piece.matrix.degrees().astype(np.float64))
        return np.asarray(strength / np.maximum(counts, 1))

    def log_q(self, strength: Array) -> Array:
        """Logarithm of q of all nodes, `[N']` float64."""
        q = raised(self.collect(lambda piece: arriving(piece, strength[piece.columns])))
        return np.asarray(np.log(q) - np.log(self._total(q)))

    def log_matrices(self, strength: Array) -> list[Csr]:
        """The log matrix of each piece."""
        log_q = self.log_q(strength)
        return [
            log_matrix(piece, self.of_rows(piece, strength), log_q[piece.columns])
            for piece in self.pieces
        ]

    def _total(self, values: Array) -> float:
        """A sum that adds hubs first and then piece by piece, as the other engine does."""
        starts = [0, *self.layout.starts.tolist()]
        return float(sum(values[a:b].sum() for a, b in pairwise(starts)))

    def _multiply(self, matrices: Sequence[Csr], dense: Array) -> Array:
        products = {
            piece.number: multiply(matrix, dense[piece.columns])
            for piece, matrix in zip(self.pieces, matrices, strict=True)
        }
        whole: Array = self.collect(lambda piece: products[piece.number])
        return whole

    def _rotation(self, rows: Array, width: int | None = None) -> Array:
        starts = [0, *self.layout.starts.tolist()]
        size = rows.shape[1]
        total: Wide = np.zeros((size, size))
        for a, b in pairwise(starts):
            total += gram(rows[a:b])
        turn: Array = rotation(total, width).astype(np.float32)
        return turn


def merged(leaves: Sequence[Rows], nodes: int, config: EmbeddingConfig) -> Array:
    """Q, the leading right singular vectors of the stacked pieces, `[N', m]` float32."""
    spans = node_shards(nodes)

    def grams(level: Level) -> list[Wide]:
        totals: list[Wide] = []
        for low, high in spans:
            parts = level_grams(level, [leaf.within(low, high) for leaf in leaves])
            totals = [a + b for a, b in zip(totals, parts, strict=True)] if totals else parts
        return totals

    maps, singular = merge([leaf.values.shape[1] for leaf in leaves], config.width, grams)
    check_width(len(singular), config.dim, nodes)
    found = np.zeros((nodes, len(singular)), dtype=np.float32)
    scaled = {leaf: matrix / singular for leaf, matrix in enumerate(maps)}
    for low, high in spans:
        rows = mapped(range(len(leaves)), scaled, [leaf.within(low, high) for leaf in leaves])
        found[rows.nodes] = rows.values
    return found
