"""Pieces as arrays of a build, and the loops over its steps in process.

`embedding.spark.partition` has the loops of Spark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from graphagg.arrays import Array
from graphagg.embedding.partition.pieces import Layout, Piece
from graphagg.graph.csr import Csr
from graphagg.progress import Progress, silent
from graphagg.spark.state import State

Task = Callable[[int], None]
"""Step `i` of a loop. It may run more than once, and then writes the same bytes again."""


def save_piece(state: State, piece: Piece) -> None:
    """Save a piece for the engine's tasks."""
    matrix = piece.matrix
    state.save(
        "piece", piece.index, hubs=piece.hubs, columns=piece.columns,
        indptr=matrix.indptr, indices=matrix.indices, values=matrix.entries,
    )  # fmt: skip


def load_piece(state: State, layout: Layout, index: int) -> Piece:
    """Read a piece that `save_piece` saved."""
    hubs, columns, indptr, indices, values = (
        state.load("piece", index, name)
        for name in ("hubs", "columns", "indptr", "indices", "values")
    )
    first, end = (int(start) for start in layout.starts[index : index + 2])
    matrix = Csr(indptr, indices, values, len(columns))
    return Piece(index, first, end - first, hubs, columns, matrix)


class Loops:
    """Loops over pieces, ranges of nodes and shards; here one step after another.

    Args:
        progress: called after each step of a stage with the stage's name.
    """

    def __init__(self, progress: Progress = silent) -> None:
        self._progress, self._stage = progress, ""

    def stage(self, name: str, make: Callable[[], None]) -> None:
        """Run `make`; on Spark unless it was finished before the job was killed."""
        self._stage = name
        make()

    def each(self, count: int, task: Task) -> None:
        """Run `task(i)` for i below `count`; on Spark in any order."""
        for i in range(count):
            task(i)
            self._progress(self._stage, i + 1, count)

    def total(
        self, name: str, count: int, task: Callable[[int], Sequence[Array]]
    ) -> Iterable[Array]:
        """Add up, in the order of i, the arrays that `task(i)` gives: a stage of its own."""
        totals = list(task(0))
        for i in range(1, count):
            totals = [total + array for total, array in zip(totals, task(i), strict=True)]
        return totals
