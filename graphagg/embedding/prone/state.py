"""The arrays and loops of an engine, which differ in process and on Spark.

`Memory` keeps arrays in memory, `Stored` in files, of which a step reads its own part; both give
the same bytes. `Loops` runs the steps of the build in process; `embedding.spark.partition` has the
loops of Spark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.partition.pieces import Layout, Piece
from graphagg.graph.csr import Csr
from graphagg.progress import Progress, silent
from graphagg.spark.blocks import Blocks
from graphagg.spark.files import Files
from graphagg.store.ranges import take_rows
from graphagg.store.work import FolderStorage

Task = Callable[[int], None]
"""Step `i` of a loop. It may run more than once, and then writes the same bytes again."""


class Memory:
    """Arrays in memory, by name: small ones of a piece, and arrays of all nodes."""

    def __init__(self) -> None:
        self._small: dict[str, dict[tuple[int, str], Array]] = {}
        self._whole: dict[str, Array] = {}

    def save(self, name: str, piece: int, **arrays: Array) -> None:
        """Keep arrays of a piece, rows one after another as in a file."""
        small = self._small.setdefault(name, {})
        for key, array in arrays.items():
            small[piece, key] = np.ascontiguousarray(array)

    def load(self, name: str, piece: int, array: str) -> Array:
        """An array of a piece, read-only."""
        return self._small[name][piece, array]

    def create(self, name: str, shape: Sequence[int], dtype: Any) -> None:
        """Make an array of all nodes, of zeros."""
        self._whole[name] = np.zeros(shape, dtype)

    def rows(self, name: str) -> Array:
        """An array of all nodes, read-only."""
        return self._whole[name]

    def take(self, name: str, nodes: Array, columns: slice = slice(None)) -> Array:
        """Rows of some nodes, ascending, of an array of all nodes, or some columns of them."""
        return np.asarray(self._whole[name][nodes, columns])

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write rows `start` to `start + len(rows)` of an array of all nodes."""
        self._whole[name][start : start + len(rows)] = rows

    def drop(self, name: str) -> None:
        """Forget everything of a name, where it is there."""
        self._small.pop(name, None)
        self._whole.pop(name, None)


@dataclass(frozen=True)
class Stored:
    """Arrays as files or objects: arrays of a piece in blocks, arrays of all nodes beside them.

    Attributes:
        files: arrays of all nodes.
        blocks: arrays of pieces.
        keep: leave dropped arrays, for a job that goes on to read; they go with its folder.
    """

    files: Files
    blocks: Blocks
    keep: bool = False

    @classmethod
    def of(cls, folder: Path) -> Stored:
        """The arrays of a build that does not go on once it was killed."""
        return cls(Files(folder), Blocks(FolderStorage(folder / "blocks")))

    def save(self, name: str, piece: int, **arrays: Array) -> None:
        """Write arrays of a piece."""
        self.blocks.save(name, piece, **arrays)

    def load(self, name: str, piece: int, array: str) -> Array:
        """An array of a piece, mapped."""
        return self.blocks.map(name, piece, array)

    def create(self, name: str, shape: Sequence[int], dtype: Any) -> None:
        """Make an array of all nodes."""
        self.files.create(name, dtype, shape)

    def rows(self, name: str) -> Array:
        """An array of all nodes, mapped."""
        return self.files.map(name)

    def take(self, name: str, nodes: Array, columns: slice = slice(None)) -> Array:
        """Rows of some nodes; little of the file is in memory at a time."""
        return take_rows(self.rows(name), nodes, columns)

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write a range of an array of all nodes."""
        self.blocks.check_run()
        self.files.write(name, start, rows)

    def drop(self, name: str) -> None:
        """Remove everything of a name, unless it is kept."""
        if not self.keep:
            self.files.drop(name)
            self.blocks.remove(name)


State = Memory | Stored


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
