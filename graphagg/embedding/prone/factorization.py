"""Factorization of a matrix in pieces, as stages of tasks.

Values of all nodes are stored in arrays `[N', ...]` in the order of `PieceLayout`:

    strength    [N']     D, float64
    arrived     [N']     q before normalization, float64
    leaf      per piece  V S of its part of the log matrix, `[c, r]`
    start       [N', m]  Q, from the merge of the leaves
    refined     [N', m]  F Q
    loops       [N']     the weight of each node's loop, float64
    pass1.start [N', d]  E of the first pass; pass1.0 to pass1.9: after each of its products
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np

from graphagg.arrays import Array, Doubles, Ints
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import PIECE, Piece
from graphagg.embedding.prone.matrix import (
    POWER,
    arriving,
    log_matrix,
    scaled_right_vectors,
    smoothing,
    strengths,
)
from graphagg.embedding.prone.merge import NodeRows, TreeLevel, level_grams, mapped
from graphagg.embedding.prone.merge import merge as merge_leaves
from graphagg.embedding.prone.merge import shards as shards_of
from graphagg.embedding.prone.propagation import COMMON, STEPS, rotation
from graphagg.embedding.prone.tasks import PieceTasks
from graphagg.embedding.sparse import gram, normalize_rows
from graphagg.execution.runner import Stats
from graphagg.graph.csr import Csr

STRENGTH, ARRIVED, LOOPS = "strength", "arrived", "loops"
LOG, LEAF, SMOOTH = "log", "leaf", "smooth"
START, REFINED = "start", "refined"
_MAPS = "map"


@dataclass(frozen=True)
class VectorArrays:
    """Names of the arrays of unrotated vectors, `[N', m]` each; the rotation is `<rows>.turn`.

    A vector is a row of `rows` times the rotation. That row is the node's row of D1^(-1/2) A1 times
    `sources`, or before the first propagation the node's row of the log matrix times `sources`.
    """

    rows: str
    sources: str


@dataclass(frozen=True)
class Factorization:
    """The stages of the factorization, run over the pieces of `tasks`."""

    tasks: PieceTasks
    config: EmbeddingConfig

    def prepare(self) -> None:
        """Run stages `strength` and `arrived`, which compute D and q of all nodes."""
        tasks = self.tasks
        tasks.collect(STRENGTH, (), np.float64, strengths)

        def arrived(piece: Piece) -> Array:
            return arriving(piece, tasks.arrays.map(STRENGTH)[piece.columns])

        tasks.collect(ARRIVED, (), np.float64, arrived, lambda _, sums: sums**POWER)
        total = tasks.sum_of_spans(ARRIVED, f"{ARRIVED}.sums", lambda rows: rows.sum(keepdims=True))
        tasks.arrays.blocks.save(f"{ARRIVED}.total", 0, value=total)

    def log_q(self, nodes: Ints) -> Array:
        """Return the logarithm of q of the given nodes, float64."""
        total = float(self.tasks.arrays.blocks.load(f"{ARRIVED}.total", 0, "value")[0])
        return np.asarray(np.log(self.tasks.arrays.map(ARRIVED)[nodes]) - np.log(total))

    def log_matrix(self, piece: Piece) -> Csr:
        """Return the log matrix of a piece."""
        return log_matrix(piece, self.tasks.of_rows(piece, STRENGTH), self.log_q(piece.columns))

    def factorize(self) -> VectorArrays:
        """Run stages `leaves`, `gram...`, `start`, `refined`: U sqrt(S) of the log matrix."""
        tasks = self.tasks
        leaves = tasks.run(tasks.layout.pieces, self._leaf, "leaves")
        width = self.merge([stats["rank"] for stats in leaves])
        tasks.collect(
            REFINED, (width,), np.float32, lambda piece: tasks.multiply(LOG, piece, START)
        )
        tasks.drop(LOG)
        self._rotate(REFINED, self.config.dim)  # fewer if the matrix has fewer directions
        return VectorArrays(REFINED, START)

    def _leaf(self, i: int) -> Stats:
        """Decompose the log matrix of piece i."""
        blocks, config = self.tasks.arrays.blocks, self.config
        matrix = self.log_matrix(self.tasks.piece(i))
        rank, seed = config.rank(self.tasks.layout.pieces), [config.random_state, i]
        values = scaled_right_vectors(matrix, rank, seed)
        blocks.save(LOG, i, values=matrix.entries)
        blocks.save(LEAF, i, values=values)
        return {"rank": values.shape[1]}

    def merge(self, ranks: Sequence[int]) -> int:
        """Run stage `start`: Q, the leading right singular vectors of the stacked pieces, float32.

        Returns the number of vectors.
        """
        tasks, levels = self.tasks, count()
        pieces = tasks.layout.pieces
        maps, singular = merge_leaves(
            ranks, self.config.width, lambda level: self._grams(level, next(levels))
        )
        self._save_maps(_MAPS, dict(enumerate(matrix / singular for matrix in maps)))

        def start(low: int, high: int) -> Array:
            rows = mapped(range(pieces), self._maps(_MAPS), self._leaf_rows(low, high))
            block = np.zeros((high - low, len(singular)), dtype=np.float32)
            block[rows.nodes - low] = rows.values
            return block

        tasks.fill(START, (len(singular),), np.float32, shards_of(tasks.nodes), start)
        tasks.drop(LEAF)
        return len(singular)

    def _grams(self, level: TreeLevel, depth: int) -> Iterable[Doubles]:
        """Compute the Gram matrices of a level of the merge, with one task per shard of nodes."""
        name, shards = f"gram{depth}", shards_of(self.tasks.nodes)
        groups, has_maps = level.groups, level.maps is not None
        if level.maps is not None:
            self._save_maps(f"{name}.map", level.maps)

        def shard(s: int) -> list[Doubles]:
            maps = self._maps(f"{name}.map") if has_maps else None
            return level_grams(TreeLevel(groups, maps), self._leaf_rows(*shards[s]))

        return self.tasks.sums(name, len(shards), shard)

    def _leaf_rows(self, low: int, high: int) -> list[NodeRows]:
        """Return the rows of nodes `low` to `high - 1` in each leaf."""
        block = self.tasks.arrays.blocks.map  # all leaves together may not fit into memory
        leaves = (
            NodeRows(block(PIECE, i, "columns"), block(LEAF, i, "values"))
            for i in range(self.tasks.layout.pieces)
        )
        return [leaf.within(low, high) for leaf in leaves]

    def _save_maps(self, name: str, maps: dict[int, Doubles]) -> None:
        for leaf, matrix in maps.items():
            self.tasks.save_matrix(name, matrix, leaf)

    def _maps(self, name: str) -> dict[int, Doubles]:
        return {i: self.tasks.matrix(name, i) for i in range(self.tasks.layout.pieces)}

    def propagate(self, before: VectorArrays, pass_number: int) -> VectorArrays:
        """Run stages `pass<number>...`: one pass of propagation over all nodes."""
        tasks = self.tasks
        turn, name = tasks.matrix(f"{before.rows}.turn"), f"pass{pass_number}"

        def start(low: int, high: int) -> Array:
            return normalize_rows(tasks.arrays.map(before.rows)[low:high] @ turn)

        width = (turn.shape[1],)
        results = [f"{name}.start", *(f"{name}.{step}" for step in range(STEPS))]
        tasks.drop(before.sources)
        tasks.fill(results[0], width, np.float32, tasks.spans, start)
        tasks.drop(before.rows)
        if pass_number == 1:
            self._smoothing()
        common = (STEPS - COMMON) * self._mean(results[0])  # P c is c, so subtract it only once
        for step, (last, result) in enumerate(pairwise(results)):
            first = results[0] if step < STEPS - 1 else None
            shift = common if step == STEPS - 2 else None
            tasks.collect(result, width, np.float32, *self._product(last, first, shift))
            if 0 < step < STEPS - 1:  # the last product reads only the result before it
                tasks.drop(last, *results[: step == STEPS - 2])
        self._rotate(result)
        return VectorArrays(result, last)

    def _product(
        self, last: str, start: str | None, shift: Array | None
    ) -> tuple[Callable[[Piece], Array], Callable[[int, Array], Array]]:
        """Return two functions: one multiplies a piece without loops by S, one completes the rows.

        The rows are the next S = E + P S, minus `shift`, if `start` is the name of E; else they are
        T = D1^(1/2) P S.
        """

        def read(piece: Piece) -> Array:
            return self.tasks.multiply(SMOOTH, piece, last)

        def written(first: int, product: Array) -> Array:
            mine, array = slice(first, first + len(product)), self.tasks.arrays.map
            strength, loops = (array(key)[mine] for key in (STRENGTH, LOOPS))
            share = (loops / (strength + loops)).astype(np.float32)
            product = product + share[:, None] * array(last)[mine]
            if start is not None:
                product = array(start)[mine] + product
                return np.asarray(product if shift is None else product - shift)
            lengths = np.sqrt(strength + loops).astype(np.float32)
            return np.asarray(product * lengths[:, None])

        return read, written

    def _mean(self, name: str) -> Array:
        """Compute the mean of the rows of an array, weighted by D1, float32."""
        tasks, array = self.tasks, self.tasks.arrays.map

        def span(i: int) -> list[Array]:
            mine = slice(*tasks.spans[i])
            weights = array(STRENGTH)[mine] + array(LOOPS)[mine]
            return [weights @ array(name)[mine], weights.sum(keepdims=True)]

        total, weight = tasks.sums(f"{name}.mean", len(tasks.spans), span)
        return np.asarray(total / weight, dtype=np.float32)

    def _smoothing(self) -> None:
        """Run stages `loops` and `smooth`: the loops of all nodes, and D1^-1 A of each piece."""
        tasks = self.tasks

        def degrees(piece: Piece) -> Array:
            return piece.matrix.degrees().astype(np.float64)

        def loops(first: int, counts: Array) -> Array:
            strength = tasks.arrays.map(STRENGTH)[first : first + len(counts)]
            return np.asarray(strength / np.maximum(counts, 1))

        def smooth(i: int) -> None:
            piece = tasks.piece(i)
            matrix = smoothing(piece, tasks.of_rows(piece, STRENGTH), tasks.of_rows(piece, LOOPS))
            tasks.arrays.blocks.save(SMOOTH, i, values=matrix.entries)

        tasks.collect(LOOPS, (), np.float64, degrees, loops)
        tasks.run(tasks.layout.pieces, smooth, SMOOTH)

    def _rotate(self, name: str, width: int | None = None) -> None:
        """Compute and save the rotation of an array's rows as `<name>.turn`."""
        total = self.tasks.sum_of_spans(name, f"{name}.gram", gram)
        self.tasks.save_matrix(f"{name}.turn", rotation(total, width).astype(np.float32))

    def rotated(self, vectors: VectorArrays, nodes: Ints) -> tuple[Array, Array]:
        """Return vectors and sources of the given nodes, `[n, d]` each."""
        rows, sources = (
            self.rotated_rows(vectors, name, nodes) for name in (vectors.rows, vectors.sources)
        )
        return rows, sources

    def rotated_rows(self, vectors: VectorArrays, name: str, nodes: Ints) -> Array:
        """Return rotated rows of one array of `vectors`; zeros for nodes without an edge (-1)."""
        filled, turn = nodes >= 0, self.tasks.matrix(f"{vectors.rows}.turn")
        ascending, positions = np.unique(nodes[filled], return_inverse=True)
        rows = self.tasks.arrays.select(name, ascending)[positions] @ turn
        result = np.zeros((len(nodes), rows.shape[1]), dtype=rows.dtype)
        result[filled] = rows
        return result

    def width(self, vectors: VectorArrays) -> int:
        """Return the length of the vectors: `dim`, or less if the matrix has fewer directions."""
        return int(self.tasks.matrix(f"{vectors.rows}.turn").shape[1])


def factorized(stages: Factorization) -> VectorArrays:
    """Run all stages."""
    stages.prepare()
    vectors = stages.factorize()
    for turn in range(1, stages.config.propagate + 1):
        vectors = stages.propagate(vectors, turn)
    return vectors
