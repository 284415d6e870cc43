"""Compute arrays over all nodes, piece by piece.

A task reads the rows of one piece's columns, including its halo, and writes the rows of its nodes.
A separate task sums the partial rows of hubs in the order of the pieces. So results are identical
to the byte in memory, with files and on Spark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.partition.pieces import PIECE, Piece, PieceLayout, load_piece
from graphagg.embedding.prone.merge import NODES_PER_SHARD
from graphagg.embedding.sparse import one_thread, sparse_array
from graphagg.execution.arrays import ArrayStore
from graphagg.execution.runner import Stats, TaskFunction, TaskRunner

_GATHERED = 1 << 27
"""Maximum numbers that a product gathers at once from an array of all nodes (512 MiB)."""
_LEAST_WIDTH = 32
_SUMS = 64
"""Maximum number of tasks that share a sum over many parts."""


@dataclass(frozen=True)
class PieceTasks:
    """Runs tasks over the pieces that `save_piece` saved, and holds their arrays.

    Of `layout.order` only the hubs are used.
    """

    layout: PieceLayout
    arrays: ArrayStore
    runner: TaskRunner

    @property
    def nodes(self) -> int:
        """Number of nodes with an edge."""
        return int(self.layout.starts[-1])

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The ranges of nodes: the hubs, then the nodes of each piece."""
        return list(pairwise([0, *self.layout.starts.tolist()]))

    def piece(self, i: int) -> Piece:
        """Load piece `i`."""
        return load_piece(self.arrays, self.layout, i)

    def run(self, count: int, task: TaskFunction, stage: str = "") -> list[Stats]:
        """Run tasks, each with one thread, so that the order of sums is fixed."""

        def alone(i: int) -> Stats | None:
            with one_thread():
                return task(i)

        return self.runner.run(count, alone, stage)

    def drop(self, *names: str) -> None:
        """Remove arrays that only finished stages read; a resumed job skips these stages."""
        for name in names:
            self.arrays.drop(name)

    def fill(
        self, name: str, row: tuple[int, ...], dtype: Any, spans: Sequence[tuple[int, int]],
        rows: Callable[[int, int], Array],
    ) -> None:  # fmt: skip
        """Write array `name`, `[n, *row]`, from `rows(low, high)` of consecutive node ranges."""
        first, end = spans[0][0], spans[-1][1]
        self._create(name, dtype, (end - first, *row))

        def write(i: int) -> None:
            self.arrays.write(name, spans[i][0] - first, rows(*spans[i]))

        self.run(len(spans), write, name)

    def collect(
        self,
        name: str,
        row: tuple[int, ...],
        dtype: Any,
        read: Callable[[Piece], Array],
        convert: Callable[[int, Array], Array] = lambda first, rows: rows,
    ) -> None:
        """Write array `name`, `[N', *row]`, from the rows that are computed for each piece.

        `read` computes rows of a piece's nodes and then partial rows of its hubs; `convert` maps
        complete rows, starting at node `first`, to rows of the array.
        """
        self._create(name, dtype, (self.nodes, *row))
        partial, hubs = f"{name}.hubs", self.layout.hubs

        def of_piece(i: int) -> None:
            piece = self.piece(i)
            rows = read(piece)
            self.arrays.blocks.save(partial, i, rows=rows[piece.owned :])
            # Convert one shard at a time, to bound the memory of `convert`.
            for low in range(0, piece.owned, NODES_PER_SHARD):
                block = rows[low : min(low + NODES_PER_SHARD, piece.owned)]
                self.arrays.write(name, piece.first + low, convert(piece.first + low, block))

        def of_hubs(_: int) -> None:
            total = np.zeros((hubs, *row), dtype)
            for i in range(self.layout.pieces):
                hub_rows = self.arrays.blocks.load(PIECE, i, "hubs")
                total[hub_rows] += self.arrays.blocks.load(partial, i, "rows")
            self.arrays.write(name, 0, convert(0, total))

        self.run(self.layout.pieces, of_piece, name)
        if hubs:
            self.run(1, of_hubs, partial)
        self.drop(partial)

    def _create(self, name: str, dtype: Any, shape: tuple[int, ...]) -> None:
        self.runner.note(f"{name}.made", lambda: self.arrays.create(name, dtype, shape))

    def of_rows(self, piece: Piece, name: str) -> Array:
        """Return the values of an array of all nodes for the rows of a piece, including hubs."""
        array = self.arrays.map(name)
        mine = array[piece.first : piece.first + piece.owned]
        return np.concatenate((mine, array[piece.hubs]))

    def multiply(self, matrix: str, piece: Piece, name: str) -> Array:
        """Multiply a piece, with values from stage `matrix`, by the rows of its columns in `name`.

        Columns are read in groups, to bound the memory.
        """
        values = self.arrays.blocks.load(matrix, piece.index, "values")
        piece_matrix, width = (
            sparse_array(piece.with_values(values)),
            self.arrays.map(name).shape[1],
        )
        step = max(_LEAST_WIDTH, _GATHERED // max(len(piece.columns), 1))
        products = [
            piece_matrix @ self.arrays.select(name, piece.columns, slice(low, low + step))
            for low in range(0, width, step)
        ]
        return products[0] if len(products) == 1 else np.concatenate(products, axis=1)

    def sums(
        self, name: str, count: int, task: Callable[[int], Sequence[Array]]
    ) -> Iterator[Array]:
        """Sum each of the arrays that `task(i)` returns over all i below `count`."""
        shares = np.array_split(np.arange(count), min(count, _SUMS))

        def add(s: int) -> Stats:
            totals: list[Array] = []
            for i in shares[s].tolist():
                arrays = task(i)
                sums = zip(totals, arrays, strict=True) if totals else ()
                totals = [a + b for a, b in sums] or list(arrays)
            self.arrays.blocks.save(name, s, **{str(j): each for j, each in enumerate(totals)})
            return {"arrays": len(totals)}

        count = self.run(len(shares), add, name)[0]["arrays"]
        blocks, sum_name = self.arrays.blocks, f"{name}.sum"

        def add_up() -> None:
            for j in range(count):
                total = blocks.load(name, 0, str(j))
                for s in range(1, len(shares)):
                    total = total + blocks.load(name, s, str(j))
                blocks.save(sum_name, j, value=total)

        self.runner.note(sum_name, add_up)
        self.drop(name)
        yield from (blocks.load(sum_name, j, "value") for j in range(count))

    def sum_of_spans(self, name: str, stage: str, of_rows: Callable[[Array], Array]) -> Array:
        """Sum `of_rows` over the spans of an array: rows of hubs, then rows of each piece."""
        spans = self.spans

        def span(i: int) -> list[Array]:
            low, high = spans[i]
            return [of_rows(self.arrays.map(name)[low:high])]

        (total,) = self.sums(stage, len(spans), span)
        return total

    def save_matrix(self, name: str, matrix: Array, index: int = 0) -> None:
        """Save a small matrix in column order; rows are multiplied by it.

        The memory order (LAPACK uses columns) determines which loop the library runs, and so the
        last bits of the result.
        """
        self.arrays.blocks.save(name, index, columns=matrix.T)

    def matrix(self, name: str, index: int = 0) -> Array:
        """Load a matrix that `save_matrix` saved."""
        return self.arrays.blocks.load(name, index, "columns").T
