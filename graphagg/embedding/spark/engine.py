"""The state and the loops of `prone.engine.Engine` on Spark.

Arrays are files of the job's folder, or objects where that lies on a store. Tasks map them: of an
array of all nodes, a task reads the rows of its piece's columns and writes a range of its own. The
driver reads Gram matrices and the pieces' ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import Layout
from graphagg.embedding.prone.engine import Engine
from graphagg.embedding.prone.sparse import one_thread
from graphagg.embedding.prone.state import Loops, Stored, Task
from graphagg.spark.job import Work
from graphagg.spark.tasks import Stats, run_tasks


def on_spark(work: Work, layout: Layout, config: EmbeddingConfig) -> Engine:
    """The engine of a job whose pieces are in its blocks."""
    return Engine(layout, config, state_of(work), SparkLoops(work))


def state_of(work: Work) -> Stored:
    """The arrays of a job, which a job that goes on may read again."""
    return Stored(work.files, work.blocks, keep=True)


class SparkLoops(Loops):
    """Loops whose steps are Spark tasks; finished stages are noted in the job's folder."""

    def __init__(self, work: Work) -> None:
        self.work = work

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
        """Add up the arrays that `task(i)` gives: one task per array, which reads one at a time."""
        blocks = self.work.blocks

        def share(i: int) -> Stats:
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
            arrays: int = run_tasks(self.work.spark, count, share)[0]["arrays"]
            run_tasks(self.work.spark, arrays, add)
            return arrays

        arrays = self.work.stage(name, make)
        return (blocks.load(name, j, "total") for j in range(arrays))
