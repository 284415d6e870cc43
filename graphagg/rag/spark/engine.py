"""The loops of `graphagg.rag.indexing.engine` on Spark: each step of a stage is a task.

What tasks exchange lies where `graphagg.spark.job` says: files on a shared disk, or objects of a
store. Nothing that grows with the corpus is in the results of tasks, and nothing is broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.graph.spark.numbering import Numbering, number_ids, write_ids
from graphagg.rag.indexing.state import BLOCK, FileArrays, State, Task
from graphagg.spark.files import Files
from graphagg.spark.job import Work
from graphagg.spark.tasks import Stats, run_tasks

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_STRINGS_PER_TASK = 20_000


@dataclass(frozen=True)
class SparkLoops:
    """Loops whose steps are Spark tasks; the results of a stage are noted in the job's folder.

    Attributes:
        work: the unfinished job.
    """

    work: Work

    def each(self, count: int, task: Task) -> list[Stats]:
        """Run `task(i)` for i below `count`."""
        return run_tasks(self.work.spark, count, task)

    def stage(self, name: str, make: Callable[[], list[Stats]]) -> list[Stats]:
        """Run `make`, unless the job has finished it."""
        results: list[Stats] = self.work.stage(name, make)
        return results

    def merge(
        self, state: State, table: str, blocks: Sequence[Stats], files: Files, name: str
    ) -> None:
        """Merge the tables of all blocks by a distributed sort, and rank their strings."""
        import pyarrow as pa

        stage, ranks, merged = state.stage(BLOCK), state.stage(table), f"{table}.merged"

        def strings(i: int) -> dict[str, Any]:
            return {"id": pa.array(list(stage.strings(i, table)), pa.string())}

        def sort() -> dict[str, Any]:
            total = sum(block[f"{table}.offsets"] - 1 for block in blocks)
            partitions = max(1, math.ceil(total / _STRINGS_PER_TASK))
            frame = self.frame(len(blocks), strings, "id string")
            return number_ids(frame, self.work.blocks, merged, partitions).to_json()

        numbering = Numbering.from_json(self.work.blocks, self.work.note(merged, sort))
        write_ids(self.work.spark, numbering, files, name)

        def rank(i: int) -> Stats:
            finished = ranks.known(i)
            if finished is not None:
                return finished
            position, positions = 0, []
            all_strings = FileArrays(files).strings(name)
            for raw in stage.strings(i, table).raws():
                position = all_strings.place_sorted(raw, position)
                positions.append(position)
            return ranks.save(i, {"ranks": np.array(positions, np.int32)})

        self.each(len(blocks), rank)

    def frame(self, count: int, make: Callable[[int], dict[str, Any]], schema: str) -> DataFrame:
        """Rows that tasks make of blocks 0 to `count - 1`: `make(i)` gives columns by name."""

        def each(batches: Any) -> Any:
            import pyarrow as pa

            for batch in batches:
                for i in batch.column(0).to_pylist():
                    yield from _batches(pa, make(i))

        return self.work.spark.range(0, count, 1, count).mapInArrow(each, schema)


def _batches(pa: Any, columns: dict[str, Any]) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = pa.table(columns).to_batches(max_chunksize=65_536)
    return batches
