"""The state and the loops of `prone.engine.Engine` on Spark.

Arrays are files of the job's folder, or objects where that lies on a store. Tasks map them: of an
array of all nodes, a task reads the rows of its piece's columns and writes a range of its own. The
driver reads Gram matrices and the pieces' ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import Layout
from graphagg.embedding.prone.engine import Engine
from graphagg.embedding.prone.state import Task
from graphagg.embedding.prone.threads import one_thread
from graphagg.spark.blocks import AnyBlocks
from graphagg.spark.files import Files
from graphagg.spark.job import AnyWork
from graphagg.spark.tasks import Stats, run_tasks
from graphagg.store.ranges import take_rows


def on_spark(work: AnyWork, layout: Layout, config: EmbeddingConfig) -> Engine:
    """The engine of a job whose pieces are in its blocks."""
    return Engine(layout, config, state_of(work), SparkLoops(work))


def state_of(work: AnyWork) -> JobState:
    """The arrays of a job."""
    return JobState(work.files, work.blocks)


@dataclass(frozen=True)
class JobState:
    """Arrays of a job, which are kept: a job that goes on may read them.

    Attributes:
        files: arrays of all nodes.
        blocks: arrays of pieces.
    """

    files: Files
    blocks: AnyBlocks

    def save(self, name: str, number: int, **arrays: Array) -> None:
        """Write arrays of a piece."""
        self.blocks.save(name, number, **arrays)

    def load(self, name: str, number: int, array: str) -> Array:
        """An array of a piece, mapped."""
        return self.blocks.map(name, number, array)

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
        """Nothing: they go with the job's folder."""


@dataclass(frozen=True)
class SparkLoops:
    """Loops whose steps are Spark tasks; what they make is noted in the job's folder."""

    work: AnyWork

    def stage(self, name: str, make: Callable[[], None]) -> None:
        """Run `make`, unless the job has finished it."""
        self.work.stage(name, make)

    def each(self, count: int, task: Task) -> None:
        """Run `task(i)` for i below `count`."""

        def alone(i: int) -> Stats:
            with one_thread():
                task(i)
            return {}

        run_tasks(self.work.spark, count, alone)

    def total(
        self, name: str, count: int, task: Callable[[int], Sequence[Array]]
    ) -> Iterator[Array]:
        """Add up the arrays that `task(i)` gives: a task an array, which reads one at a time."""
        blocks = self.work.blocks

        def part(i: int) -> Stats:
            with one_thread():
                arrays = task(i)
            for j, array in enumerate(arrays):
                blocks.save(f"{name}.{j}", i, part=array)
            return {"arrays": len(arrays)}

        def add(j: int) -> Stats:
            total = blocks.load(f"{name}.{j}", 0, "part")
            for i in range(1, count):
                total = total + blocks.map(f"{name}.{j}", i, "part")
            blocks.save(name, j, total=total)
            return {}

        def make() -> int:
            arrays: int = run_tasks(self.work.spark, count, part)[0]["arrays"]
            run_tasks(self.work.spark, arrays, add)
            return arrays

        arrays = self.work.stage(name, make)
        return (blocks.load(name, j, "total") for j in range(arrays))
