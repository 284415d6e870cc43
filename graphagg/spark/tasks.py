"""Runs the tasks of a stage on Spark's executors.

Large data stay on the executors: a task writes arrays to a folder shared with the driver, or to a
store, and returns only a few numbers.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from graphagg.execution.runner import Stats, TaskFunction, peak_memory

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


def run_tasks(spark: SparkSession, count: int, task: TaskFunction) -> list[Stats]:
    """Run `task(i)` for each i below `count` as a Spark task, which may run more than once.

    Returns the results in the order of i. Each maps names to integers or bytes; `block` is i.
    """
    if count == 0:
        return []
    tasks = spark.range(0, count, 1, count)
    return write_blocks(tasks, lambda i, _: task(i) or {}, number="id")


def write_blocks(
    frame: DataFrame, write: Callable[[int, pa.Table], Stats], number: str = ""
) -> list[Stats]:
    """Call `write(block, rows)` for each nonempty partition, or for each value of a column.

    Returns the results in the order of the blocks. A block is the number of a partition, or a
    value of the column `number`; a partition may hold several values.
    """

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyspark import TaskContext

        gc.freeze()  # Spark runs the garbage collector after each task, over all objects
        batches = [batch for batch in batches if batch.num_rows]
        if not batches:
            return
        rows = pa.Table.from_batches(batches)
        blocks = pc.unique(rows[number]).to_pylist() if number else [TaskContext().partitionId()]
        for block in blocks:
            of_block = rows.filter(pc.equal(rows[number], block)) if number else rows
            yield _stats_batch(pa, block, write(block, of_block))

    return _collected(frame.mapInArrow(each, _STATS_SCHEMA))


_PEAK = "peak memory"
_peaks = [0]


def task_peak() -> int:
    """Return the peak memory in bytes of a Python worker, over all tasks so far."""
    return max(_peaks)


_STATS_SCHEMA = "block long, name string, value long, content binary"


def _stats_batch(pa: Any, block: int, stats: Stats) -> pa.RecordBatch:
    stats = stats | {_PEAK: peak_memory()}
    values = [value if isinstance(value, int) else None for value in stats.values()]
    contents = [value if isinstance(value, bytes) else None for value in stats.values()]
    columns = [
        pa.array([block] * (len(stats) + 1), pa.int64()),
        pa.array(["block", *stats], pa.string()),
        pa.array([block, *values], pa.int64()),
        pa.array([None, *contents], pa.binary()),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["block", "name", "value", "content"])


def _collected(rows: DataFrame) -> list[Stats]:
    stats: dict[int, Stats] = {}
    for row in rows.collect():
        value = row["value"] if row["content"] is None else bytes(row["content"])
        if row["name"] == _PEAK:
            _peaks[0] = max(_peaks[0], int(value))
        else:
            stats.setdefault(row["block"], {})[row["name"]] = value
    return [stats[block] for block in sorted(stats)]
