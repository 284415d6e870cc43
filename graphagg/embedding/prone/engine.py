"""The factorization over the pieces of a matrix: one text, in process and on Spark.

Values of all nodes are in arrays `[N', ...]` in the order of `Layout`. A task takes one piece: it
reads the rows of the piece's columns, its halo included, and writes the rows of the piece's nodes.
The pieces' shares of the hubs' rows are added up in a task of its own, in the order of the pieces.
So each number is computed from the same numbers in the same order on both engines, and they give
the same bytes.

    strength    [N']     D, float64
    arrived     [N']     q but for its sum, float64
    leaf        a piece  V S of its part of the log matrix, `[c, r]`
    start       [N', m]  Q, from the merge of the leaves
    refined     [N', m]  F Q
    loops       [N']     the weight of each node's loop, float64
    pass1.start [N', d]  E of the first pass; pass1.0 to pass1.4: after each of its products
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import Layout, Piece, cut
from graphagg.embedding.prone.loops import Loops, load_piece, save_piece
from graphagg.embedding.prone.matrix import (
    arriving,
    log_matrix,
    raised,
    scaled_right_vectors,
    smoothing,
    strengths,
)
from graphagg.embedding.prone.merge import (
    NODES_PER_SHARD,
    Level,
    Rows,
    Wide,
    level_grams,
    mapped,
)
from graphagg.embedding.prone.merge import merge as merge_leaves
from graphagg.embedding.prone.merge import shards as shards_of
from graphagg.embedding.prone.propagation import NEEDS, STEPS, advance, finish, rotation
from graphagg.embedding.prone.sparse import gram, multiply, normalize_rows
from graphagg.graph.csr import Csr
from graphagg.progress import Progress, silent
from graphagg.spark.state import Memory, State, Stored

_GATHERED = 1 << 27
"""Numbers of an array of all nodes that a product gathers at once; 512 MiB of them."""
_LEAST_WIDTH = 32


@dataclass(frozen=True)
class Vectors:
    """The names of the arrays that hold vectors, before the rotation `<rows>.turn`.

    Attributes:
        rows: the vectors, `[N', m]`; a vector is one of these times the rotation.
        sources: the terms of the vectors, `[N', m]`: a vector is the sum of its node's matrix row
            over these, the row of A1 after a propagation, of the log matrix before.
    """

    rows: str
    sources: str


@dataclass(frozen=True)
class Engine:
    """The factorization over the pieces of a matrix.

    Attributes:
        layout: the nodes by piece; of its `order` only the hubs are read.
        config: parameters.
        state: holds the arrays; pieces are in it already (`save_piece`).
        loops: runs the tasks.
    """

    layout: Layout
    config: EmbeddingConfig
    state: State
    loops: Loops

    # --- the log matrix --------------------------------------------------------------------------

    def prepare(self) -> None:
        """Stages `strength` and `arrived`: D and q of all nodes."""
        self._collect("strength", (), np.float64, strengths)

        def arrived(piece: Piece) -> Array:
            return arriving(piece, self.state.map("strength")[piece.columns])

        self._collect("arrived", (), np.float64, arrived, lambda first, sums: raised(sums))
        sums = self._total("arrived", "arrived.sums", lambda rows: rows.sum(keepdims=True))
        self.state.save("arrived.total", 0, value=sums)

    def log_q(self, nodes: Ints) -> Array:
        """Logarithm of q of some nodes, float64."""
        total = float(self.state.load("arrived.total", 0, "value")[0])
        return np.asarray(np.log(self.state.map("arrived")[nodes]) - np.log(total))

    def log_matrix(self, piece: Piece) -> Csr:
        """The log matrix of a piece."""
        return log_matrix(piece, self._of_rows(piece, "strength"), self.log_q(piece.columns))

    # --- leaves, merge, refinement ---------------------------------------------------------------

    def factorize(self) -> Vectors:
        """Stages `leaves`, `gram...`, `start` and `refined`: U sqrt(S) of the log matrix."""
        self.loops.stage("leaves", lambda: self.loops.each(self.layout.pieces, self._leaf))
        self.merge()

        def refined(piece: Piece) -> Array:
            return self._multiply("log", piece, "start")

        width = self.state.map("start").shape[1:]
        self._collect("refined", width, np.float32, refined)
        self._rotate("refined", self.config.dim)  # fewer where the matrix has fewer directions
        return Vectors("refined", "start")

    def _leaf(self, i: int) -> None:
        """Decompose the log matrix of piece i."""
        piece, config = self.piece(i), self.config
        matrix = self.log_matrix(piece)
        rank, seed = config.rank(self.layout.pieces), [config.random_state, i]
        values = scaled_right_vectors(matrix, rank, config.iterations, seed)
        self.state.save("log", i, values=matrix.entries)
        self.state.save("leaf", i, values=values)

    def merge(self) -> None:
        """Stage `start`: Q, the leading right singular vectors of the stacked pieces, float32."""
        pieces, shards = self.layout.pieces, shards_of(self._nodes)
        levels = count()
        maps, singular = merge_leaves(
            [self.state.load("leaf", i, "values").shape[1] for i in range(pieces)],
            self.config.width,
            lambda level: self._grams(level, next(levels)),
        )
        self._save_maps("map", dict(enumerate(matrix / singular for matrix in maps)))

        def shard(s: int) -> None:
            low, high = shards[s]
            rows = mapped(range(pieces), self._maps("map"), self._leaf_rows(low, high))
            whole = np.zeros((high - low, len(singular)), dtype=np.float32)
            whole[rows.nodes - low] = rows.values
            self.state.write("start", low, whole)

        self._fill("start", (len(singular),), np.float32, len(shards), shard)
        self.state.drop("leaf")

    def _grams(self, level: Level, depth: int) -> Iterable[Wide]:
        """The Gram matrices of a level of the merge; a task a shard of nodes."""
        name, shards = f"gram{depth}", shards_of(self._nodes)
        groups, has_maps = level.groups, level.maps is not None
        if level.maps is not None:
            self._save_maps(f"{name}.map", level.maps)

        def shard(s: int) -> list[Wide]:
            maps = self._maps(f"{name}.map") if has_maps else None
            return level_grams(Level(groups, maps), self._leaf_rows(*shards[s]))

        return self.loops.total(name, len(shards), shard)

    def _leaf_rows(self, low: int, high: int) -> list[Rows]:
        """The rows of nodes `low` to `high - 1` in each leaf."""
        load = self.state.load
        leaves = (
            Rows(load("piece", i, "columns"), load("leaf", i, "values"))
            for i in range(self.layout.pieces)
        )
        return [leaf.within(low, high) for leaf in leaves]

    def _save_maps(self, name: str, maps: dict[int, Wide]) -> None:
        for leaf, matrix in maps.items():
            self._save_map(name, leaf, matrix)

    def _maps(self, name: str) -> dict[int, Wide]:
        return {i: self._map(name, i) for i in range(self.layout.pieces)}

    def take(self, rows: Array) -> Vectors:
        """Vectors `[N', m]` that were made elsewhere, for `propagate` to go on from."""
        self.state.create("taken", rows.dtype, rows.shape)
        self.state.write("taken", 0, rows)
        self._save_map("taken.turn", 0, np.eye(rows.shape[1], dtype=rows.dtype))
        return Vectors("taken", "taken")

    # --- propagation -----------------------------------------------------------------------------

    def propagate(self, before: Vectors, pass_number: int) -> Vectors:
        """Stages `pass<number>...`: one pass of spectral propagation over all nodes."""
        if pass_number == 1:
            self._smoothing()
        turn = self._map(f"{before.rows}.turn")
        name, width, spans = f"pass{pass_number}", (turn.shape[1],), self._spans

        def start(s: int) -> None:
            low, high = spans[s]
            rows = normalize_rows(self.state.map(before.rows)[low:high] @ turn)
            self.state.write(f"{name}.start", low, rows)

        self._fill(f"{name}.start", width, np.float32, len(spans), start)
        self.state.drop(before.rows)
        self.state.drop(before.sources)
        for step in range(STEPS):
            read, written = self._product(name, step)
            self._collect(f"{name}.{step}", width, np.float32, read, written)
            for earlier in set(NEEDS[step]).difference(*NEEDS[step + 1 :], NEEDS[-1]):
                self.state.drop(f"{name}.{earlier}")
        self._rotate(f"{name}.{STEPS - 1}")
        return Vectors(f"{name}.{STEPS - 1}", f"{name}.{STEPS - 2}")

    def _product(
        self, name: str, step: int
    ) -> tuple[Callable[[Piece], Array], Callable[[int, Array], Array]]:
        """Two functions: the product of a step over a piece's entries, and the rows it gives."""
        needed = [f"{name}.{each}" for each in NEEDS[step]]

        def read(piece: Piece) -> Array:
            return self._multiply("smooth", piece, needed[-1])

        def written(first: int, product: Array) -> Array:
            mine = slice(first, first + len(product))
            strength, loops = (self.state.map(key)[mine] for key in ("strength", "loops"))
            state = [np.asarray(self.state.map(key)[mine]) for key in needed]
            kept = (loops / (strength + loops)).astype(np.float32)
            product = product + kept[:, None] * state[-1]
            if step < STEPS - 1:
                return advance(step, state, product)
            return finish(product, (strength + loops).astype(np.float32))

        return read, written

    def _smoothing(self) -> None:
        """Stages `loops` and `smooth`: the loops of all nodes, and D1^-1 A of each piece."""

        def degrees(piece: Piece) -> Array:
            return piece.matrix.degrees().astype(np.float64)

        def loops(first: int, counts: Array) -> Array:
            strength = self.state.map("strength")[first : first + len(counts)]
            return np.asarray(strength / np.maximum(counts, 1))

        def smooth(i: int) -> None:
            piece = self.piece(i)
            matrix = smoothing(
                piece, self._of_rows(piece, "strength"), self._of_rows(piece, "loops")
            )
            self.state.save("smooth", i, values=matrix.entries)

        self._collect("loops", (), np.float64, degrees, loops)
        self.loops.stage("smooth", lambda: self.loops.each(self.layout.pieces, smooth))
        self.state.drop("log")

    # --- results ---------------------------------------------------------------------------------

    def rotated(self, vectors: Vectors, nodes: Ints) -> tuple[Array, Array]:
        """Vectors and sources of some nodes, zeros for one without an edge (-1); `[n, d]` each."""
        filled, turn = nodes >= 0, self._map(f"{vectors.rows}.turn")
        ascending, positions = np.unique(nodes[filled], return_inverse=True)
        rows, sources = (
            _spread(self.state.select(name, ascending)[positions] @ turn, filled)
            for name in (vectors.rows, vectors.sources)
        )
        return rows, sources

    def width(self, vectors: Vectors) -> int:
        """Length of the vectors: `dim`, or fewer where the matrix has fewer directions."""
        return int(self._map(f"{vectors.rows}.turn").shape[1])

    def log_q_of(self, nodes: Ints) -> Array:
        """The logarithm of q, 0 for nodes without an edge (-1)."""
        filled = nodes >= 0
        return _spread(self.log_q(nodes[filled]), filled)

    # --- over pieces, and over nodes -------------------------------------------------------------

    def piece(self, i: int) -> Piece:
        """Piece i."""
        return load_piece(self.state, self.layout, i)

    @property
    def _nodes(self) -> int:
        return int(self.layout.starts[-1])

    @property
    def _spans(self) -> list[tuple[int, int]]:
        """The ranges of nodes: the hubs, then the nodes of each piece."""
        return list(pairwise([0, *self.layout.starts.tolist()]))

    def _fill(
        self, name: str, row: tuple[int, ...], dtype: Any, tasks: int, task: Callable[[int], None]
    ) -> None:
        """A stage that makes array `name` of all nodes and lets tasks write its ranges."""

        def make() -> None:
            self.state.create(name, dtype, (self._nodes, *row))
            self.loops.each(tasks, task)

        self.loops.stage(name, make)

    def _collect(
        self,
        name: str,
        row: tuple[int, ...],
        dtype: Any,
        read: Callable[[Piece], Array],
        written: Callable[[int, Array], Array] = lambda first, rows: rows,
    ) -> None:
        """A stage that makes array `name` of all nodes from the rows that each piece gives.

        Args:
            name: of the array.
            row: shape of a row.
            dtype: of the array.
            read: rows of a piece's nodes and then of its hubs, those in part.
            written: maps the whole rows of the nodes from `first` on to the rows of the array.
        """

        def piece(i: int) -> None:
            piece = self.piece(i)
            rows = read(piece)
            self.state.save(f"{name}.hubs", i, rows=rows[piece.whole :])
            # A shard at a time, which bounds the memory of `written`.
            for low in range(0, piece.whole, NODES_PER_SHARD):
                block = rows[low : min(low + NODES_PER_SHARD, piece.whole)]
                self.state.write(name, piece.first + low, written(piece.first + low, block))

        def hubs(_: int) -> None:
            total = np.zeros((self.layout.hubs, *row), dtype)
            for i in range(self.layout.pieces):
                hub_rows = self.state.load("piece", i, "hubs")
                total[hub_rows] += self.state.load(f"{name}.hubs", i, "rows")
            self.state.write(name, 0, written(0, total))

        def make() -> None:
            self.state.create(name, dtype, (self._nodes, *row))
            self.loops.each(self.layout.pieces, piece)
            self.loops.each(min(self.layout.hubs, 1), hubs)
            self.state.drop(f"{name}.hubs")

        self.loops.stage(name, make)

    def _of_rows(self, piece: Piece, name: str) -> Array:
        """The values of a piece's rows, hubs included, in an array of all nodes."""
        whole = self.state.map(name)
        mine = whole[piece.first : piece.first + piece.whole]
        return np.concatenate((mine, whole[piece.hubs]))

    def _multiply(self, matrix: str, piece: Piece, name: str) -> Array:
        """The piece's matrix with the values of a stage, times the rows of its columns.

        The rows are read some of their columns at a time, where all together take much memory.
        """
        piece_matrix = piece.with_values(self.state.load(matrix, piece.index, "values"))
        width = self.state.map(name).shape[1]
        step = max(_LEAST_WIDTH, _GATHERED // max(len(piece.columns), 1))
        if step >= width:
            return multiply(piece_matrix, self.state.select(name, piece.columns))
        product = np.empty((piece_matrix.rows, width), self.state.map(name).dtype)
        for low in range(0, width, step):
            some = slice(low, min(low + step, width))
            product[:, some] = multiply(piece_matrix, self.state.select(name, piece.columns, some))
        return product

    def _total(self, name: str, stage: str, of_rows: Callable[[Array], Array]) -> Array:
        """Add up `of_rows` of the hubs' rows, and then of each piece's rows, of an array."""
        spans = self._spans

        def span(i: int) -> list[Array]:
            low, high = spans[i]
            return [of_rows(self.state.map(name)[low:high])]

        return next(iter(self.loops.total(stage, len(spans), span)))

    def _rotate(self, name: str, width: int | None = None) -> None:
        """Save the rotation that the rows of an array are to be turned by, `<name>.turn`."""
        total = self._total(name, f"{name}.gram", gram)
        turn = rotation(total, width).astype(np.float32)
        self._save_map(f"{name}.turn", 0, turn)

    def _save_map(self, name: str, index: int, matrix: Array) -> None:
        """Save a matrix that rows are multiplied by, column by column.

        The order in memory decides which loop of the linear algebra library multiplies, and so the
        last bits; LAPACK gives columns.
        """
        self.state.save(name, index, columns=matrix.T)

    def _map(self, name: str, index: int = 0) -> Array:
        return self.state.load(name, index, "columns").T


def _spread(rows: Array, filled: Array) -> Array:
    """Rows where `filled`, zeros elsewhere."""
    whole = np.zeros((len(filled), *rows.shape[1:]), dtype=rows.dtype)
    whole[filled] = rows
    return whole


def in_process(
    matrix: Csr,
    layout: Layout,
    config: EmbeddingConfig,
    progress: Progress = silent,
    folder: Path | None = None,
) -> Engine:
    """The engine of a matrix in memory.

    Args:
        matrix: symmetric, with values.
        layout: its nodes by piece.
        config: parameters.
        progress: called with a stage's name after each of its tasks.
        folder: an empty folder for the arrays; None: in memory.
    """
    state = Memory() if folder is None else Stored.of(folder)
    for piece in cut(matrix, layout):
        save_piece(state, piece)
    return Engine(layout, config, state, Loops(progress))
