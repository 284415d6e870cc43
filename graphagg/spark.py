"""Spark sessions, and tasks that write blocks of numpy arrays.

DataFrames only, so that Spark Connect works. What grows with the input stays on the executors: they
write their arrays into a folder that all of them and the driver share (a local disk, NFS), and only
a row of statistics a block comes back.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphagg import errors
from graphagg.errors import GraphAggError, MissingExtra

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

Array = npt.NDArray[Any]
Stats = dict[str, Any]

_ERROR_LINE = re.compile(r"graphagg\.errors\.(\w+): (.*)")


def create_session(
    name: str, master: str | None = None, settings: Mapping[str, str] | None = None
) -> SparkSession:
    """Start a session, or take the one that `spark-submit` started.

    Args:
        name: what the application is called.
        master: for instance `local[2]`; None: what `spark-submit` says, else `local[*]`.
        settings: further Spark settings.

    Raises:
        MissingExtra: PySpark is not installed.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise MissingExtra("pyspark", "spark") from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers run this very Python
    builder = SparkSession.builder.appName(name)
    if master is None and "PYSPARK_GATEWAY_PORT" not in os.environ:  # not by spark-submit
        master = "local[*]"
    if master is not None:
        builder = builder.master(master)
    if master is not None and master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        builder = builder.config("spark.ui.enabled", "false")
        builder = builder.config("spark.ui.showConsoleProgress", "false")
        builder = builder.config("spark.driver.host", "127.0.0.1")
    for key, value in (settings or {}).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


@contextmanager
def without_broadcasts(spark: SparkSession) -> Iterator[None]:
    """Join by shuffle meanwhile: no side of a join may have to fit a driver."""
    keys = ("spark.sql.autoBroadcastJoinThreshold", "spark.sql.adaptive.autoBroadcastJoinThreshold")
    before = {key: spark.conf.get(key, None) for key in keys}
    for key in keys:
        spark.conf.set(key, "-1")
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, value)


@contextmanager
def named_errors() -> Iterator[None]:
    """Raise what a task found wrong with its input as the error of graphagg that it is."""
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as failure:
        named = _named(str(failure))
        if named is None:
            raise
        raise named from None


def _named(traceback: str) -> GraphAggError | None:
    for line in traceback.splitlines():
        found = _ERROR_LINE.search(line)
        kind = getattr(errors, found[1], None) if found else None
        if found and isinstance(kind, type) and issubclass(kind, GraphAggError):
            error = kind.__new__(kind)
            GraphAggError.__init__(error, found[2])
            return error
    return None


def run_tasks(spark: SparkSession, count: int, task: Callable[[int], Stats]) -> list[Stats]:
    """Run `task(i)` for i below `count`, each in a Spark task of its own; the results, by i.

    A result is a small dict of integers and bytes. A task may run more than once: it must write
    the same bytes to the same place each time.
    """
    if count == 0:
        return []

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield _stats_batch(pa, number, task(number))

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
        held = [batch for batch in batches if batch.num_rows]
        if held:
            number = context.partitionId()
            yield _stats_batch(pa, number, write(number, pa.Table.from_batches(held)))

    return _collected(frame.mapInArrow(each, _STATS_SCHEMA))


_STATS_SCHEMA = "block long, name string, value long, content binary"


def _stats_batch(pa: Any, number: int, stats: Stats) -> pa.RecordBatch:
    values = [value if isinstance(value, int) else None for value in stats.values()]
    contents = [value if isinstance(value, bytes) else None for value in stats.values()]
    columns = [
        pa.array([number] * (len(stats) + 1), pa.int64()),
        pa.array(["block", *stats], pa.string()),
        pa.array([number, *values], pa.int64()),
        pa.array([None, *contents], pa.binary()),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["block", "name", "value", "content"])


def _collected(rows: DataFrame) -> list[Stats]:
    found: dict[int, Stats] = {}
    for row in rows.collect():
        value = row["value"] if row["content"] is None else bytes(row["content"])
        found.setdefault(row["block"], {})[row["name"]] = value
    return [found[number] for number in sorted(found)]


class Blocks:
    """A folder of `.npy` files that tasks write and other tasks read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, stage: str, number: int, **arrays: Array) -> None:
        """Write the arrays of a block; whole or not at all, also when a task runs twice."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            path = self._path(stage, number, name)
            partial = path.with_suffix(f".{os.getpid()}.part")
            with partial.open("wb") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
            os.replace(partial, path)

    def load(self, stage: str, number: int, name: str) -> Array:
        """An array of a block."""
        array: Array = np.load(self._path(stage, number, name), allow_pickle=False)
        return array

    def _path(self, stage: str, number: int, name: str) -> Path:
        return self.folder / f"{stage}.{number:06d}.{name}.npy"


def preallocate(path: Path, dtype: Any, shape: Sequence[int]) -> None:
    """Make a `.npy` file of zeros, for tasks to write their ranges into."""
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype))}
        np.lib.format.write_array_header_1_0(
            file, header | {"fortran_order": False, "shape": tuple(shape)}
        )
        file.truncate(file.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize)


def write_range(path: Path, start: int, values: Array) -> None:
    """Write rows `start` to `start + len(values)` of a preallocated `.npy` file."""
    if len(values):
        target = np.load(path, mmap_mode="r+", allow_pickle=False)
        target[start : start + len(values)] = values
        target.flush()
