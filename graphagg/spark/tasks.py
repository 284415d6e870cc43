"""Tasks: pure functions that run on executors and return a row of statistics each.

Data that grow with the input stay on the executors: they write arrays into a folder that they share
with the driver (a local disk, NFS), and only one row of statistics per block comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

Stats = dict[str, Any]


def run_tasks(spark: SparkSession, count: int, task: Callable[[int], Stats]) -> list[Stats]:
    """Run `task(i)` for i below `count`, each in a Spark task of its own.

    Spark may run a task more than once: it must write the same bytes to the same place each time.

    Returns:
        The results, by i: small dicts of integers and bytes.
    """
    if count == 0:
        return []

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            for i in batch.column(0).to_pylist():
                yield _stats_batch(pa, i, task(i))

    rows = spark.range(0, count, 1, count).mapInArrow(each, _STATS_SCHEMA)
    return _collected(rows)


def write_blocks(frame: DataFrame, write: Callable[[int, pa.Table], Stats]) -> list[Stats]:
    """Call `write(partition number, rows)` for each partition of a frame that is not empty.

    Returns:
        The results in the order of the partitions, with the number as `block`.
    """

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        rows = [batch for batch in batches if batch.num_rows]
        if rows:
            partition = context.partitionId()
            yield _stats_batch(pa, partition, write(partition, pa.Table.from_batches(rows)))

    return _collected(frame.mapInArrow(each, _STATS_SCHEMA))


_STATS_SCHEMA = "block long, name string, value long, content binary"


def _stats_batch(pa: Any, block: int, stats: Stats) -> pa.RecordBatch:
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
        stats.setdefault(row["block"], {})[row["name"]] = value
    return [stats[block] for block in sorted(stats)]
